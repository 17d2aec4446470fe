"""The server's folders in the temp folder are removed when nobody needs them, and never before."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from migration_cookbook.databases import account, binaries, cluster, keeper, outside, processes, server
from migration_cookbook.databases.connections import connect
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from migration_cookbook.databases.cluster import Cluster
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace

    MakeWorkspace = Callable[[Path], Workspace]

only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root's server may be shut out of the workspace")

#: Deep enough that no socket fits into the workspace.
DEEP = "deep" * 30


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came"
        time.sleep(0.01)


def cluster_of(workspace: Workspace) -> Cluster:
    known = cluster.known(workspace)
    assert known is not None
    return known


def watched(workspace: Workspace) -> keeper.Watched:
    known = cluster_of(workspace)
    return keeper.Watched(
        workspace.installation, str(workspace.root), str(known.home), str(known.sockets), known.mark
    )


def kill_keeper(workspace: Workspace) -> None:
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if keeper.__name__ in arguments and f'"{workspace.root}"' in arguments[-1]:
            process.kill()
            process.wait()


def make_rows(attached: Server) -> None:
    with connect(attached.url) as connection:
        connection.execute("CREATE TABLE thesis AS SELECT generate_series(1, 1000)")


def row_count(attached: Server) -> int:
    with connect(attached.url) as connection:
        row = connection.execute("SELECT count(*) FROM thesis").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def temp_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temp folder of our own that every user can reach, in place of all others."""
    folder = Path(tempfile.mkdtemp(prefix="o-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def closed(tmp_path: Path, temp_folder: Path, workspace_at: MakeWorkspace) -> Workspace:
    """A workspace in a folder that the server's account can't enter, with 1000 rows."""
    tmp_path.chmod(0o700)
    workspace = workspace_at(tmp_path / "w")
    make_rows(server.attach(workspace))
    assert cluster_of(workspace).home.parent == temp_folder
    return workspace


@only_root
class TestAWorkspaceThatIsAway:
    def test_its_rows_are_there_when_it_comes_back(self, closed: Workspace, tmp_path: Path) -> None:
        home, pid, name = cluster_of(closed).home, cluster_of(closed).pid(), cluster_of(closed).mark
        assert pid is not None
        closed.root.rename(tmp_path / "away")
        wait_until(lambda: (home / outside.NOTICE).exists() and not processes.is_marked(pid, name))
        text = (home / outside.NOTICE).read_text(encoding="utf-8")
        assert str(closed.root) in text
        assert "removed after" in text
        (tmp_path / "away").rename(closed.root)
        assert row_count(server.attach(closed)) == 1000
        assert not (home / outside.NOTICE).exists()
        marker = outside.read_marker(home)
        assert marker is not None
        assert marker.missing_since is None

    def test_a_moved_one_takes_its_rows_along(
        self, closed: Workspace, tmp_path: Path, workspace_at: MakeWorkspace
    ) -> None:
        home = cluster_of(closed).home
        closed.root.rename(tmp_path / "moved")
        wait_until(lambda: (home / outside.NOTICE).exists())
        moved = workspace_at(tmp_path / "moved")
        assert row_count(server.attach(moved)) == 1000
        wait_until(lambda: str(closed.root) not in _keepers())  # the one of the old place has let go
        assert row_count(server.attach(moved)) == 1000

    def test_a_disk_that_was_mounted_again_has_another_number(self, closed: Workspace) -> None:
        path = closed.databases / "server.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        record["folder"][0] += 1
        path.write_text(json.dumps(record), encoding="utf-8")
        assert row_count(server.attach(closed)) == 1000

    def test_after_the_time_of_grace_the_keeper_removes_them(self, closed: Workspace, tmp_path: Path) -> None:
        seen = watched(closed)
        kill_keeper(closed)
        watcher = get_context("fork").Process(target=keeper.watch, args=(seen, 0.01, 3600.0, 0.5))
        watcher.start()
        time.sleep(0.1)
        closed.root.rename(tmp_path / "away")
        wait_until(lambda: not Path(seen.home).exists())
        watcher.join(60)
        assert watcher.exitcode == 0

    def test_a_later_command_removes_them_where_the_keeper_was_killed(
        self, closed: Workspace, tmp_path: Path, workspace_at: MakeWorkspace
    ) -> None:
        home, pid, name = cluster_of(closed).home, cluster_of(closed).pid(), cluster_of(closed).mark
        assert pid is not None
        kill_keeper(closed)
        closed.root.rename(tmp_path / "away")
        another = workspace_at(tmp_path / "another")
        server.attach(another)
        assert not processes.is_marked(pid, name)
        assert (home / outside.NOTICE).exists()
        marker = outside.read_marker(home)
        assert marker is not None
        assert marker.missing_since is not None
        outside.mark(home, replace(marker, missing_since=time.time() - outside.GRACE_S + 600))
        server.attach(another)
        assert (home / "data").is_dir()
        outside.mark(home, replace(marker, missing_since=time.time() - outside.GRACE_S - 1))
        server.attach(another)
        assert not home.exists()
        assert cluster_of(another).home.is_dir()

    def test_another_workspaces_data_are_left_alone(
        self, closed: Workspace, tmp_path: Path, workspace_at: MakeWorkspace
    ) -> None:
        home, pid = cluster_of(closed).home, cluster_of(closed).pid()
        marker = outside.read_marker(home)
        assert marker is not None
        outside.mark(home, replace(marker, missing_since=time.time() - 9 * outside.GRACE_S))
        server.attach(workspace_at(tmp_path / "another"))
        assert cluster_of(closed).pid() == pid
        assert row_count(server.attach(closed)) == 1000


def _keepers() -> str:
    return "\n".join(
        process.info["cmdline"][-1]
        for process in psutil.process_iter(["cmdline"])
        if keeper.__name__ in (process.info["cmdline"] or [])
    )


class TestWhatIsNotOurs:
    @pytest.mark.parametrize("kind", ["no marker", "link", "open", "somebody's marker", "no name of ours"])
    def test_it_is_not_swept(
        self, tmp_path: Path, temp_folder: Path, workspace_at: MakeWorkspace, kind: str
    ) -> None:
        precious = temp_folder / ("precious" if kind in ("link", "no name of ours") else "cookbook-precious")
        precious.mkdir(mode=0o700)
        (precious / "data").mkdir()
        (precious / "data" / "thesis").write_text("three years of work", encoding="utf-8")
        if kind != "no marker":
            outside.mark(precious, outside.Marker("12345678", str(tmp_path / "gone"), 1.0))
        if kind == "link":
            (temp_folder / "cookbook-precious").symlink_to(precious)
        if kind == "open":
            precious.chmod(0o777)
        if kind == "somebody's marker":
            (precious / outside.MARKER).rename(precious / "m")
            (precious / outside.MARKER).symlink_to(precious / "m")
        server.attach(workspace_at(tmp_path / "w"))
        assert (precious / "data" / "thesis").exists()

    def test_a_record_that_names_a_folder_of_somebodys_empties_nothing(
        self, tmp_path: Path, temp_folder: Path, workspace_at: MakeWorkspace
    ) -> None:
        workspace = workspace_at(tmp_path / "w")
        server.attach(workspace)
        server.stop(workspace)
        precious = tmp_path / "precious"
        (precious / "data").mkdir(mode=0o700, parents=True)
        precious.chmod(0o700)
        (precious / "data" / "thesis").touch()
        path = workspace.databases / "server.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(
            json.dumps(record | {"home": str(precious), "sockets": str(precious)}), encoding="utf-8"
        )
        assert server.attach(workspace).version
        assert (precious / "data" / "thesis").exists()
        path.write_text(
            json.dumps(record | {"home": str(precious), "sockets": str(precious)}), encoding="utf-8"
        )
        server.remove(workspace)
        assert (precious / "data" / "thesis").exists()

    @pytest.mark.parametrize("kind", ["link", "open", "another user's"])
    def test_a_socket_folder_that_was_taken_is_not_used(
        self, tmp_path: Path, temp_folder: Path, open_folder: Path, workspace_at: MakeWorkspace, kind: str
    ) -> None:
        if kind == "another user's" and os.getuid() != 0:
            pytest.skip("only root can give a folder to another user")
        workspace = workspace_at(open_folder / DEEP)
        server.attach(workspace)
        sockets = cluster_of(workspace).sockets
        assert sockets.parent == temp_folder
        server.stop(workspace)
        sockets.rename(temp_folder / "tidied")
        if kind == "link":
            sockets.symlink_to(temp_folder / "tidied")
        else:
            sockets.mkdir()
            sockets.chmod(0o777 if kind == "open" else 0o700)
            if kind == "another user's":
                os.chown(sockets, 12345, -1)
        assert server.attach(workspace).version
        assert cluster_of(workspace).sockets != sockets
        assert list((temp_folder / "tidied").glob(".s.PGSQL.*")) == []

    def test_a_link_in_place_of_the_servers_folder_is_one_line(
        self, tmp_path: Path, workspace_at: MakeWorkspace
    ) -> None:
        workspace = workspace_at(tmp_path / "w")
        precious = tmp_path / "precious"
        precious.mkdir()
        workspace.databases.mkdir()
        (workspace.databases / "server").symlink_to(precious)
        with pytest.raises(CookbookError, match=r"is a link\. Move it away"):
            server.attach(workspace)
        assert precious.stat().st_uid == os.getuid()
        assert list(precious.iterdir()) == []


class TestAFailedStart:
    def programs(self, folder: Path, initdb: str) -> binaries.Binaries:
        """PostgreSQL's programs, but for an initdb that fails."""
        usual = binaries.find_binaries()
        assert usual is not None
        for name in ("postgres", "pg_ctl"):
            (folder / name).symlink_to(usual.folder / name)
        (folder / "initdb").write_text(f"#!/bin/sh\n{initdb}\n", encoding="utf-8")
        (folder / "initdb").chmod(0o755)
        return replace(usual, folder=folder)

    def test_nothing_stays_in_the_temp_folder(
        self, open_folder: Path, temp_folder: Path, workspace_at: MakeWorkspace
    ) -> None:
        workspace = workspace_at(open_folder / DEEP)
        (open_folder / "programs").mkdir(mode=0o755)
        failing = self.programs(open_folder / "programs", "echo 'FATAL:  the moon is full' >&2; exit 1")
        with pytest.raises(CookbookError, match="the moon is full"):
            server.attach(workspace, failing)
        assert list(temp_folder.iterdir()) == []
        assert server.attach(workspace).version

    @only_root
    def test_with_data_there_neither(
        self, tmp_path: Path, open_folder: Path, temp_folder: Path, workspace_at: MakeWorkspace
    ) -> None:
        tmp_path.chmod(0o700)
        workspace = workspace_at(tmp_path / "w")
        (open_folder / "programs").mkdir(mode=0o755)
        failing = self.programs(open_folder / "programs", "echo 'FATAL:  the moon is full' >&2; exit 1")
        with pytest.raises(CookbookError, match="the moon is full"):
            server.attach(workspace, failing)
        assert list(temp_folder.iterdir()) == []

    def test_what_a_killed_start_left_goes_with_the_next(
        self, open_folder: Path, temp_folder: Path, workspace_at: MakeWorkspace
    ) -> None:
        workspace = workspace_at(open_folder / "w")
        left = account.server_account().short_folder()
        outside.adopt(workspace, [left])
        server.attach(workspace)
        assert not left.exists()

    @only_root
    def test_where_the_folder_cannot_be_given_away(
        self, temp_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nobody = pwd.getpwnam("nobody")
        giving = account.Account(nobody.pw_uid, 2**32 - 2)
        monkeypatch.setattr(account.Account, "reaches", lambda self, folder: True)
        monkeypatch.setattr(os, "chown", _refused)
        with pytest.raises(PermissionError):
            giving.short_folder()
        assert list(temp_folder.iterdir()) == []


def _refused(*arguments: object, **options: object) -> None:
    raise PermissionError("not permitted")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_folders_outside_are_closed(
    open_folder: Path, temp_folder: Path, workspace_at: MakeWorkspace, umask: int
) -> None:
    before = os.umask(umask)
    try:
        workspace = workspace_at(open_folder / DEEP)
        server.attach(workspace)
    finally:
        os.umask(before)
    sockets = cluster_of(workspace).sockets
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE((sockets / outside.MARKER).stat().st_mode) == 0o600


def test_the_keeper_needs_only_the_standard_library() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = sys.modules['sqlalchemy'] = None; "
        "import migration_cookbook.databases.keeper"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
