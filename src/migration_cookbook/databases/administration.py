"""The administrator's statements about a server's databases: find, claim, create and drop them."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from migration_cookbook.databases.connections import Connection
    from migration_cookbook.databases.database import Template

#: How often DROP DATABASE is tried again while the server's own vacuum is connected.
_DROP_ATTEMPTS = 25

#: What sorts and compares the same on every server.
_ENCODING = "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"

_NO_OPTIONS = sql.SQL("")

_FIND = """
    SELECT datname, pg_database.oid, rolname, datistemplate
    FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba
"""


@dataclass(frozen=True)
class CatalogEntry:
    """A database as the server's catalog has it."""

    name: str
    oid: int
    owner: str
    is_template: bool


def find(admin: Connection, name: str) -> CatalogEntry | None:
    """Return the database of this name, if there is one."""
    row = admin.execute(f"{_FIND} WHERE datname = %s".encode(), [name]).fetchone()
    return CatalogEntry(*row) if row is not None else None


def find_all(admin: Connection, prefix: str) -> list[CatalogEntry]:
    """Return the databases whose names begin so, in alphabetical order."""
    rows = admin.execute(f"{_FIND} WHERE starts_with(datname, %s) ORDER BY 1".encode(), [prefix]).fetchall()
    return [CatalogEntry(*row) for row in rows]


def claim(admin: Connection, name: str) -> None:
    """Tell `sweep` that a living process is at work on this name, until `admin` is closed."""
    admin.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])


def claim_if_free(admin: Connection, name: str) -> bool:
    """Claim the name unless another process has; return whether it's claimed now."""
    claimed = admin.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
    return claimed.fetchone() == (True,)


def create_database(
    admin: Connection, name: str, source: Template | None, options: sql.Composable = _NO_OPTIONS
) -> None:
    """Send CREATE DATABASE, as a copy of `source` or empty."""
    template = "template0" if source is None else source.name
    encoding = sql.SQL(_ENCODING if source is None else "")
    admin.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} {} {}").format(
            sql.Identifier(name), sql.Identifier(template), encoding, options
        )
    )


def apply_settings(connection: Connection, name: str) -> None:
    """Give a database the settings that each of ours has. Cloning keeps none of them."""
    database = sql.Identifier(name)
    for statement in (
        "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
        "ALTER DATABASE {} RESET ALL",
        "ALTER DATABASE {} SET lock_timeout = '3s'",
        "ALTER DATABASE {} SET timezone = 'UTC'",
        "ALTER DATABASE {} ALLOW_CONNECTIONS true IS_TEMPLATE false CONNECTION LIMIT -1",
    ):
        connection.execute(sql.SQL(statement).format(database))


def terminate_clients(admin: Connection, name: str) -> None:
    """End all clients' connections to a database and wait until they are gone.

    An autovacuum worker gives way by itself, and only a superuser may end one.
    """
    deadline = time.monotonic() + 5
    ended = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = %s AND backend_type = 'client backend'"
    )
    while admin.execute(ended, [name]).fetchone() != (0,) and time.monotonic() < deadline:
        time.sleep(0.002)


def drop_database(admin: Connection, found: CatalogEntry) -> None:
    """Drop a database or template, whoever is connected."""
    name = sql.Identifier(found.name)
    if found.is_template:
        admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(name))
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)
    for _ in range(_DROP_ATTEMPTS):
        # The server's own vacuum may be connected for a moment, and only the server's owner may end it.
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            admin.execute(statement)
            return
        time.sleep(0.2)
    admin.execute(statement)


def rename_to_template(admin: Connection, building: str, name: str) -> None:
    """Make a database that nobody can connect to a template, under its final name."""
    old, new = sql.Identifier(building), sql.Identifier(name)
    with admin.transaction():
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
        admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(new))


def close_to_clients(admin: Connection, name: str) -> None:
    """Let nobody connect to a database any more, and end the connections there are."""
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    terminate_clients(admin, name)
