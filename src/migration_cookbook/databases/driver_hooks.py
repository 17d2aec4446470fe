"""Hooks that see each connection the drivers open, also one that SQLAlchemy doesn't know of.

How does a bare `sqlite3.connect` or `psycopg.connect` come to our notice? Python announces the
first in an audit event; psycopg's classes are wrapped while somebody watches. An audit hook can't
be removed, so it's installed once and does nothing while nobody watches.
"""

from __future__ import annotations

import functools
import sqlite3
import sys
from typing import TYPE_CHECKING, Any, Protocol

from psycopg._connection_base import BaseConnection
from psycopg.conninfo import conninfo_to_dict

from migration_cookbook.databases.connections import OwnConnection

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import psycopg


class Watcher(Protocol):
    """Whoever is asked before and after a connection is opened; an exception refuses it."""

    def before_sqlite(self, database: Any) -> None: ...
    def opened_sqlite(self, connection: sqlite3.Connection) -> None: ...
    def after_sqlite(self, connection: sqlite3.Connection) -> None: ...
    def before_extension(self) -> None: ...
    def before_postgres(self, parameters: Mapping[str, Any]) -> None: ...
    def after_postgres(self, info: psycopg.ConnectionInfo) -> None: ...


_watcher: Watcher | None = None
#: What the wrappers below stand in for.
_sqlite_connect = sqlite3.connect
_postgres_connect = vars(BaseConnection)["_connect_gen"]


def watch(watcher: Watcher) -> None:
    """Ask `watcher` about each connection from now on."""
    global _watcher
    _install_audit_hook()
    _watcher = watcher
    for module in (sqlite3, sqlite3.dbapi2):
        module.connect = _watched_sqlite  # type: ignore[attr-defined]
    BaseConnection._connect_gen = classmethod(_watched_postgres)  # type: ignore[method-assign, assignment]


def unwatch() -> None:
    """Put the drivers back as they were."""
    global _watcher
    _watcher = None
    for module in (sqlite3, sqlite3.dbapi2):
        module.connect = _sqlite_connect  # type: ignore[attr-defined]
    BaseConnection._connect_gen = _postgres_connect  # type: ignore[method-assign]


@functools.cache
def _install_audit_hook() -> None:
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """See what Python announces: many thousand events a second, so the usual way out comes first."""
    if (watcher := _watcher) is None or not event.startswith("sqlite3."):
        return
    if event == "sqlite3.connect":
        watcher.before_sqlite(arguments[0])
    elif event == "sqlite3.connect/handle":
        # It can't be asked anything yet.
        watcher.opened_sqlite(arguments[0])
    elif event == "sqlite3.load_extension" or (event == "sqlite3.enable_load_extension" and arguments[1]):
        watcher.before_extension()


@functools.wraps(_sqlite_connect)
def _watched_sqlite(*arguments: Any, **given: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _sqlite_connect(*arguments, **given)
    if (watcher := _watcher) is not None:
        try:
            watcher.after_sqlite(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _watched_postgres(
    cls: type[BaseConnection[Any]], /, conninfo: str = "", **given: Any
) -> Generator[Any, Any, BaseConnection[Any]]:
    # The kit's own connections, which may be opened in another thread meanwhile, lead where they should.
    watcher = None if issubclass(cls, OwnConnection) else _watcher
    if watcher is not None:
        watcher.before_postgres(conninfo_to_dict(conninfo))
    connection: BaseConnection[Any] = yield from _postgres_connect.__func__(cls, conninfo, **given)
    if watcher is not None:
        try:
            watcher.after_postgres(connection.info)
        except BaseException:
            connection.pgconn.finish()
            raise
    return connection
