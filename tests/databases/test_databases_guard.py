"""While a command runs, only its own databases can be reached."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from migration_cookbook.databases import guard, sqlite
from migration_cookbook.databases.connections import SOCKET_PORT, connect
from migration_cookbook.databases.engines import engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.postgres import Server


@pytest.fixture(scope="module")
def mine(running: Server) -> Iterator[Database]:
    database = sqlite.create(running.workspace, "mine")
    yield database
    sqlite.drop(running.workspace, database)


@pytest.fixture(scope="module")
def mine_on_postgres(running: Server) -> Iterator[Database]:
    database = running.create("mine")
    yield database
    running.drop(database)


def reach(url: str | sa.URL, **arguments: object) -> None:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, **arguments)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))


def refused(url: str | sa.URL, **arguments: object) -> str:
    with pytest.raises(guard.Refused) as caught:
        reach(url, **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestSqlite:
    def test_its_own_file_by_each_of_its_names(self, mine: Database, tmp_path: Path) -> None:
        link = tmp_path / "link.db"
        link.symlink_to(mine.name)
        with guard.only([mine]):
            reach(mine.url)
            reach(f"sqlite:///{link}")
            reach(f"sqlite:///file:{mine.name}?mode=rw&uri=true")
            with engine(mine).connect():
                pass

    def test_another_file_is_not_even_made(self, mine: Database, tmp_path: Path) -> None:
        with guard.only([mine]):
            refused(f"sqlite:///{tmp_path / 'other.db'}")
            refused(f"sqlite:///file:{tmp_path / 'other.db'}?uri=true")
            refused(f"sqlite:///file://localhost{tmp_path / 'oth%65r.db'}?uri=true")
        assert list(tmp_path.iterdir()) == []

    def test_a_relative_path_is_seen_for_what_it_is(
        self, mine: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with guard.only([mine]):
            refused("sqlite:///other.db")

    @pytest.mark.parametrize(
        "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"]
    )
    def test_a_database_in_memory_touches_nothing(self, mine: Database, url: str) -> None:
        with guard.only([mine]):
            reach(url)

    def test_nobody_waits_long_for_a_lock(self, mine: Database) -> None:
        def patience(**arguments: object) -> object:
            with sa.create_engine(mine.url, **arguments).connect() as connection:
                return connection.execute(sa.text("PRAGMA busy_timeout")).scalar()

        with guard.only([mine]):
            assert patience() == 3000
            assert patience(connect_args={"timeout": 0.5}) == 500
        assert patience() == 5000

    def test_an_async_engine(self, mine: Database, tmp_path: Path) -> None:
        pytest.importorskip("aiosqlite")

        async def connect(path: str) -> None:
            url = f"sqlite+aiosqlite:///{path}"
            async with create_async_engine(url, poolclass=sa.pool.NullPool).connect():
                pass

        with guard.only([mine]):
            asyncio.run(connect(mine.name))
            with pytest.raises(guard.Refused):
                asyncio.run(connect(str(tmp_path / "other.db")))
        assert list(tmp_path.iterdir()) == []


class TestPostgres:
    def test_its_own_database(self, mine_on_postgres: Database) -> None:
        with guard.only([mine_on_postgres]):
            reach(mine_on_postgres.url)
            reach(mine_on_postgres.url.render_as_string(hide_password=False))
            with engine(mine_on_postgres).connect():
                pass

    def test_an_async_engine(self, mine_on_postgres: Database, running: Server) -> None:
        async def connect(url: sa.URL) -> None:
            async with create_async_engine(url, poolclass=sa.pool.NullPool).connect():
                pass

        with guard.only([mine_on_postgres]):
            asyncio.run(connect(mine_on_postgres.url))
            with pytest.raises(guard.Refused):
                asyncio.run(connect(running.url))

    def test_another_database_of_the_same_server(self, mine_on_postgres: Database, running: Server) -> None:
        with guard.only([mine_on_postgres]):
            refused(running.url)
            refused(mine_on_postgres.url.set(database="postgres"))

    @pytest.mark.parametrize(
        "query",
        [
            {"host": "/tmp", "port": str(SOCKET_PORT)},
            {"port": str(SOCKET_PORT)},
            {"host": "localhost", "hostaddr": "192.0.2.1"},
            {"service": "production"},
        ],
    )
    def test_another_server(self, mine_on_postgres: Database, query: dict[str, str]) -> None:
        with guard.only([mine_on_postgres]):
            refused(mine_on_postgres.url.set(query=query))

    def test_what_is_not_named_is_refused(self, mine_on_postgres: Database) -> None:
        query = dict(mine_on_postgres.url.query)
        with guard.only([mine_on_postgres]):
            refused("postgresql+psycopg://")
            refused(mine_on_postgres.url._replace(database=None))
            refused(mine_on_postgres.url.set(query={"host": query["host"]}))

    @pytest.mark.parametrize(
        "more",
        [
            {"hostaddr": "192.0.2.1"},
            {"service": "production"},
            {"host": "production"},
            {"conninfo": "host=production"},
        ],
    )
    def test_arguments_beside_the_url_count(self, mine_on_postgres: Database, more: dict[str, str]) -> None:
        with guard.only([mine_on_postgres]):
            refused(mine_on_postgres.url, connect_args=more)

    def test_several_hosts(self, mine_on_postgres: Database) -> None:
        with guard.only([mine_on_postgres]):
            folder = mine_on_postgres.url.query["host"]
            refused(mine_on_postgres.url, connect_args={"host": f"{folder},localhost", "port": "5432,5432"})

    @pytest.mark.parametrize("name", ["PGHOSTADDR", "PGSERVICE"])
    def test_the_environment_counts(
        self, mine_on_postgres: Database, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, "192.0.2.1")
        with guard.only([mine_on_postgres]):
            refused(mine_on_postgres.url)

    def test_the_message(self, mine_on_postgres: Database) -> None:
        with guard.only([mine_on_postgres]):
            said = refused("postgresql+psycopg://admin:secret@localhost/prod")
        assert said == (
            "Refused: this command may only touch the sandbox's PostgreSQL database, but the project connects to "
            "postgresql://admin:…@localhost/prod. In this book env.py takes its URL from the environment, from DATABASE_URL."
        )


class TestBoth:
    def test_a_run_on_one_kind_refuses_the_other(self, mine: Database, mine_on_postgres: Database) -> None:
        with guard.only([mine]):
            refused(mine_on_postgres.url)
        with guard.only([mine_on_postgres]):
            refused(mine.url)
        with guard.only([mine, mine_on_postgres]):
            reach(mine.url)
            reach(mine_on_postgres.url)

    def test_outside_nothing_is_refused(self, mine: Database, tmp_path: Path) -> None:
        with guard.only([]):
            refused(mine.url)
        reach(f"sqlite:///{tmp_path / 'other.db'}")

    def test_an_exception_inside_ends_it_too(self, mine: Database, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), guard.only([mine]):
            raise ZeroDivisionError
        reach(f"sqlite:///{tmp_path / 'other.db'}")

    def test_nested_both_must_agree(self, mine: Database, mine_on_postgres: Database) -> None:
        with guard.only([mine, mine_on_postgres]):
            with guard.only([mine]):
                reach(mine.url)
                refused(mine_on_postgres.url)
            reach(mine_on_postgres.url)

    def test_an_engine_made_before_is_guarded(self, mine: Database, tmp_path: Path) -> None:
        other = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}", poolclass=sa.pool.NullPool)
        with other.connect():
            pass
        with guard.only([mine]), pytest.raises(guard.Refused):
            other.connect()
        with other.connect():
            pass

    def test_a_thread_inside_is_guarded(self, mine: Database, tmp_path: Path) -> None:
        caught: list[BaseException] = []

        def run() -> None:
            try:
                reach(f"sqlite:///{tmp_path / 'other.db'}")
            except guard.Refused as error:
                caught.append(error)

        with guard.only([mine]):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        assert len(caught) == 1

    def test_outside_nothing_is_left_behind(self, mine: Database) -> None:
        before = (
            sqlite3.connect,
            sqlite3.dbapi2.connect,
            vars(psycopg.Connection.__mro__[1])["_connect_gen"],
        )
        with guard.only([mine]), guard.only([mine]):
            pass
        after = (sqlite3.connect, sqlite3.dbapi2.connect, vars(psycopg.Connection.__mro__[1])["_connect_gen"])
        assert after == before


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Somebody's SQLite database."""
    path = tmp_path / "precious.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (id INTEGER)")
    return path


#: What a project may have in place of the URL: each opens the database of this path in its own way.
def by_creator(path: Path) -> sa.Engine:
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path), poolclass=sa.NullPool)


def by_its_own_listener(path: Path) -> sa.Engine:
    made = sa.create_engine("sqlite://", poolclass=sa.NullPool)
    event.listen(made, "do_connect", lambda *_: sqlite3.connect(path))
    return made


def by_changed_arguments(path: Path) -> sa.Engine:
    made = sa.create_engine("sqlite://", poolclass=sa.NullPool)

    def change(_dialect: object, _record: object, arguments: list, _parameters: dict) -> None:
        arguments[:] = [str(path)]

    event.listen(made, "do_connect", change)
    return made


def by_a_class_of_its_own(path: Path) -> sa.Engine:
    class Connection(sqlite3.Connection):
        pass

    return sa.create_engine("sqlite://", creator=lambda: Connection(path), poolclass=sa.NullPool)


def by_a_function_kept_from_before(path: Path) -> sa.Engine:
    return sa.create_engine("sqlite://", creator=lambda: _KEPT(path), poolclass=sa.NullPool)


_KEPT = sqlite3.connect


class TestWhatTheProjectOpensItself:
    @pytest.mark.parametrize(
        "made",
        [
            *(by_creator, by_its_own_listener, by_changed_arguments),
            *(by_a_class_of_its_own, by_a_function_kept_from_before),
        ],
    )
    def test_a_foreign_sqlite_file(self, mine: Database, tmp_path: Path, made: object) -> None:
        engine = made(tmp_path / "new.db")
        with guard.only([mine]), pytest.raises(guard.Refused, match=r"new\.db"):
            engine.connect()
        assert list(tmp_path.iterdir()) == []
        with engine.connect():
            pass

    def test_its_own_file_is_served_in_each_of_these_ways(self, mine: Database) -> None:
        with guard.only([mine]):
            for made in (by_creator, by_its_own_listener, by_changed_arguments, by_a_class_of_its_own):
                with made(mine.name).connect() as connection:
                    connection.execute(sa.text("SELECT 1"))

    def test_plain_sqlite3(self, mine: Database, tmp_path: Path) -> None:
        with guard.only([mine]):
            sqlite3.connect(mine.name).close()
            sqlite3.connect(":memory:").close()
            for connect in (sqlite3.connect, sqlite3.dbapi2.connect, sqlite3.Connection, _KEPT):
                for name in (tmp_path / "new.db", os.fsencode(tmp_path / "new.db")):
                    with pytest.raises(guard.Refused):
                        connect(name)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("where", ["connect", "Connection.connect"])
    def test_plain_psycopg(self, mine_on_postgres: Database, running: Server, where: str) -> None:
        connect = psycopg.connect if where == "connect" else psycopg.Connection.connect
        with guard.only([mine_on_postgres]):
            connect(conninfo(mine_on_postgres.url)).close()
            with pytest.raises(guard.Refused):
                connect(conninfo(running.url))
            with pytest.raises(guard.Refused):
                connect(f"{conninfo(mine_on_postgres.url)} hostaddr=127.0.0.1")
        connect(conninfo(running.url)).close()

    def test_plain_psycopg_in_an_event_loop(self, mine_on_postgres: Database, running: Server) -> None:
        async def connect(url: sa.URL) -> None:
            await (await psycopg.AsyncConnection.connect(conninfo(url))).close()

        with guard.only([mine_on_postgres]):
            asyncio.run(connect(mine_on_postgres.url))
            with pytest.raises(guard.Refused):
                asyncio.run(connect(running.url))

    def test_a_listener_that_opens_another_postgresql_database(
        self, mine_on_postgres: Database, running: Server
    ) -> None:
        made = sa.create_engine(mine_on_postgres.url, poolclass=sa.NullPool)
        event.listen(made, "do_connect", lambda *_: psycopg.connect(conninfo(running.url)))
        with guard.only([mine_on_postgres]), pytest.raises(guard.Refused):
            made.connect()

    def test_a_connection_that_was_open_before(
        self, mine: Database, mine_on_postgres: Database, running: Server, precious: Path
    ) -> None:
        with contextlib.closing(sqlite3.connect(precious)) as old:
            made = sa.create_engine("sqlite://", creator=lambda: old, poolclass=sa.NullPool)
            with guard.only([mine]), pytest.raises(guard.Refused, match=r"precious\.db"):
                made.connect()
        with psycopg.connect(conninfo(running.url)) as old:
            made = sa.create_engine("postgresql+psycopg://", creator=lambda: old, poolclass=sa.NullPool)
            with guard.only([mine_on_postgres]), pytest.raises(guard.Refused):
                made.connect()

    def test_a_connection_of_an_unknown_kind(self, mine: Database) -> None:
        class Driver:
            def close(self) -> None: ...
            def rollback(self) -> None: ...

        made = sa.create_engine("sqlite://", creator=Driver, poolclass=sa.NullPool, _initialize=False)
        with guard.only([mine]), pytest.raises(guard.Refused, match="opened elsewhere"):
            made.connect()

    def test_the_kits_own_connections_are_no_business_of_its(
        self, mine_on_postgres: Database, running: Server
    ) -> None:
        with guard.only([mine_on_postgres]):
            connect(running.url).close()


class TestPools:
    def test_a_foreign_connection_that_waits_in_a_pool(
        self, mine: Database, mine_on_postgres: Database, running: Server, precious: Path
    ) -> None:
        for url, title in ((f"sqlite:///{precious}", "precious"), (running.url, running.url.database)):
            waiting = sa.create_engine(url, poolclass=sa.QueuePool)
            waiting.connect().close()
            assert waiting.pool.checkedin() == 1
            with guard.only([mine, mine_on_postgres]), pytest.raises(guard.Refused, match=title):
                waiting.connect()
            with waiting.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
            waiting.dispose()

    def test_one_of_its_own_is_handed_out(self, mine: Database, mine_on_postgres: Database) -> None:
        for database in (mine, mine_on_postgres):
            waiting = sa.create_engine(database.url, poolclass=sa.QueuePool)
            waiting.connect().close()
            with guard.only([mine, mine_on_postgres]), waiting.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
            waiting.dispose()

    def test_a_foreign_file_attached_before(self, mine: Database, precious: Path) -> None:
        waiting = sa.create_engine(mine.url, poolclass=sa.QueuePool)
        with waiting.connect() as connection:
            connection.exec_driver_sql(f"ATTACH '{precious}' AS other")
        with guard.only([mine]), pytest.raises(guard.Refused, match=r"precious\.db"):
            waiting.connect()
        waiting.dispose()

    def test_another_thread_keeps_its_waiting_connections(self, mine: Database, precious: Path) -> None:
        waiting = sa.create_engine(f"sqlite:///{precious}", poolclass=sa.QueuePool)
        waiting.connect().close()
        begin, done = threading.Event(), threading.Event()
        seen: list[object] = []

        def work() -> None:
            begin.wait(60)
            try:
                with waiting.connect() as connection:
                    seen.append(connection.execute(sa.text("SELECT 1")).scalar())
                with contextlib.closing(sqlite3.connect(precious)):
                    seen.append(2)
            finally:
                done.set()

        thread = threading.Thread(target=work)
        thread.start()
        with guard.only([mine]):
            begin.set()
            done.wait(60)
        thread.join()
        waiting.dispose()
        assert seen == [1, 2]


class TestNamesOfSqlite:
    @pytest.mark.parametrize(
        "query",
        [
            *("mode=memory&mode=rwc", "mode=rwc", "vfs=unix-none", "vfs=memdb&mode=memory", "immutable=1"),
            *("cache=shared", "mode=memory%00&mode=rwc", "m%6fde=memory&mode=rwc", "mode=rwc&mode=memory"),
            *("nolock=1", "#mode=memory", "mode=memory&mode=memory"),
        ],
    )
    @pytest.mark.parametrize("start", ["file:", "file://", "file://localhost", "file:%2F"])
    def test_uris_of_another_file(self, mine: Database, tmp_path: Path, query: str, start: str) -> None:
        path = str(tmp_path / "new.db").removeprefix("/") if start.endswith("F") else tmp_path / "new.db"
        name = f"{start}{path}?{query}"
        with guard.only([mine]):
            for connect in (sqlite3.connect, lambda name, uri: by_uri(name).connect()):
                with pytest.raises(guard.Refused):
                    connect(name, uri=True)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("query", ["", "?mode=rw", "?mode=ro", "?cache=shared", "?mode=rw#memory"])
    def test_uris_of_its_own_file(self, mine: Database, query: str) -> None:
        with guard.only([mine]):
            for start in ("file:", "file://", "file://localhost"):
                sqlite3.connect(f"{start}{mine.name}{query}", uri=True).close()

    @pytest.mark.parametrize(
        "name",
        ["file:x?mode=memory", "file::memory:?cache=shared", "file:", "file:x?cache=shared&mode=memory"],
    )
    def test_uris_of_memory(
        self, mine: Database, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with guard.only([mine]), contextlib.closing(sqlite3.connect(name, uri=True)) as connection:
            connection.execute("CREATE TABLE t (id INTEGER)")
        assert list(tmp_path.iterdir()) == []

    def test_a_link_in_the_place_of_its_own_file(
        self, mine: Database, precious: Path, tmp_path: Path
    ) -> None:
        """Whether it was put there before the block or within it."""
        place = tmp_path / "own.db"
        place.symlink_to(precious)
        link = replace(mine, name=str(place), url=sa.URL.create("sqlite", database=str(place)))
        with guard.only([link]):
            refused(link.url)
        place.unlink()
        sqlite3.connect(place).close()
        with guard.only([link]):
            reach(link.url)
            place.unlink()
            place.symlink_to(precious)
            refused(link.url)
            place.unlink()
            place.hardlink_to(precious)
            refused(link.url)
            # A project may make its own database anew.
            place.unlink()
            reach(link.url)

    def test_a_file_that_does_not_exist_yet(self, mine: Database, tmp_path: Path) -> None:
        path = str(tmp_path / "later.db")
        with guard.only([replace(mine, name=path, url=sa.URL.create("sqlite", database=path))]):
            reach(f"sqlite:///{path}")
            reach(f"sqlite:///{path}")

    def test_a_link_that_is_swapped_right_after_the_check(
        self, mine: Database, precious: Path, tmp_path: Path
    ) -> None:
        """An audit hook runs at the latest moment before SQLite opens the file."""
        link = tmp_path / "link.db"
        link.symlink_to(mine.name)
        swapping = True

        def swap(name: str, arguments: tuple) -> None:
            if swapping and name == "sqlite3.connect" and str(arguments[0]).endswith(link.name):
                link.unlink()
                link.symlink_to(precious)

        # Hooks run in the order in which they were added: this one comes after the guard's.
        with guard.only([mine]):
            pass
        sys.addaudithook(swap)
        try:
            for connect in (
                lambda name: sqlite3.connect(name),
                lambda name: by_uri(f"file:{name}").connect(),
            ):
                link.unlink()
                link.symlink_to(mine.name)
                with guard.only([mine]), pytest.raises(guard.Refused, match=r"precious\.db"):
                    connect(str(link))
        finally:
            swapping = False


class TestOtherFilesInSql:
    @pytest.mark.parametrize(
        "sql",
        [
            *("ATTACH '§' AS other", "ATTACH 'file:§?mode=memory&mode=rwc' AS other", "VACUUM INTO '§'"),
            *("ATTACH 'file:§' AS other", "ATTACH '/' || substr('§', 2) AS other"),
        ],
    )
    @pytest.mark.parametrize("uri", [False, True])
    @pytest.mark.parametrize("bare", [False, True])
    def test_they_are_not_attached(
        self, mine: Database, tmp_path: Path, sql: str, uri: bool, bare: bool
    ) -> None:
        sql, name = sql.replace("§", str(tmp_path / "new.db")), f"file:{mine.name}" if uri else mine.name
        run = run_bare if bare else run_in_sqlalchemy
        with (
            pytest.raises(guard.Refused, match="attaches or writes the SQLite file") as caught,
            guard.only([mine]),
        ):
            run(sql, name, uri=uri)
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_a_name_that_a_parameter_brings(self, mine: Database, tmp_path: Path) -> None:
        with pytest.raises(guard.Refused, match="that a parameter names"), guard.only([mine]):
            run_bare("ATTACH ? AS other", mine.name, parameters=(str(tmp_path / "new.db"),))
        assert list(tmp_path.iterdir()) == []

    def test_on_a_connection_that_waited_in_a_pool(self, mine: Database, tmp_path: Path) -> None:
        waiting = sa.create_engine(mine.url, poolclass=sa.QueuePool)
        waiting.connect().close()
        sql = f"ATTACH '{tmp_path / 'new.db'}' AS other"
        with pytest.raises(guard.Refused), guard.only([mine]), waiting.connect() as connection:
            connection.exec_driver_sql(sql)
        # Outside the connection is its owner's again.
        with waiting.connect() as connection:
            connection.exec_driver_sql(sql)
        waiting.dispose()

    def test_in_an_async_engine(self, mine: Database, tmp_path: Path) -> None:
        pytest.importorskip("aiosqlite")

        async def attach() -> None:
            engine = create_async_engine(f"sqlite+aiosqlite:///{mine.name}", poolclass=sa.pool.NullPool)
            async with engine.connect() as connection:
                await connection.exec_driver_sql(f"ATTACH '{tmp_path / 'new.db'}' AS other")

        with pytest.raises(guard.Refused), guard.only([mine]):
            asyncio.run(attach())
        assert list(tmp_path.iterdir()) == []

    def test_memory_vacuum_and_its_own_files_go_on(self, mine: Database, tmp_path: Path) -> None:
        other = str(tmp_path / "second.db")
        second = replace(mine, name=other, url=sa.URL.create("sqlite", database=other))
        with guard.only([mine, second]), contextlib.closing(sqlite3.connect(mine.name)) as connection:
            for sql in ("VACUUM", "ATTACH ':memory:' AS m", "ATTACH '' AS t", f"ATTACH '{other}' AS second"):
                connection.execute(sql)

    def test_an_ordinary_error_stays_what_it_is(self, mine: Database) -> None:
        with pytest.raises(sqlite3.OperationalError, match="no such table"), guard.only([mine]):
            run_bare("SELECT * FROM nowhere", mine.name)

    @pytest.mark.skipif(
        not hasattr(sqlite3.Connection, "enable_load_extension"), reason="this Python loads no extensions"
    )
    def test_extensions_are_not_loaded(self, mine: Database) -> None:
        with guard.only([mine]), contextlib.closing(sqlite3.connect(mine.name)) as connection:
            with pytest.raises(guard.Refused, match="loads an extension"):
                connection.enable_load_extension(True)
            connection.enable_load_extension(False)
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.enable_load_extension(True)


class TestCursorFactory:
    class Noticing(psycopg.Cursor):
        pass

    class Other(psycopg.Cursor):
        pass

    def kind(self, url: sa.URL, **arguments: object) -> type:
        made = sa.create_engine(url, poolclass=sa.NullPool, **arguments)
        with made.connect() as connection:
            return connection.connection.driver_connection.cursor_factory

    def test_connections_inside_get_it(self, mine: Database, mine_on_postgres: Database) -> None:
        with guard.only([mine, mine_on_postgres], cursor_factory=self.Noticing):
            assert self.kind(mine_on_postgres.url) is self.Noticing
            reach(mine.url)
            with guard.only([mine_on_postgres]):
                assert self.kind(mine_on_postgres.url) is self.Noticing
            with guard.only([mine_on_postgres], cursor_factory=self.Other):
                assert self.kind(mine_on_postgres.url) is self.Other
        assert self.kind(mine_on_postgres.url) is psycopg.Cursor

    def test_the_projects_own_wins(self, mine_on_postgres: Database) -> None:
        with guard.only([mine_on_postgres], cursor_factory=self.Noticing):
            assert self.kind(mine_on_postgres.url, connect_args={"cursor_factory": self.Other}) is self.Other

    def test_async_connections_keep_theirs(self, mine_on_postgres: Database) -> None:
        async def answer() -> object:
            async with create_async_engine(
                mine_on_postgres.url, poolclass=sa.pool.NullPool
            ).connect() as connection:
                return (await connection.execute(sa.text("SELECT 1"))).scalar()

        with guard.only([mine_on_postgres], cursor_factory=self.Noticing):
            assert asyncio.run(answer()) == 1


def by_uri(name: str, *, uri: bool = True) -> sa.Engine:
    """An engine that hands this name to the driver as it is."""
    made = sa.create_engine("sqlite://", poolclass=sa.NullPool)

    def give(_dialect: object, _record: object, arguments: list, parameters: dict) -> None:
        arguments[:] = [name]
        parameters["uri"] = uri

    event.listen(made, "do_connect", give)
    return made


def run_bare(sql: str, name: str, *, uri: bool = False, parameters: tuple = ()) -> None:
    with contextlib.closing(sqlite3.connect(name, uri=uri)) as connection:
        connection.execute(sql, parameters)


def run_in_sqlalchemy(sql: str, name: str, *, uri: bool = False) -> None:
    with by_uri(name, uri=uri).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(sql)


def conninfo(url: sa.URL) -> str:
    return psycopg.conninfo.make_conninfo(
        dbname=url.database, user=url.username, password=url.password, **dict(url.query)
    )
