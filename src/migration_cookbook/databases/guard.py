"""May this connection be opened? While a command runs, only the run's own databases may.

This prevents accidents and is no security boundary: it sees no `creator=`, no bare
driver and no ATTACH.
"""

from __future__ import annotations

import contextlib
import os
import urllib.parse
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

from migration_cookbook.databases.engines import LOCK_PATIENCE_S
from migration_cookbook.databases.kinds import Kind
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.pool import ConnectionPoolEntry

    from migration_cookbook.databases.database import Database


class Refused(CookbookError):
    """A connection to a database that this command has no business with."""


@contextlib.contextmanager
def only(databases: Iterable[Database], cursor_factory: Any = None) -> Iterator[None]:
    """Inside, SQLAlchemy opens connections to these databases and to no other; nested, to those of both."""
    allowed = tuple(databases)

    def check(
        dialect: Dialect, record: ConnectionPoolEntry, arguments: list[Any], parameters: dict[str, Any]
    ) -> None:
        _check(dialect.name, arguments, parameters, allowed)
        if cursor_factory is not None and dialect.name == "postgresql":
            parameters.setdefault("cursor_factory", cursor_factory)

    event.listen(sa.Engine, "do_connect", check)
    try:
        yield
    finally:
        event.remove(sa.Engine, "do_connect", check)


def _check(
    dialect: str, arguments: list[Any], parameters: dict[str, Any], allowed: tuple[Database, ...]
) -> None:
    if dialect == "sqlite":
        if not _is_allowed_sqlite(arguments, parameters, allowed):
            raise _refusal(allowed, _sqlite_address(arguments, parameters))
        parameters.setdefault("timeout", LOCK_PATIENCE_S)
    elif dialect != "postgresql" or not _is_allowed_postgres(arguments, parameters, allowed):
        raise _refusal(allowed, _server_address(dialect, arguments, parameters))


def _is_allowed_sqlite(
    arguments: list[Any], parameters: Mapping[str, Any], allowed: tuple[Database, ...]
) -> bool:
    path = _sqlite_path(arguments, parameters)
    if path is None:
        return True
    return any(database.kind is Kind.SQLITE and _same_file(path, database.name) for database in allowed)


def _sqlite_path(arguments: list[Any], parameters: Mapping[str, Any]) -> str | None:
    """The file that would be opened; None for a database in memory."""
    name = os.fsdecode(arguments[0] if arguments else parameters.get("database", ""))
    if parameters.get("uri") and name.startswith("file:"):
        parts = urllib.parse.urlsplit(name)
        name = urllib.parse.unquote(parts.path)
        if "memory" in urllib.parse.parse_qs(parts.query).get("mode", []):
            return None
    return None if name in ("", ":memory:") else name


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _is_allowed_postgres(
    arguments: list[Any], parameters: Mapping[str, Any], allowed: tuple[Database, ...]
) -> bool:
    if any(arguments) or _takes_address_elsewhere(parameters):
        return False
    address = _address(parameters)
    return all(address) and any(
        database.kind is Kind.POSTGRES and address == _address_of(database) for database in allowed
    )


def _takes_address_elsewhere(parameters: Mapping[str, Any]) -> bool:
    """Whether libpq would go to another server than the one named by host and port."""
    elsewhere = ("service", "servicefile", "hostaddr", "dsn", "conninfo")
    inherited = ("PGSERVICE", "PGHOSTADDR")
    return any(parameters.get(name) for name in elsewhere) or any(os.environ.get(name) for name in inherited)


def _address(parameters: Mapping[str, Any]) -> tuple[str, str, str]:
    """Host, port and database as psycopg, psycopg2, asyncpg and pg8000 call them; empty if not given."""
    host = parameters.get("host") or parameters.get("unix_sock") or ""
    port = parameters.get("port") or ""
    name = parameters.get("dbname") or parameters.get("database") or ""
    return str(host), str(port), str(name)


def _address_of(database: Database) -> tuple[str, str, str]:
    url = database.url
    host, port = url.host or url.query.get("host", ""), url.port or url.query.get("port", "")
    return str(host), str(port), str(url.database)


def _refusal(allowed: tuple[Database, ...], address: str) -> Refused:
    mine = " or ".join(dict.fromkeys(f"{database.kind.title} database" for database in allowed))
    return Refused(
        f"Refused: this command may only touch the sandbox's {mine or 'files, no database'}, "
        f"but the project connects to {address}. In this book env.py takes its URL from the environment, from DATABASE_URL."
    )


def _sqlite_address(arguments: list[Any], parameters: Mapping[str, Any]) -> str:
    return f"sqlite:///{_sqlite_path(arguments, parameters)}"


def _server_address(dialect: str, arguments: list[Any], parameters: Mapping[str, Any]) -> str:
    if any(arguments) or _takes_address_elsewhere(parameters):
        return f"a {dialect} database named by a service, a hostaddr or a connection string"
    host, port, name = _address(parameters)
    user = parameters.get("user") or parameters.get("username")
    who = f"{user}{':…' if parameters.get('password') else ''}@" if user else ""
    return f"{dialect}://{who}{host or '(no host)'}{f':{port}' if port else ''}/{name or '(no name)'}"
