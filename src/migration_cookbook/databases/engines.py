"""How does plain Python reach a database of ours? One engine a database and process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from migration_cookbook.databases.database import Database

#: Longer than this nobody waits for a lock: seconds on SQLite, as a setting on PostgreSQL.
LOCK_PATIENCE_S = 3.0


@functools.lru_cache(maxsize=64)
def engine(database: Database) -> sa.Engine:
    """The engine of `database`, without a pool: a connection that lingers would hold locks."""
    return sa.create_engine(
        database.url, poolclass=sa.pool.NullPool, connect_args=_connect_arguments(database.dialect)
    )


def _connect_arguments(dialect: Dialect) -> dict[str, Any]:
    if dialect is Dialect.SQLITE:
        return {"timeout": LOCK_PATIENCE_S}
    # A prepared statement outlives the shape of its table: "cached plan must not change result type".
    return {"prepare_threshold": None}
