"""A sandbox can't take all of the server, and the administrator waits for nobody for ever."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from migration_cookbook.databases import connections, postgres, server
from migration_cookbook.databases.connections import connect
from migration_cookbook.workspace import CookbookError, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOCK_LIMIT_S", 2)
    monkeypatch.setattr(connections, "NOTICE_S", 1)
    monkeypatch.setattr(postgres, "LOCK_LIMIT_S", 2)


@contextlib.contextmanager
def all_connections(database: Database) -> Iterator[int]:
    """As many as its role gets; their number."""
    with contextlib.ExitStack() as stack:
        for number in range(250):
            try:
                stack.enter_context(connect(database.url))
            except psycopg.OperationalError as error:
                assert "too many connections for role" in str(error)
                yield number
                return
    raise AssertionError("there was no end of them")


class TestConnections:
    def test_a_sandbox_gets_20_and_leaves_the_others_theirs(self, shared: Server) -> None:
        greedy, other = shared.create("greedy"), shared.create("other")
        with all_connections(greedy) as number:
            assert number == 20
            connect(other.url).close()
            shared.drop(shared.create("third"))

    def test_restoring_brings_the_limit_back(self, shared: Server) -> None:
        database = shared.create("greedy")
        with connect(shared.url) as connection:
            connection.execute(f'ALTER ROLE "{database.name}" CONNECTION LIMIT -1'.encode())
        with all_connections(shared.restore_settings(database)) as number:
            assert number == 20

    def test_the_kit_keeps_connections_for_itself(self, shared: Server) -> None:
        sandboxes = [shared.create("greedy") for _ in range(10)]
        with contextlib.ExitStack() as stack:
            opened = 0
            with contextlib.suppress(psycopg.OperationalError):
                for database in sandboxes:
                    for _ in range(20):
                        stack.enter_context(connect(database.url))
                        opened += 1
            assert 100 < opened <= 180
            for _ in range(10):
                stack.enter_context(connect(shared.url))
            shared.drop(shared.create("third"))

    def test_tens_of_thousands_of_locks_shut_nobody_out(self, shared: Server) -> None:
        with connect(shared.create("greedy").url) as connection:
            connection.execute("SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 50000) AS i")
            connect(shared.url).close()
            shared.drop(shared.create("third"))

    def test_all_locks_are_one_line_at_once(self, unlucky: Workspace) -> None:
        attached = server.attach(unlucky)
        with connect(attached.create("greedy").url) as connection:
            with pytest.raises(psycopg.errors.OutOfMemory):
                connection.execute("SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 500000) AS i")
            with pytest.raises(CookbookError, match="holds so many locks") as caught:
                server.attach(unlucky)
            assert "\n" not in str(caught.value)
        server.stop(unlucky)
        assert server.attach(unlucky).notices == ()


@pytest.mark.usefixtures("quick")
class TestTheAdministratorWaits:
    def test_behind_an_open_change_of_the_database(
        self, shared: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        database = shared.create("shop")
        with connect(database.url) as session:
            session.execute("BEGIN")
            session.execute(f"ALTER DATABASE \"{database.name}\" SET work_mem = '8MB'".encode())
            with pytest.raises(CookbookError, match=r"waited 2 seconds .* End that session") as caught:
                shared.restore_settings(database)
            assert "\n" not in str(caught.value)
            told = capsys.readouterr().err
            pid = session.info.backend_pid
            assert f"held by the session {pid} of the role {database.name} (idle in transaction) ..." in told
            assert told.count("\n") == 1
            session.execute("ROLLBACK")
        assert shared.restore_settings(database) == database

    def test_behind_a_claim(self, shared: Server, capsys: pytest.CaptureFixture[str]) -> None:
        database = shared.create("shop")
        with connect(shared.url) as another:
            another.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [database.name])
            with pytest.raises(CookbookError, match="waited 2 seconds"):
                shared.drop(database)
            assert str(another.info.backend_pid) in capsys.readouterr().err
        shared.drop(database)

    def test_behind_a_locked_catalog(self, shared: Server) -> None:
        with connect(shared.url) as another:
            another.execute("BEGIN; LOCK TABLE pg_database IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(CookbookError) as caught:
                server_that_stays_short(shared).create("shop")
            assert "\n" not in str(caught.value)
            another.execute("ROLLBACK")
        shared.drop(shared.create("shop"))


def server_that_stays_short(shared: Server) -> Server:
    """The same, whose logins don't wait for ten seconds."""
    return replace(shared, url=shared.url.update_query_dict({"connect_timeout": "3"}))


def test_the_limits_for_people() -> None:
    assert (connections.LOCK_LIMIT_S, connections.NOTICE_S) == (30, 3)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:secret@localhost:99999/db", "a number from 1 to 65535"),
        ("postgresql://me:secret@localhost:0/db?port=0", "a number from 1 to 65535"),
        ("postgresql://me:secret@localhost:abc/db", "COOKBOOK_POSTGRES_URL"),
        ("postgresql://me:secret@localhost/db?port=x", "a number from 1 to 65535"),
        ("postgresql://me:secret@localhost/db?port=1&port=2", "a number from 1 to 65535"),
        ("postgresql://me:secret@localhost/db?port=²", "a number from 1 to 65535"),
        ("postgresql://me:secret@[::1:5432/db", "COOKBOOK_POSTGRES_URL"),
        ("postgresql://me:secret@[::1]:99999/db", "a number from 1 to 65535"),
        ("postgresql://me:secret@/db?host=/tmp&port=x", "a number from 1 to 65535"),
        ("postgresql://me:secret@localhost:1/db?no_such_option=1", "doesn't lead to a server"),
        ("postgresql://me:secret@localhost:1/db?connect_timeout=soon", "doesn't lead to a server"),
        ("postgresql://me:secret@localhost:1/d%00b", "COOKBOOK_POSTGRES_URL"),
    ],
)
def test_an_address_that_makes_no_sense_is_one_line(
    server_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.setenv("COOKBOOK_POSTGRES_URL", url)
    with pytest.raises(CookbookError) as caught:
        server.attach(server_workspace)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_record_that_was_damaged_stops_no_stop(open_folder: Path) -> None:
    workspace = open_workspace(open_folder / "w")
    try:
        server.attach(workspace)
        (workspace.databases / "server.json").write_text("[]", encoding="utf-8")
        assert server.running(workspace)
        assert server.stop(workspace)
        assert not server.running(workspace)
    finally:
        server.remove(workspace)
