"""The workspace is its owner's alone, no lock hangs for ever, and no damaged file is a traceback."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases import cluster, server
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import Journal, State
from migration_cookbook.editions.learners import _Manifest
from migration_cookbook.practice import progress, solutions
from migration_cookbook.sandbox import state
from migration_cookbook.workspace import (
    CookbookError,
    Workspace,
    open_workspace,
    sweep,
    temporary_folder,
    waiting,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

UMASKS = (0o000, 0o022, 0o077)

#: What no file of the kit's says.
DAMAGE = {
    "empty": b"",
    "torn": b'{"installation": "12',
    "a list": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "a long number": b"9" * 5000,
    "no UTF-8": b"\xff\xfe\x00",
    "half a character": b'{"installation": "\\ud800", "layout": 1, "\\ud800": 1}',
    "other keys": b'{"a": 1}',
    "deep": b"[" * 100_000,
    "wrong types": (
        b'{"installation": 5, "layout": "1", "password": [], "origin": 8, "home": 7, "sockets": null,'
        b' "folder": 3, "files": [], "generated": 1, "databases": "x", "hashes": [], "latest": 4, "key": []}'
    ),
}


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's is closed."""
    folder = Path(tempfile.mkdtemp(prefix="open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def run(code: str, workspace: Path, umask: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(workspace)], capture_output=True, text=True, umask=umask
    )


def rights(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if not path.is_symlink()]


_MAKE_SANDBOX = """
import sys
from pathlib import Path
from migration_cookbook.databases import server
from migration_cookbook.practice import progress, solutions
from migration_cookbook.sandbox import opening
from migration_cookbook.sandbox.plan import Plan
from migration_cookbook.workspace import open_workspace
workspace = open_workspace(Path(sys.argv[1]))
try:
    opening.open_fresh(workspace, Plan("shop", "base", "base", False, False, 1))
    progress.record_hint(workspace, "c00-1")
    (workspace.sandboxes / "shop" / "learners.py").write_text("")
finally:
    server.stop(workspace)
"""


class TestRights:
    @pytest.mark.parametrize("value", UMASKS)
    def test_under_any_umask_others_reach_nothing(self, open_folder: Path, value: int) -> None:
        root = open_folder / "w"
        try:
            done = run(_MAKE_SANDBOX, root, value)
            assert done.returncode == 0, done.stderr
            assert rights(root) & 0o067 == 0
            found = below(root)
            assert len(found) > 50
            assert [path for path in found if rights(path) & 0o022] == []
            secret = [root / "databases" / "server.json", root / "sandboxes" / ".state" / "shop.json"]
            secret += [*root.glob("databases/journal-*"), *root.glob("databases/server/data/*.conf")]
            assert len(secret) > 5
            assert [path for path in secret if rights(path) != 0o600] == []
            closed = [path for path in root.iterdir() if path.is_dir() and path.name != "databases"]
            assert [path for path in closed if rights(path) != 0o700] == []
        finally:
            server.remove(open_workspace(root))

    @pytest.mark.parametrize("value", UMASKS)
    def test_a_workspace_that_was_open_is_closed(self, tmp_path: Path, value: int) -> None:
        root = tmp_path / "w"
        with umask(value):
            made = open_workspace(root)
            progress.record_hint(made, "c00-1")
            state.write(made, "shop", state.fresh(root, {}))
            with made.lock("server"):
                journal_of(made).note("a", State.MADE)
            for path in (root, *below(root)):
                path.chmod(0o777 if path.is_dir() else 0o666)
            open_workspace(root)
        assert [path for path in (root, *below(root)) if path.is_dir() and rights(path) & 0o077] == []
        ours = below(root)
        assert len(ours) > 6
        assert [path for path in ours if rights(path) & 0o077] == []

    def test_only_what_is_open_inside_is_closed_too(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        write_atomically(made.databases / "server.json", "{}")
        (made.databases / "server.json").chmod(0o666)
        open_workspace(made.root)
        assert rights(made.databases / "server.json") == 0o600

    def test_links_out_of_it_are_not_followed(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        theirs.chmod(0o777)
        (theirs / "file").touch()
        (theirs / "file").chmod(0o666)
        made.databases.mkdir()
        (made.databases / "link").symlink_to(theirs)
        (made.databases / "file").symlink_to(theirs / "file")
        (made.root / "kept").symlink_to(theirs)
        for path in (made.root, made.databases):
            path.chmod(0o777)
        open_workspace(made.root)
        assert (rights(theirs), rights(theirs / "file")) == (0o777, 0o666)

    def test_a_folder_with_other_files_keeps_its_rights(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir()
        (home / "thesis").touch()
        home.chmod(0o755)
        for _ in range(2):
            progress.record_hint(open_workspace(home), "c00-1")
            assert rights(home) == 0o755
        assert rights(home / "practice") == 0o700

    @pytest.mark.skipif(os.getuid() != 0, reason="only root's server runs as another user")
    def test_roots_server_reaches_its_data_and_nobody_else_does(self, open_folder: Path) -> None:
        made = open_workspace(open_folder / "w")
        try:
            server.attach(made)
            known = cluster.known(made)
            assert known is not None
            assert known.home.is_relative_to(made.root)
            open_workspace(made.root)
            server.stop(made)
            assert server.attach(made).notices == ()
            look = ["/bin/sh", "-c", f"ls {made.root} || cd {made.root} || cat {made.databases}/server.json"]
            seen = subprocess.run(
                look, user=12345, group=12345, extra_groups=[], capture_output=True, text=True
            )
            assert seen.returncode != 0
            assert seen.stdout == ""
        finally:
            server.remove(made)


@pytest.mark.skipif(os.getuid() != 0, reason="only root's server runs as another user")
def test_roots_data_are_inside_in_a_workspace_of_a_workspace(open_folder: Path) -> None:
    outer = open_workspace(open_folder / "w")
    inner = open_workspace(outer.root / "matrix" / "postgres-18")
    try:
        server.attach(inner)
        known = cluster.known(inner)
        assert known is not None
        assert known.home.is_relative_to(inner.root)
    finally:
        server.remove(inner)


def journal_of(workspace: Workspace) -> Journal:
    workspace.databases.mkdir(mode=0o700, exist_ok=True)
    return Journal(workspace, "test")


class TestTemporaryFolders:
    @pytest.fixture
    def precious(self, tmp_path: Path) -> Path:
        folder = tmp_path / "precious"
        folder.mkdir()
        (folder / "thesis").write_text("three years of work", encoding="utf-8")
        return folder

    def test_a_linked_child_is_not_emptied(self, tmp_path: Path, precious: Path) -> None:
        parent = tmp_path / "parent"
        parent.mkdir()
        (parent / "0123abcd").symlink_to(precious)
        assert sweep(parent) == []
        assert (precious / "thesis").exists()

    def test_a_linked_parent_is_not_emptied_or_used(self, tmp_path: Path, precious: Path) -> None:
        (precious / "0123abcd").mkdir()
        (tmp_path / "parent").symlink_to(precious)
        assert sweep(tmp_path / "parent") == []
        assert (precious / "0123abcd").exists()
        with (
            pytest.raises(CookbookError, match="Remove it, and run this again"),
            temporary_folder(tmp_path / "parent"),
        ):
            pass
        assert sorted(path.name for path in precious.iterdir()) == ["0123abcd", "thesis"]

    @pytest.mark.parametrize("which", ["parent", "child"])
    def test_a_folder_that_all_may_write_is_left_alone(self, tmp_path: Path, which: str) -> None:
        child = tmp_path / "parent" / "0123abcd"
        child.mkdir(parents=True)
        (child if which == "child" else child.parent).chmod(0o777)
        assert sweep(child.parent) == []
        assert child.exists()

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
    @pytest.mark.parametrize("which", ["parent", "child"])
    def test_another_users_folder_is_left_alone(self, tmp_path: Path, which: str) -> None:
        child = tmp_path / "parent" / "0123abcd"
        child.mkdir(parents=True)
        os.chown(child if which == "child" else child.parent, 12345, -1)
        assert sweep(child.parent) == []
        assert child.exists()
        if which == "parent":
            with (
                pytest.raises(CookbookError, match="belongs to another user"),
                temporary_folder(child.parent),
            ):
                pass

    def test_files_and_pipes_do_not_stop_it(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "killed").mkdir(mode=0o700)
        assert sweep(tmp_path) == ["killed"]


_HOLD = """
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT if sys.argv[2] != "folder" else os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX)
if sys.argv[2] == "heir" and os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
end = time.monotonic() + 3600
while sys.argv[2] == "working" and time.monotonic() < end:
    sum(range(1000))
time.sleep(3600)
"""


@contextmanager
def holding(path: Path, kind: str) -> Iterator[int]:
    """Another process that holds a lock, as the kind says."""
    path.parent.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path), kind], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        holder = int(process.stdout.readline())
        try:
            if kind == "stopped":
                os.kill(holder, signal.SIGSTOP)
            yield holder
        finally:
            os.kill(holder, signal.SIGKILL)


class TestLocks:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting, "NOTICE_S", 0.3)
        monkeypatch.setattr(waiting, "LIMIT_S", 1.5)
        monkeypatch.setattr(waiting, "_LOOK_S", 0.05)

    def test_the_limits_for_people(self) -> None:
        seen = run(
            "from migration_cookbook.workspace import waiting; print(waiting.NOTICE_S, waiting.LIMIT_S)",
            Path(),
        )
        assert seen.stdout.split() == ["3.0", "30.0"]

    @pytest.mark.parametrize("kind", ["stopped", "asleep", "heir"])
    def test_behind_a_process_that_does_nothing_it_ends(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
    ) -> None:
        made = open_workspace(tmp_path / "w")
        with holding(made.root / "locks" / "server.lock", kind) as holder:
            with pytest.raises(CookbookError, match=f"process {holder} ") as caught, made.lock("server"):
                pass
            assert "\n" not in str(caught.value)
            assert f"kill {'-CONT ' if kind == 'stopped' else ''}{holder}" in str(caught.value)
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert f"Waiting for the lock server.lock, held by the process {holder} " in told
        with made.lock("server"):
            pass

    def test_the_lock_on_the_folder_too(self, tmp_path: Path) -> None:
        root = tmp_path / "w"
        root.mkdir()
        with (
            holding(root, "folder") as holder,
            pytest.raises(CookbookError, match=f"process {holder} .* holds the folder"),
        ):
            open_workspace(root)
        assert open_workspace(root).root == root

    def test_a_process_that_works_is_waited_for(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        path = made.root / "locks" / "server.lock"
        with holding(path, "working"):
            descriptor = os.open(path, os.O_RDWR)
            try:
                wait = waiting._Wait(descriptor, path)
                end = time.monotonic() + 4 * waiting.LIMIT_S
                while time.monotonic() < end:
                    wait.look()
                    time.sleep(0.02)
                with pytest.raises(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)

    def test_a_folder_in_place_of_the_lock(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        (made.root / "locks" / "server.lock").mkdir(parents=True)
        with pytest.raises(CookbookError, match="is a folder"), made.lock("server"):
            pass


class TestDamagedFiles:
    @pytest.mark.parametrize("damage", DAMAGE)
    def test_the_installation(self, tmp_path: Path, damage: str) -> None:
        root = tmp_path / "w"
        open_workspace(root)
        (root / "installation.json").write_bytes(DAMAGE[damage])
        again = open_workspace(root)
        assert open_workspace(root) == again
        assert (root / "kept" / "installation-1.json").read_bytes() == DAMAGE[damage]

    @pytest.mark.parametrize("damage", DAMAGE)
    def test_the_progress(self, tmp_path: Path, damage: str) -> None:
        made = open_workspace(tmp_path / "w")
        path = made.root / "practice" / "progress.json"
        path.parent.mkdir()
        path.write_bytes(DAMAGE[damage])
        assert progress.load(made).records == {}
        assert progress.record_check(made, "a", True).passed("a")
        assert progress.load(made).passed("a")
        assert (made.kept / "progress-1.json").read_bytes() == DAMAGE[damage]
        progress.record_check(made, "a", True)
        assert len(list(made.kept.iterdir())) == 1

    def test_what_makes_sense_of_the_progress_is_used(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        wrong = {"b": 5, "c": {"checks": "x"}, "d": {"x": 1}, "e": {"checks": -1}, "f": {"checks": 10**30}}
        known = {"a": {"passed": True, "checks": 3}, **wrong}
        write_atomically(made.root / "practice" / "progress.json", json.dumps(known))
        assert set(progress.load(made).records) == {"a"}
        assert progress.record_hint(made, "a").of("a") == progress.Record(passed=True, checks=3, hints=1)

    @pytest.mark.parametrize("damage", DAMAGE)
    def test_a_sandboxs_state_and_what_was_handed_out(self, tmp_path: Path, damage: str) -> None:
        made = open_workspace(tmp_path / "w")
        made.sandboxes.mkdir()
        (made.sandboxes / ".state").mkdir()
        (made.sandboxes / ".state" / "shop.json").write_bytes(DAMAGE[damage])
        (made.root / "handed-out.json").write_bytes(DAMAGE[damage])
        assert state.read(made, "shop") == {"files": {}, "generated": {}, "databases": {}}
        assert _Manifest.load(made).hashes == {}

    @pytest.mark.parametrize("damage", [*DAMAGE, "other results", "wrong results"])
    def test_the_cached_results_of_a_solution(self, tmp_path: Path, damage: str) -> None:
        others = {
            "other results": b'{"key": "k", "digest": "0", "results": []}',
            "wrong results": b'{"key": "k", "results": [{"x": 1}]}',
        }
        path = tmp_path / "c00-1.json"
        path.write_bytes((DAMAGE | others)[damage])
        with pytest.raises(LookupError):
            solutions._cached(path, "k")

    @pytest.mark.parametrize(
        "databases",
        [
            {"oracle": []},
            {"sqlite": 5},
            {"sqlite": [5]},
            {"sqlite": [{"name": "a"}]},
            {"sqlite": [{"name": "a", "url": "?"}]},
            {"postgres": [{"name": "a", "url": "postgresql://a@b:c/d"}]},
            {"postgres": [{"name": "\ud800", "url": "postgresql://a@b/d"}]},
        ],
    )
    def test_a_sandboxs_databases(self, tmp_path: Path, databases: object) -> None:
        made = open_workspace(tmp_path / "w")
        state.write(made, "shop", {"files": {}, "generated": {}, "databases": databases})
        assert state.read(made, "shop")["databases"] == {}

    @pytest.mark.parametrize("damage", DAMAGE)
    def test_the_servers_record(self, tmp_path: Path, damage: str) -> None:
        made = open_workspace(tmp_path / "w")
        made.databases.mkdir()
        (made.databases / "server.json").write_bytes(DAMAGE[damage])
        assert cluster.known(made) is None
        assert not server.running(made)
        assert not server.stop(made)

    @pytest.mark.parametrize(
        "part",
        [
            {"password": ""},
            {"password": "\ud800"},
            {"home": "relative"},
            {"home": "/a\0b"},
            {"sockets": ["/tmp"]},
            {"folder": [1]},
            {"folder": [True, 1]},
            {"folder": ["1", "2"]},
            {"origin": None},
        ],
    )
    def test_a_part_of_the_servers_record(self, tmp_path: Path, part: dict[str, object]) -> None:
        made = open_workspace(tmp_path / "w")
        whole = {"password": "p", "origin": "system", "home": "", "sockets": "", "folder": [1, 2]}
        write_atomically(made.databases / "server.json", json.dumps(whole))
        assert cluster.known(made) is not None
        write_atomically(made.databases / "server.json", json.dumps(whole | part))
        assert cluster.known(made) is None

    @pytest.mark.parametrize(
        "line",
        [
            *(text.replace(b"\n", b" ") for text in DAMAGE.values()),
            b'{"name": [], "state": "made", "mark": ""}',
            b'{"name": "a", "state": [], "mark": ""}',
            b'{"name": "a", "state": "made", "mark": {}}',
            b'{"name": "\\ud800", "state": "made", "mark": ""}',
        ],
    )
    def test_a_line_of_a_journal(self, tmp_path: Path, line: bytes) -> None:
        made = open_workspace(tmp_path / "w")
        journal = journal_of(made)
        journal.note("before", State.MADE, "1")
        (path,) = made.databases.glob("journal-*")
        with path.open("ab") as file:
            file.write(line + b"\n")
        journal.note("after", State.MADE, "2")
        assert set(journal.entries()) == {"before", "after"}

    @pytest.mark.parametrize("name", ["installation.json", "practice/progress.json", "databases/server.json"])
    def test_a_folder_in_place_of_a_file(self, tmp_path: Path, name: str) -> None:
        made = open_workspace(tmp_path / "w")
        (made.root / name).unlink(missing_ok=True)
        (made.root / name).mkdir(parents=True)
        with pytest.raises(CookbookError, match="is a folder, but must be a file") as caught:
            progress.record_check(open_workspace(made.root), "a", True)
            server.attach(made)
        assert "\n" not in str(caught.value)

    def test_a_folder_in_place_of_a_journal(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        journal = journal_of(made)
        journal.note("a", State.MADE)
        (path,) = made.databases.glob("journal-*")
        path.unlink()
        path.mkdir()
        for use in (journal.entries, lambda: journal.note("a", State.MADE)):
            with pytest.raises(CookbookError, match="is a folder"):
                use()

    def test_a_lost_installation_is_found_in_the_servers_record(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        write_atomically(
            made.databases / "server.json", json.dumps({"installation": made.installation}), mode=0o600
        )
        (made.root / "installation.json").write_text("{", encoding="utf-8")
        assert open_workspace(made.root) == made

    def test_a_layout_of_another_version_is_not_overwritten(self, tmp_path: Path) -> None:
        made = open_workspace(tmp_path / "w")
        text = '{"installation": "named in another way", "layout": 2}'
        (made.root / "installation.json").write_text(text, encoding="utf-8")
        with pytest.raises(CookbookError, match="another version"):
            open_workspace(made.root)
        assert (made.root / "installation.json").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("named", ["~nobody-of-that-name/w", "~nobody-of-that-name"])
def test_the_home_of_an_unknown_user(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("COOKBOOK_HOME", named)
    with pytest.raises(CookbookError, match="begins with ~nobody-of-that-name") as caught:
        open_workspace()
    assert "\n" not in str(caught.value)


def test_both_kinds_have_a_state(tmp_path: Path) -> None:
    made = open_workspace(tmp_path / "w")
    known = {dialect.value: [{"name": "a", "url": "sqlite:///a"}] for dialect in Dialect}
    state.write(made, "shop", {"files": {"a": "b"}, "generated": {"\udcff": "c"}, "databases": known})
    assert state.read(made, "shop")["databases"] == known
