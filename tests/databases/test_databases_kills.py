"""A kill between any two steps leaves nothing that breaks the next call, and nothing for ever."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from kill_at_each_line import killed_at_each_line, lines_run
from sqlalchemy import text

from migration_cookbook.databases import cluster, server, sqlite
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.engines import engine
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.databases.ownership import stable_name
from migration_cookbook.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.postgres import Server


def fill(database: Database) -> None:
    with engine(database).begin() as connection:
        connection.execute(text("CREATE TABLE books (title text)"))
        connection.execute(text("INSERT INTO books VALUES ('Middlemarch')"))


def titles(database: Database) -> list[str]:
    with engine(database).connect() as connection:
        return list(connection.execute(text("SELECT title FROM books")).scalars())


def left_on(attached: Server) -> set[str]:
    """Databases and roles of this installation, those that always stay left out."""
    pattern = f"cookbook\\_{attached.workspace.installation}\\_%"
    with connect(attached.url) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %(like)s AND NOT datistemplate"
            " UNION SELECT rolname FROM pg_roles WHERE rolname LIKE %(like)s AND rolcanlogin",
            {"like": pattern},
        ).fetchall()
    return {str(name) for (name,) in rows}


def tidied(attached: Server) -> set[str]:
    """Sweep until only whole databases are left; their names.

    The server notices a client's death a moment later. On somebody's server one database may
    stay: the one whose maker was killed before the journal could confirm it, never ours to drop.
    """
    deadline = time.monotonic() + 5
    allowed = 0 if attached.capabilities.has_roles else 1
    while True:
        attached.sweep()
        names = set(attached.names())
        unconfirmed = left_on(attached) - names
        if len(unconfirmed) <= allowed and not attached.sweep():
            break
        assert time.monotonic() < deadline, f"left: {unconfirmed}"
        time.sleep(0.01)
    with connect(attached.url) as connection:
        for name in unconfirmed:
            connection.execute(f"DROP DATABASE {name}".encode())
    return names


@pytest.fixture(params=["ours", "own"])
def attached(
    request: pytest.FixtureRequest, shared: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """The cookbook's own server, and the same one used as somebody's by COOKBOOK_POSTGRES_URL."""
    if request.param == "ours":
        yield shared
        return
    role = f"reader_{tmp_path.name}"
    with connect(shared.url) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN CREATEDB PASSWORD 'theirs'".encode())
        connection.execute(f"GRANT CONNECT ON DATABASE postgres TO {role}".encode())
    url = shared.url.set(username=role, password="theirs")
    monkeypatch.setenv(OWN_SERVER_VARIABLE, url.render_as_string(hide_password=False))
    own = server.attach(open_workspace(tmp_path / "w"))
    yield own
    with connect(shared.url) as connection:
        mine = f"cookbook_{own.workspace.installation}_%"
        for (name,) in connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", [mine]
        ).fetchall():
            connection.execute(f"ALTER DATABASE {name} IS_TEMPLATE false".encode())
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute(f"REVOKE CONNECT ON DATABASE postgres FROM {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


class TestPostgres:
    def test_create(self, attached: Server) -> None:
        def create() -> Database:
            return attached.create("shop")

        count = lines_run(create)
        before = tidied(attached)
        for _ in killed_at_each_line(create, count, 7):
            after = tidied(attached)
            assert before <= after
            before = after
        database = create()
        fill(database)
        assert titles(database) == ["Middlemarch"]

    def test_template_and_clone(self, attached: Server) -> None:
        def make() -> Database:
            return attached.clone(attached.template("key", fill), "shop")

        count = lines_run(make)
        _drop_all(attached)
        for number in killed_at_each_line(make, count, 23):
            assert titles(make()) == ["Middlemarch"]
            tidied(attached)
            if number % 2:
                _drop_all(attached)
        _drop_all(attached)

    def test_drop(self, attached: Server) -> None:
        database = attached.create("shop")
        count = lines_run(lambda: attached.drop(database))
        attached.drop(database)
        victims = [attached.create("shop") for _ in range(1, count, 11)]
        for _ in killed_at_each_line(lambda: attached.drop(victims[0]), count, 11):
            attached.drop(victims.pop(0))
            tidied(attached)
        assert tidied(attached) == {database.name for database in victims}


def _drop_all(attached: Server) -> None:
    for name in tidied(attached):
        attached.drop_named(name)
    attached.drop_named(stable_name(attached.workspace.installation, "template", "key"))
    assert left_on(attached) == set()


class TestSqlite:
    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Workspace:
        workspace = open_workspace(tmp_path / "w")
        workspace.databases.mkdir()
        return workspace

    def test_template_clone_and_drop(self, workspace: Workspace) -> None:
        path = workspace.sandboxes / "shop" / "bookshop.db"

        def clone() -> Database:
            return sqlite.clone(workspace, sqlite.template(workspace, "key", fill), "shop", path)

        def all_of_it() -> None:
            sqlite.drop(workspace, clone())

        count = lines_run(all_of_it)
        assert count > 50
        for number in killed_at_each_line(all_of_it, count):
            if number % 2:  # once straight away, once after another call has tidied up
                workspace.sweep()
                assert list((workspace.databases / "building").iterdir()) == []
            database = clone()
            assert titles(database) == ["Middlemarch"]
            if number % 3 == 0:
                sqlite.drop(workspace, database)
                assert not path.exists()


class TestServer:
    def test_a_first_start(self, unlucky: Workspace) -> None:
        def start() -> None:
            forget(unlucky)
            server.attach(unlucky)

        for _ in killed_at_each_line(start, 400, 113):
            attached = server.attach(unlucky)
            assert attached.notices == ()
        attached.drop(attached.create("works"))

    @pytest.mark.parametrize("milliseconds", [100, 350])
    def test_while_initdb_or_pg_ctl_runs(self, unlucky: Workspace, milliseconds: int) -> None:
        forget(unlucky)
        child = os.fork()
        if child == 0:
            server.attach(unlucky)
            os._exit(0)
        time.sleep(milliseconds / 1000)  # any moment will do: this is about all of them
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        attached = server.attach(unlucky)
        assert attached.notices == ()
        attached.drop(attached.create("works"))


def forget(workspace: Workspace) -> None:
    """As if the server had never been made."""
    server.stop(workspace)
    if (known := cluster.known(workspace)) is not None:
        known.initialized.unlink(missing_ok=True)
