"""A server of the user's own, named by COOKBOOK_POSTGRES_URL.

No roles are made there: databases belong to the role that the user named. What's ours and what's finished
is in a journal in the workspace.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import psycopg
import sqlalchemy as sa
from psycopg import sql

from migration_cookbook.databases import administration
from migration_cookbook.databases.backend import Capabilities
from migration_cookbook.databases.binaries import OLDEST_MAJOR
from migration_cookbook.databases.connections import DRIVER, Connection, connect
from migration_cookbook.databases.database import Database, Template
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.databases.ownership import Journal, State, prefix
from migration_cookbook.databases.postgres import Server
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook.databases.administration import CatalogEntry
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class UserServer(Server):
    """A server that may hold other people's databases, used as the role that the user named."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        has_roles=False, has_second_session=True, can_run_processes=True
    )

    def _is_ours(self, admin: Connection, found: CatalogEntry) -> bool:
        is_named_so = found.name.startswith(prefix(self.workspace.installation))
        return is_named_so and self._journal(admin).confirms(str(found.oid))

    def _is_finished(self, admin: Connection, found: CatalogEntry) -> bool:
        entry = self._journal(admin).entries().get(found.name)
        return entry is not None and entry.state is State.FINISHED

    def _make_named(self, admin: Connection, name: str, source: Template | None) -> Database | None:
        journal = self._journal(admin)
        journal.note(name, State.INTENDED)
        try:
            administration.create_database(admin, name, source)
        except psycopg.errors.DuplicateDatabase:
            journal.note(name, State.GONE)
            return None
        oid = _oid(admin, name)
        journal.note(name, State.MADE, oid)
        with admin.transaction():
            administration.apply_settings(admin, name)
            _check_clients(admin, name)
        journal.note(name, State.FINISHED, oid)
        return self._database(name, None)

    def _copy(self, admin: Connection, original: Database, name: str) -> None:
        self._make_named(admin, name, Template(Dialect.POSTGRES, original.name))

    def _restore(self, admin: Connection, database: Database) -> None:
        administration.apply_settings(admin, database.name)
        _check_clients(admin, database.name)

    def _promote(self, admin: Connection, building: str, name: str) -> None:
        administration.close_to_clients(admin, building)
        journal = self._journal(admin)
        journal.note(name, State.FINISHED, _oid(admin, building))
        administration.rename_to_template(admin, building, name)
        journal.note(building, State.GONE)

    def _forget(self, admin: Connection, name: str, found: CatalogEntry | None) -> None:
        if found is None:
            return
        journal = self._journal(admin)
        for other, entry in journal.entries().items():
            if entry.mark == str(found.oid):
                journal.note(other, State.GONE)

    def _sweep_remains(self, admin: Connection) -> None:
        """Remove nothing: no roles are made here."""

    def _database(self, name: str, password: object) -> Database:
        return Database(Dialect.POSTGRES, name, self.url.set(database=name))

    def _journal(self, admin: Connection) -> Journal:
        """Return the journal of this server. A copy of the workspace has another inode, so its own journal."""
        row = admin.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
        folder = self.workspace.databases.stat()
        return Journal(self.workspace, f"{row} {folder.st_dev} {folder.st_ino}")


def connect_user_server(workspace: Workspace, text: str) -> UserServer:
    """Return the server of this URL, if it's new enough and its role may create databases."""
    url = _explicit(text)
    try:
        with connect(url) as connection:
            number = connection.info.server_version
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except (psycopg.Error, ValueError) as error:
        reason = (str(error).strip().splitlines() or ["it doesn't answer"])[-1]
        raise CookbookError(f"{OWN_SERVER_VARIABLE} doesn't lead to a server: {reason}") from None
    version = f"{number // 10000}.{number % 10000}"
    if number // 10000 < OLDEST_MAJOR:
        raise CookbookError(
            f"{OWN_SERVER_VARIABLE} leads to PostgreSQL {version}. It must be {OLDEST_MAJOR} or newer."
        )
    if row is None or not row[0]:
        raise CookbookError(
            f"The role of {OWN_SERVER_VARIABLE} may not create databases. Run ALTER ROLE … CREATEDB."
        )
    return UserServer(workspace, "own", version, url)


def _oid(admin: Connection, name: str) -> str:
    """Return a database's oid as the journal has it."""
    found = administration.find(admin, name)
    assert found is not None
    return str(found.oid)


def _check_clients(admin: Connection, name: str) -> None:
    """End a dead client's backend too, as the cookbook's server does for all. Windows can't do it."""
    statement = sql.SQL("ALTER DATABASE {} SET client_connection_check_interval = '1s'")
    with contextlib.suppress(psycopg.errors.InvalidParameterValue), admin.transaction():
        admin.execute(statement.format(sql.Identifier(name)))


def _explicit(text: str) -> sa.URL:
    """Return the URL with everything named, so that nothing is taken from the environment."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        url = sa.URL.create("none")
    query = dict(url.query)
    host = url.host or query.pop("host", None)
    plain = isinstance(host, str) and "," not in host and not {"service", "hostaddr", "dbname"} & set(query)
    if url.get_backend_name() not in ("postgresql", "postgres") or not plain or not url.username:
        raise CookbookError(
            f"{OWN_SERVER_VARIABLE} must name one server: postgresql://user:password@host:5432/database"
        )
    port = _port(url.port or query.pop("port", None) or 5432)
    if str(host).startswith("/"):
        query |= {"host": str(host), "port": str(port)}
        return url.set(
            drivername=DRIVER, host=None, port=None, database=url.database or "postgres", query=query
        )
    return url.set(
        drivername=DRIVER,
        host=str(host),
        port=port,
        database=url.database or "postgres",
        query=query,
    )


def _port(named: object) -> int:
    text = str(named)
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise CookbookError(
            f"{OWN_SERVER_VARIABLE} names the port {text[:20]!r}. A port is a number from 1 to 65535."
        )
    return int(text)
