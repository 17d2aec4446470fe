"""The kit's own server, on which each sandbox database has its own role.

The role has the database's name, logs in itself and isn't a superuser. While a database is being made it
belongs to the installation's keeper role. It changes hands in one transaction at the end, so a kill
leaves either a finished database or one that `sweep` recognizes. Nobody else can give a role of this
installation anything, so the owner also says that a database is ours.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import psycopg
from psycopg import sql

from migration_cookbook.databases import administration
from migration_cookbook.databases.backend import Capabilities
from migration_cookbook.databases.cluster import keeper_role, objects_role
from migration_cookbook.databases.connections import Connection, connect_admin
from migration_cookbook.databases.database import Database, Template
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import prefix
from migration_cookbook.databases.postgres import Server

if TYPE_CHECKING:
    from migration_cookbook.databases.administration import CatalogEntry

#: How many connections a sandbox's role may have. The book needs four at once; all 200 would shut everybody out.
_CONNECTIONS = 20


@dataclass(frozen=True)
class KitServer(Server):
    """The cookbook's server, of which the kit is superuser."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        has_roles=True, has_second_session=True, can_run_processes=True
    )

    def _is_ours(self, admin: Connection, found: CatalogEntry) -> bool:
        start = prefix(self.workspace.installation)
        return found.name.startswith(start) and found.owner.startswith(start)

    def _is_finished(self, admin: Connection, found: CatalogEntry) -> bool:
        return found.owner != keeper_role(self.workspace.installation)

    def _make_named(self, admin: Connection, name: str, source: Template | None) -> Database | None:
        role, password = sql.Identifier(name), secrets.token_urlsafe(18)
        try:
            limits = sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}")
            admin.execute(limits.format(role, sql.Literal(_CONNECTIONS), sql.Literal(password)))
        except psycopg.errors.DuplicateObject:
            return None
        try:
            _create_closed(admin, name, source, keeper_role(self.workspace.installation))
        except psycopg.errors.DuplicateDatabase:
            admin.execute(sql.SQL("DROP ROLE {}").format(role))
            return None
        if source is None:
            _hand_over(admin, name)
        else:
            with connect_admin(self.url.set(database=name)) as inside:
                _hand_over(inside, name, objects_role(self.workspace.installation))
        return self._database(name, password)

    def _copy(self, admin: Connection, original: Database, name: str) -> None:
        _create_closed(admin, name, Template(Dialect.POSTGRES, original.name), original.name)
        administration.apply_settings(admin, name)

    def _restore(self, admin: Connection, database: Database) -> None:
        role = sql.Identifier(database.name)
        password = sql.Literal(database.url.password)
        limits = sql.SQL("ALTER ROLE {} LOGIN CONNECTION LIMIT {} VALID UNTIL 'infinity' PASSWORD {}")
        admin.execute(limits.format(role, sql.Literal(_CONNECTIONS), password))
        admin.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(role))
        admin.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, role))
        admin.execute(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(role, role))
        administration.apply_settings(admin, database.name)

    def _promote(self, admin: Connection, building: str, name: str) -> None:
        with connect_admin(self.url.set(database=building)) as inside:
            _hand_to_keeper(inside, self.workspace.installation, building)
        administration.close_to_clients(admin, building)
        administration.rename_to_template(admin, building, name)
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(building)))

    def _forget(self, admin: Connection, name: str, found: CatalogEntry | None) -> None:
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))

    def _sweep_remains(self, admin: Connection) -> None:
        """Drop roles whose database is gone, or was never made."""
        orphans = admin.execute(
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND starts_with(rolname, %s)"
            " AND NOT EXISTS (SELECT FROM pg_database WHERE datname = rolname OR datdba = pg_roles.oid)",
            [prefix(self.workspace.installation)],
        ).fetchall()
        for (name,) in orphans:
            if administration.claim_if_free(admin, name) and administration.find(admin, name) is None:
                admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))

    def _database(self, name: str, password: object) -> Database:
        text = "" if password is None else str(password)
        return Database(Dialect.POSTGRES, name, self.url.set(database=name, username=name, password=text))


def _create_closed(admin: Connection, name: str, source: Template | None, owner: str) -> None:
    """Create a database that nobody but the superuser can enter: PUBLIC isn't shut out yet."""
    options = sql.SQL("STRATEGY file_copy OWNER {} CONNECTION LIMIT 0").format(sql.Identifier(owner))
    administration.create_database(admin, name, source, options)


def _hand_over(connection: Connection, name: str, objects: str | None = None) -> None:
    """Give a database and its objects to its role, in one transaction: that makes it a finished one."""
    role = sql.Identifier(name)
    with connection.transaction():
        if objects is not None:
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(objects), role))
        administration.apply_settings(connection, name)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, role))


def _hand_to_keeper(inside: Connection, installation: str, building: str) -> None:
    """Give the database to the keeper first: REASSIGN OWNED would give it to the role that owns its objects."""
    role = sql.Identifier(building)
    keeper, objects = sql.Identifier(keeper_role(installation)), sql.Identifier(objects_role(installation))
    with inside.transaction():
        inside.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, keeper))
        inside.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(role, objects))
        inside.execute(sql.SQL("DROP OWNED BY {}").format(role))
