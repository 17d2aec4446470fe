"""While a command runs, only its own databases can be reached."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from migration_cookbook.databases import guard, postgres, sqlite
from migration_cookbook.databases.connections import SOCKET_PORT
from migration_cookbook.databases.engines import engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.server import Server


@pytest.fixture(scope="module")
def mine(running: Server) -> Iterator[Database]:
    database = sqlite.create(running.workspace, "mine")
    yield database
    sqlite.drop(running.workspace, database)


@pytest.fixture(scope="module")
def mine_on_postgres(running: Server) -> Iterator[Database]:
    database = postgres.create(running, "mine")
    yield database
    postgres.drop(running, database)


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

    def test_plain_drivers_are_not_its_business(self, mine: Database) -> None:
        with guard.only([]):
            sqlite3.connect(mine.name).close()
