"""PostgreSQL databases of ours, each with a role that can do no harm elsewhere."""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url, text

from migration_cookbook.databases import ownership, server
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.database import Database, Template
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.engines import engine
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.databases.user_server import UserServer
from migration_cookbook.workspace import CookbookError, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.databases.postgres import Server

RICH = """
CREATE TYPE status AS ENUM ('open', 'paid');
CREATE TABLE members (id serial PRIMARY KEY, name text UNIQUE);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY, member int REFERENCES members, status status);
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM orders;
CREATE SCHEMA archive;
CREATE TABLE archive.old (day date) PARTITION BY RANGE (day);
CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
CREATE EXTENSION citext;
GRANT SELECT ON members TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
INSERT INTO members (name) VALUES ('Ada');
"""

OWNERS = """
SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid >= 16384 AND relkind <> 't' AND relname !~ '^pg_toast'
UNION SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE oid >= 16384
UNION SELECT pg_get_userbyid(extowner) FROM pg_extension WHERE oid >= 16384
UNION SELECT pg_get_userbyid(typowner) FROM pg_type WHERE typname = 'status'
UNION SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()
"""


def build_rich(database: Database) -> None:
    with connect(database.url) as connection:
        connection.execute(RICH.encode())


def one(database: Database, query: str) -> object:
    with connect(database.url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def attempt(database: Database, statement: str) -> None:
    with connect(database.url) as connection:
        connection.execute(statement.encode())


def administer(server: Server, statement: str) -> list[tuple[object, ...]]:
    with connect(server.url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def rich(running: Server) -> Iterator[Template]:
    template = running.template("rich", build_rich)
    yield template
    running.drop_named(template.name)


class TestCreateAndDrop:
    def test_its_role_logs_in_as_itself(self, shared: Server) -> None:
        database = shared.create("shop")
        assert one(database, "SELECT current_user") == database.name
        assert one(database, "SELECT current_database()") == database.name
        assert (
            one(
                database,
                "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = current_user",
            )
            is False
        )
        assert one(database, "SHOW lock_timeout") == "3s"
        assert str(database.url.password) not in repr(database)
        assert make_url(database.url.render_as_string(hide_password=False)) == database.url

    def test_drop_takes_the_role_along_and_whoever_is_connected(self, shared: Server) -> None:
        database = shared.create("shop")
        with connect(database.url) as connection:
            shared.drop(database)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
            connection.close()
        assert administer(shared, f"SELECT FROM pg_roles WHERE rolname = '{database.name}'") == []
        shared.drop(database)

    def test_it_sorts_alike_everywhere(self, shared: Server) -> None:
        database = shared.create("shop")
        assert (
            one(database, "SELECT string_agg(x, '' ORDER BY x) FROM (VALUES ('b'), ('A'), ('a')) AS v(x)")
            == "Aab"
        )
        assert one(database, "SHOW timezone") == "UTC"

    def test_its_owner_may_do_what_migrations_do(self, shared: Server) -> None:
        build_rich(shared.create("shop"))

    def test_a_sweep_leaves_what_was_finished_meanwhile(self, shared: Server) -> None:
        """As a notebook that starts sees a database that another one is making."""
        swept: list[str] = []
        over = threading.Event()

        def sweep() -> None:
            while not over.is_set():
                swept.extend(shared.sweep())

        sweepers = [threading.Thread(target=sweep) for _ in range(2)]
        for one in sweepers:
            one.start()
        try:
            made = [shared.create("finished") for _ in range(15)]
        finally:
            over.set()
            for one in sweepers:
                one.join()
        assert swept == []
        for one in made:
            with connect(one.url):
                pass
            shared.drop(one)


class TestCopies:
    def test_a_copy_has_the_rows_and_the_role_and_is_gone_afterwards(
        self, shared: Server, rich: Template
    ) -> None:
        original = shared.clone(rich, "shop")
        with shared.copied(original) as copy:
            assert one(copy, "SELECT current_user") == original.name
            assert one(copy, "SHOW lock_timeout") == "3s"
            assert shared.sweep() == []
            with connect(copy.url) as connection:
                connection.execute("INSERT INTO members (name) VALUES ('Grace')")
                connection.execute("DROP SCHEMA archive CASCADE")
            counts = [one(each, "SELECT count(*) FROM members") for each in (original, copy)]
            assert counts == [1, 2]
        assert administer(shared, f"SELECT FROM pg_database WHERE datname = '{copy.name}'") == []
        assert one(original, "SELECT current_user") == original.name

    def test_a_killed_process_leaves_it_to_the_sweep(self, shared: Server, rich: Template) -> None:
        original = shared.clone(rich, "shop")
        child = get_context("fork").Process(target=_copy_and_die, args=(shared, original))
        child.start()
        child.join()
        assert len(swept_soon(shared)) == 1
        shared.drop(original)

    def test_an_open_session_is_in_its_way(self, shared: Server) -> None:
        original = shared.create("shop")
        names = "SELECT datname FROM pg_database ORDER BY 1"
        before = administer(shared, names)
        with (
            connect(original.url),
            pytest.raises(CookbookError, match="End the sessions"),
            shared.copied(original),
        ):
            raise AssertionError("copied all the same")
        assert administer(shared, names) == before


def swept_soon(server: Server) -> list[str]:
    """What is swept after a kill; a backend may live a moment longer than its process."""
    deadline = time.monotonic() + 10
    while not (swept := server.sweep()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return swept


def _copy_and_die(server: Server, database: Database) -> None:
    with server.copied(database):
        os.kill(os.getpid(), signal.SIGKILL)


class TestPassing:
    def test_it_is_gone_afterwards(self, shared: Server) -> None:
        with shared.temporary_database() as database, connect(database.url) as connection:
            connection.execute("CREATE TABLE mine (id integer)")
            assert shared.sweep() == []
        assert administer(shared, f"SELECT FROM pg_database WHERE datname = '{database.name}'") == []

    def test_a_killed_process_leaves_it_to_the_sweep(self, shared: Server) -> None:
        child = get_context("fork").Process(target=_pass_and_die, args=(shared,))
        child.start()
        child.join()
        assert len(swept_soon(shared)) == 1


def _pass_and_die(server: Server) -> None:
    with server.temporary_database():
        os.kill(os.getpid(), signal.SIGKILL)


class TestTemplates:
    def test_a_clone_belongs_to_its_own_role_wholly(self, shared: Server, rich: Template) -> None:
        first, second = (shared.clone(rich, "shop") for _ in range(2))
        for database in (first, second):
            with connect(database.url) as connection:
                assert connection.execute(OWNERS.encode()).fetchall() == [(database.name,)]
                connection.execute("ALTER TABLE members ADD COLUMN email citext")
                connection.execute("INSERT INTO members (name) VALUES ('Grace')")
                connection.execute("ALTER TYPE status ADD VALUE 'sent'")
                connection.execute("DROP SCHEMA archive CASCADE")
            assert one(database, "SHOW lock_timeout") == "3s"
            assert one(database, "SELECT count(*) FROM members") == 2

    def test_it_is_built_once(self, shared: Server, rich: Template) -> None:
        def never(database: Database) -> None:
            raise AssertionError("built again")

        assert shared.template("rich", never) == rich
        assert shared.template("another", lambda database: None) != rich
        shared.drop_named(shared.template("another", never).name)

    def test_nobody_can_connect_to_it(self, shared: Server, rich: Template) -> None:
        with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
            connect(shared.url.set(database=rich.name))
        assert rich.name not in shared.names()
        assert shared.sweep() == []
        owners = administer(
            shared, f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{rich.name}'"
        )
        assert owners == [(f"cookbook_{shared.workspace.installation}_keeper",)]

    def test_a_build_that_leaves_connections_open(self, shared: Server) -> None:
        left: list[object] = []

        def build(database: Database) -> None:
            left.append(connect(database.url))

        template = shared.template("open", build)
        shared.drop_named(template.name)

    def test_a_failing_build_leaves_nothing(self, shared: Server) -> None:
        def build(database: Database) -> None:
            build_rich(database)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            shared.template("failing", build)
        like = f"cookbook_{shared.workspace.installation}_building%"
        assert administer(shared, f"SELECT FROM pg_roles WHERE rolname LIKE '{like}'") == []

    def test_sweep_leaves_what_is_being_built(self, shared: Server) -> None:
        def build(database: Database) -> None:
            assert shared.sweep() == []
            build_rich(database)

        template = shared.template("swept", build)
        assert one(shared.clone(template, "shop"), "SELECT count(*) FROM members") == 1
        shared.drop_named(template.name)

    def test_many_processes_at_once(self, shared: Server) -> None:
        with get_context("fork").Pool(4) as pool:
            found = pool.map(_clone_and_count, [shared] * 10)
        assert {count for _, count in found} == {1}
        assert len({name for name, _ in found}) == 10
        shared.drop_named(shared.template("many", build_rich).name)


def _clone_and_count(shared: Server) -> tuple[str, object]:
    database = shared.clone(shared.template("many", build_rich), "shop")
    return database.name, one(database, "SELECT count(*) FROM members")


@pytest.fixture(scope="module")
def mine(running: Server, rich: Template) -> Iterator[Database]:
    database = running.clone(rich, "mine")
    yield database
    running.drop(database)


@pytest.fixture(scope="module")
def other(running: Server) -> Iterator[Database]:
    database = running.create("other")
    yield database
    running.drop(database)


class TestTheRoleCantGetOut:
    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER ROLE CURRENT_USER SUPERUSER",
            "ALTER ROLE CURRENT_USER CREATEDB",
            "ALTER ROLE postgres PASSWORD 'mine'",
            "SET ROLE postgres",
            "SET SESSION AUTHORIZATION postgres",
            "SET ROLE {other}",
            "SET SESSION AUTHORIZATION {other}",
            "SET ROLE cookbook_{installation}_objects",
            "SET ROLE cookbook_{installation}_keeper",
            "GRANT postgres TO CURRENT_USER",
            "GRANT {other} TO CURRENT_USER",
            "ALTER ROLE {other} PASSWORD 'mine'",
            "DROP DATABASE {other}",
            "ALTER DATABASE {other} OWNER TO CURRENT_USER",
            "ALTER DATABASE {other} SET lock_timeout = 0",
            "CREATE ROLE mallory",
            "CREATE DATABASE more",
            "COPY members TO PROGRAM 'id'",
            "COPY members TO '/tmp/members'",
            "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f()",
            "SELECT pg_read_file('PG_VERSION')",
            "SELECT rolpassword FROM pg_authid",
            "ALTER SYSTEM SET fsync = on",
        ],
    )
    def test_statements(self, shared: Server, mine: Database, other: Database, statement: str) -> None:
        names = {"other": other.name, "installation": shared.workspace.installation}
        with pytest.raises(psycopg.Error) as caught:
            attempt(mine, statement.format(**names))
        assert caught.value.sqlstate in ("42501", "42883")

    def test_reset_role_leads_to_itself(self, mine: Database) -> None:
        with connect(mine.url) as connection:
            connection.execute("RESET ROLE")
            connection.execute("RESET SESSION AUTHORIZATION")
            assert connection.execute("SELECT session_user, current_user").fetchone() == (
                mine.name,
                mine.name,
            )

    def test_other_databases_are_closed(self, shared: Server, mine: Database, other: Database) -> None:
        for name in (other.name, "postgres", "template1"):
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                connect(mine.url.set(database=name))

    def test_other_roles_need_other_passwords(self, shared: Server, mine: Database, other: Database) -> None:
        for user, database in ((other.name, other.name), ("postgres", "postgres"), ("postgres", mine.name)):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                connect(mine.url.set(username=user, database=database))

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER ROLE CURRENT_USER PASSWORD 'forgotten'",
            "ALTER ROLE CURRENT_USER PASSWORD NULL",
            "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on",
            "ALTER ROLE CURRENT_USER SET search_path = nowhere",
            "ALTER ROLE CURRENT_USER IN DATABASE {mine} SET search_path = nowhere",
            "ALTER DATABASE {mine} SET search_path = nowhere",
            "ALTER DATABASE {mine} SET lock_timeout = 0",
            "ALTER DATABASE {mine} SET statement_timeout = 1",
            "ALTER DATABASE {mine} CONNECTION LIMIT 0",
            "ALTER DATABASE {mine} ALLOW_CONNECTIONS false",
            "ALTER DATABASE {mine} IS_TEMPLATE true",
            "REVOKE ALL ON DATABASE {mine} FROM {mine}",
            "GRANT CONNECT ON DATABASE {mine} TO PUBLIC",
        ],
    )
    def test_what_it_does_to_itself_is_mended(
        self, shared: Server, mine: Database, other: Database, statement: str
    ) -> None:
        with connect(mine.url) as connection:
            try:
                connection.execute(statement.format(mine=mine.name).encode())
            except psycopg.Error as error:
                # Not allowed on each version: then there is nothing to mend.
                assert error.sqlstate in ("42501", "22023")
        shared.sweep()
        again = shared.restore_settings(mine)
        assert again == mine
        with connect(again.url) as connection:
            connection.execute("UPDATE members SET name = 'Grace'")
            assert connection.execute("SHOW lock_timeout").fetchone() == ("3s",)
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            connect(other.url.set(database=mine.name))


class TestForeignDatabases:
    @pytest.fixture
    def foreign(self, shared: Server) -> Iterator[list[str]]:
        """Somebody's databases; two look like ours, and one has a comment that says so."""
        lookalike = f"cookbook_{shared.workspace.installation}_shop_0badcafe"
        names = ["production", "cookbook_00000000_shop_1", lookalike]
        for name in names:
            administer(shared, f"CREATE DATABASE {name} STRATEGY file_copy")
        administer(shared, f"COMMENT ON DATABASE {lookalike} IS 'made by the cookbook'")
        yield names
        for name in names:
            administer(shared, f"DROP DATABASE {name}")

    def test_nothing_touches_them(self, shared: Server, foreign: list[str]) -> None:
        for name in foreign:
            database = Database(Dialect.POSTGRES, name, shared.url.set(database=name))
            with pytest.raises(CookbookError, match=r"not the cookbook's\. It was left alone"):
                shared.drop(database)
            with pytest.raises(CookbookError, match="is gone"):
                shared.restore_settings(database)
        assert shared.sweep() == []
        assert not set(foreign) & set(shared.names())
        for name in foreign:
            with connect(shared.url.set(database=name)) as connection:
                assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)

    def test_a_name_that_is_taken_is_passed_over(
        self, shared: Server, foreign: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ends = iter(["0badcafe", "0badcafe", "12345678"])
        monkeypatch.setattr("secrets.token_hex", lambda size: next(ends))
        database = shared.create("shop")
        assert database.name == f"cookbook_{shared.workspace.installation}_shop_12345678"
        assert administer(shared, "SELECT FROM pg_roles WHERE rolname LIKE '%0badcafe'") == []

    def test_a_template_name_that_is_taken(self, shared: Server) -> None:
        name = ownership.stable_name(shared.workspace.installation, "template", "taken")
        administer(shared, f"CREATE DATABASE {name} STRATEGY file_copy")
        with pytest.raises(CookbookError, match=f"{name} is not the cookbook's") as caught:
            shared.template("taken", build_rich)
        assert "\n" not in str(caught.value)
        administer(shared, f"DROP DATABASE {name}")


class TestAServerOfYourOwn:
    """The shared server as somebody's, for two installations with a role that may CREATEDB."""

    @pytest.fixture
    def owned(
        self, shared: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[tuple[UserServer, UserServer]]:
        administer(shared, "CREATE ROLE teacher LOGIN CREATEDB PASSWORD 'chalk'")
        administer(shared, "CREATE DATABASE school OWNER teacher STRATEGY file_copy")
        url = shared.url.set(username="teacher", password="chalk", database="school")
        monkeypatch.setenv(OWN_SERVER_VARIABLE, url.render_as_string(hide_password=False))
        first, second = (server.attach(open_workspace(tmp_path / name)) for name in ("one", "two"))
        assert isinstance(first, UserServer)
        assert isinstance(second, UserServer)
        yield first, second
        theirs = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = 'teacher'"
        for (name,) in administer(shared, theirs):
            administer(shared, f"ALTER DATABASE {name} IS_TEMPLATE false")
            administer(shared, f"DROP DATABASE {name} WITH (FORCE)")
        administer(shared, "DROP ROLE teacher")

    def test_two_installations_do_not_see_each_other(self, owned: tuple[UserServer, UserServer]) -> None:
        first, second = owned
        assert (first.origin, first.capabilities.has_roles) == ("own", False)
        assert server.capabilities() == first.capabilities
        mine = first.clone(first.template("rich", build_rich), "shop")
        theirs = second.clone(second.template("rich", build_rich), "shop")
        assert first.names() == [mine.name]
        assert second.names() == [theirs.name]
        with pytest.raises(CookbookError, match="left alone"):
            first.drop(theirs)
        assert first.restore_settings(mine) == mine
        assert one(mine, "SELECT current_user") == "teacher"
        assert one(mine, "SHOW lock_timeout") == "3s"
        assert one(mine, "SHOW client_connection_check_interval") == "1s"
        assert one(mine, "SELECT count(*) FROM members") == 1
        first.drop(mine)
        assert first.names() == []
        assert one(theirs, "SELECT count(*) FROM members") == 1

    def test_the_name_alone_is_no_mark(self, owned: tuple[UserServer, UserServer]) -> None:
        first, _ = owned
        name = f"cookbook_{first.workspace.installation}_shop_0badcafe"
        administer(first, f"CREATE DATABASE {name}")
        database = Database(Dialect.POSTGRES, name, first.url.set(database=name))
        with pytest.raises(CookbookError, match="left alone"):
            first.drop(database)
        # An intent is no mark either: the maker may have been killed before it made anything.
        with connect(first.url) as admin:
            first._journal(admin).note(name, ownership.State.INTENDED)
        with pytest.raises(CookbookError, match="left alone"):
            first.drop(database)
        assert first.sweep() == []
        assert one(database, "SELECT 1") == 1

    def test_dropped_and_made_again_by_somebody_it_is_theirs(
        self, owned: tuple[UserServer, UserServer]
    ) -> None:
        first, _ = owned
        database = first.create("shop")
        administer(first, f"DROP DATABASE {database.name}")
        administer(first, f"CREATE DATABASE {database.name}")
        with pytest.raises(CookbookError, match="left alone"):
            first.drop(database)

    def test_stop_leaves_it_alone(self, owned: tuple[UserServer, UserServer]) -> None:
        first, _ = owned
        assert not server.stop(first.workspace)
        assert server.attach(first.workspace) == first


def test_a_dead_clients_backend_dies_soon(shared: Server) -> None:
    database = shared.create("shop")
    process = get_context("fork").Process(target=_sleep_on_the_server, args=(database,))
    process.start()
    busy = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database.name}' AND query ~ 'pg_sleep'"
    _wait_for(shared, busy, 1)
    process.kill()
    process.join()
    _wait_for(shared, busy, 0)


def _sleep_on_the_server(database: Database) -> None:
    with engine(database).connect() as connection:
        connection.execute(text("SELECT pg_sleep(60)"))


def _wait_for(shared: Server, query: str, count: int) -> None:
    deadline = time.monotonic() + 5
    while administer(shared, query) != [(count,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_workspace_value_is_enough(server_workspace: Workspace, shared: Server) -> None:
    assert server.attach(Workspace(server_workspace.root, server_workspace.installation)) == shared


def test_who_stays_keeps_one_connection(shared: Server) -> None:
    with (
        pytest.raises(CookbookError, match=r"^PostgreSQL can't do it: .*administrator"),
        shared.shared_admin_connection() as staying,
    ):
        assert staying.administrator is not None
        database = staying.create("shop")
        assert database.name in shared.names()
        staying.drop(database)
        assert database.name not in shared.names()
        session = staying.administrator.info.backend_pid
        administer(shared, f"SELECT pg_terminate_backend({session})")
        staying.names()
