"""A throwaway server has bounds of its own, and is gone with whoever needed it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from migration_cookbook.databases import throwaway
from migration_cookbook.databases.connections import connect
from migration_cookbook.workspace import CookbookError, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.databases.throwaway import ThrowawayServer
    from migration_cookbook.workspace import Workspace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the folders of these tests are made; the server's account may come through."""
    folder = Path(tempfile.mkdtemp(dir=throwaway._places()[0]))
    folder.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throwaway, "_MEMORY", folder)
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder
    folder.rmdir()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_workspace(tmp_path_factory.mktemp("throwaway") / "workspace")


@pytest.fixture(scope="module")
def server(workspace: Workspace, place: Path) -> Iterator[ThrowawayServer]:
    with throwaway.throwaway_server(workspace) as made:
        yield made


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "8s"),
        ("lock_timeout", "3s"),
        ("temp_file_limit", "96MB"),
        ("max_connections", "24"),
    ],
)
def test_it_has_bounds(server: ThrowawayServer, setting: str, value: str) -> None:
    with connect(server.create()) as connection:
        assert connection.execute(f"SHOW {setting}".encode()).fetchone() == (value,)


@pytest.mark.parametrize(
    "statement",
    [
        "SET temp_file_limit = -1",
        "SET log_min_messages = debug1",
        "ALTER ROLE CURRENT_USER CONNECTION LIMIT 99",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "ALTER SYSTEM SET max_connections = 1000",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_its_role_can_not_move_them(server: ThrowawayServer, statement: str) -> None:
    with (
        connect(server.create()) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CantChangeRuntimeParam)),
    ):
        connection.execute(statement.encode())


def test_it_is_no_way_to_the_common_databases(server: ThrowawayServer) -> None:
    url = server.create()
    for name in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(url.set(database=name))


def test_so_many_connections_and_no_more(server: ThrowawayServer) -> None:
    url = server.create()
    held = [connect(url) for _ in range(12)]
    with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
        connect(url)
    assert server.answers()
    server.terminate_clients_and_reset([url])
    with connect(url) as connection:
        assert connection.execute(b"SELECT 1").fetchone() == (1,)
    for one in held:
        one.close()


def test_locks_that_fill_all_memory_are_given_back(server: ThrowawayServer) -> None:
    url = server.create()
    greedy = connect(url)
    with pytest.raises(psycopg.errors.OutOfMemory, match="out of shared memory"):
        greedy.execute(b"SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 200000) n")
    # As a page's process is ended before anybody else asks the server for something.
    greedy.close()
    assert gone(lambda: creates_a_table(server))


def creates_a_table(server: ThrowawayServer) -> bool:
    try:
        with connect(server.create()) as connection:
            connection.execute(b"CREATE TABLE one (id integer)")
    except (psycopg.Error, CookbookError):
        return False
    return True


def test_files_have_an_end(server: ThrowawayServer) -> None:
    with connect(server.create()) as connection:
        with pytest.raises(psycopg.Error, match=r"File too large|temporary file size exceeds"):
            connection.execute(b"SET statement_timeout = 0")
            connection.execute(
                b"CREATE TABLE x AS SELECT repeat(md5(n::text), 40) FROM generate_series(1, 400000) n"
            )
        assert connection.execute(b"SELECT 1").fetchone() == (1,)


def test_what_keeps_others_out_is_undone(server: ThrowawayServer) -> None:
    url = server.create()
    with connect(url) as connection:
        name = f'"{url.database}"'
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0".encode())
        connection.execute(b"SET default_transaction_read_only = off")
        connection.execute(f"REVOKE ALL ON DATABASE {name} FROM untrusted".encode())
        connection.execute(b"ALTER ROLE CURRENT_USER SET search_path = nowhere")
        connection.execute(b"ALTER ROLE CURRENT_USER PASSWORD 'another'")
        server.terminate_clients_and_reset([url])
        with pytest.raises(psycopg.OperationalError):
            connection.execute(b"SELECT 1")
        connection.close()
    with connect(url) as again:
        again.execute(b"CREATE TABLE mine (id integer)")
        assert again.execute(b"SHOW search_path").fetchone() == ('"$user", public',)


def test_nobody_else_may_look_in(server: ThrowawayServer) -> None:
    for path in (server.folder / "server", server.folder / "server" / "data", server.sockets):
        assert path.stat().st_mode & 0o077 == 0, path


KILLED = """
import sys, time
from pathlib import Path
import tempfile
from migration_cookbook.databases import throwaway
from migration_cookbook.workspace import open_workspace
throwaway._MEMORY = Path(sys.argv[2])
tempfile.tempdir = sys.argv[2]
with throwaway.throwaway_server(open_workspace(Path(sys.argv[1]))) as server:
    print((server.folder / "server" / "data" / "postmaster.pid").read_text().split()[0], flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("whom", ["the maker", "the supervisor", "the server", "all of them"])
def test_whoever_is_killed_nothing_is_left(workspace: Workspace, place: Path, whom: str) -> None:
    before = set(place.iterdir())
    maker = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(workspace.root), str(place)], stdout=subprocess.PIPE, text=True
    )
    assert maker.stdout is not None
    server = int(maker.stdout.readline())
    supervisor = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
    (folder,) = set(place.iterdir()) - before
    for pid in {
        "the maker": (maker.pid,),
        "the supervisor": (supervisor,),
        "the server": (server,),
        "all of them": (maker.pid, supervisor, server),
    }[whom]:
        os.kill(pid, signal.SIGKILL)
    assert gone(lambda: not Path(f"/proc/{server}").exists())
    if whom in ("the maker", "the server"):
        assert gone(lambda: not folder.exists())
    maker.kill()
    maker.wait()
    maker.stdout.close()
    # What nobody was left to remove, the next one does.
    os.utime(folder, (0, 0)) if folder.exists() else None
    throwaway.sweep()
    assert gone(lambda: not folder.exists())


def gone(condition: object, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_a_planted_folder_is_not_swept(place: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    link = place / f"{throwaway._FOLDER}planted"
    link.symlink_to(tmp_path / "precious")
    os.utime(tmp_path / "precious", (0, 0))
    throwaway.sweep()
    assert (tmp_path / "precious" / "file").exists()
    link.unlink()
