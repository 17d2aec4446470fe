"""A schema as a value, read from either database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.schema.changes import Change, difference, fingerprint
from migration_cookbook.schema.model import (
    Column,
    Constraint,
    Definition,
    Index,
    Schema,
    Sequence,
    Table,
    Type,
    View,
)
from migration_cookbook.schema.postgres import prepare, read_postgres
from migration_cookbook.schema.sqlite import read_sqlite

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = [
    "Change",
    "Column",
    "Constraint",
    "Definition",
    "Index",
    "Schema",
    "Sequence",
    "Table",
    "Type",
    "View",
    "difference",
    "fingerprint",
    "prepare",
    "read",
]


def read(connection: sa.Connection) -> Schema:
    """Read the schema of the database at the other end of `connection`, as it is now."""
    if connection.dialect.name == "sqlite":
        return read_sqlite(connection)
    return read_postgres(connection)
