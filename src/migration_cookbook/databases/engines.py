"""The engines by which plain Python reaches our databases: one a database and process."""

from __future__ import annotations

import functools
import sqlite3
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.databases.database import Database

#: Longer than this nobody waits for a lock: seconds on SQLite, as a setting on PostgreSQL.
LOCK_PATIENCE_S = 3.0

_CONNECT_ARGUMENTS: Mapping[Dialect, dict[str, Any]] = {
    Dialect.SQLITE: {"timeout": LOCK_PATIENCE_S},
    # A prepared statement outlives the shape of its table: "cached plan must not change result type".
    Dialect.POSTGRES: {"prepare_threshold": None},
}


@functools.lru_cache(maxsize=64)
def engine(database: Database) -> sa.Engine:
    """Return the engine of `database`, without a pool: a connection that lingers would hold locks."""
    return sa.create_engine(
        database.url, poolclass=sa.pool.NullPool, connect_args=_CONNECT_ARGUMENTS[database.dialect]
    )


def in_transaction(connection: sa.Connection) -> bool:
    """Whether a BEGIN of the reader's own is still open."""
    raw: Any = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection):
        return raw.in_transaction
    return raw.info.transaction_status.value in (1, 2, 3)


def cancel_statement(connection: sa.Connection) -> None:
    """Stop the statement that another thread runs on this connection."""
    raw: Any = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection):
        raw.interrupt()
    else:
        raw.cancel_safe(timeout=2)
