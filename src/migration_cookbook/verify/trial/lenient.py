"""What SQLite accepts that can't be meant: a default that no INSERT survives, a type that isn't one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import base as mysql
from sqlalchemy.dialects.postgresql import base as postgresql
from sqlalchemy.dialects.sqlite import base as sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.schema import Column, Schema

#: First words of the types that a database knows, and of those that SQLite's documentation names.
_KNOWN = frozenset(
    name.upper().split()[0]
    for dialect in (sqlite, postgresql, mysql)
    for name in dialect.ischema_names
    if name.isascii()
) | {
    "ANY", "CLOB", "DEC", "INT2", "INT4", "INT8", "FLOAT4", "FLOAT8", "NATIVE", "TIMESTAMPTZ", "TIMETZ", "UNSIGNED",
    "VARYING", "XML",
}  # fmt: skip


def unusable_defaults(connection: sa.Connection, before: Schema, after: Schema) -> Iterator[str]:
    """A sentence for each new default of SQLite's that no INSERT survives."""
    for table, column, known in _columns(before, after):
        if known is None or known.default != column.default:
            yield from _default(connection, table, column)


def unknown_types(before: Schema, after: Schema) -> Iterator[str]:
    """A sentence for each new type of SQLite's that is none."""
    for table, column, known in _columns(before, after):
        if known is None or known.type != column.type:
            yield from _type(table, column)


def _columns(before: Schema, after: Schema) -> Iterator[tuple[str, Column, Column | None]]:
    """Each table's name with each column, and that column as it was."""
    for table in after.tables:
        old = before.table(table.name)
        for column in table.columns:
            yield table.name, column, old.column(column.name) if old is not None else None


def _default(connection: sa.Connection, table: str, column: Column) -> Iterator[str]:
    """SQLite takes any name of a function."""
    if not column.default or "(" not in column.default:
        return
    try:
        connection.exec_driver_sql(f"SELECT {column.default}")
    except sa.exc.SQLAlchemyError as error:
        words = str(getattr(error, "orig", error)).splitlines()[0]
        yield (
            f"the default of {table}.{column.name} is accepted, "
            f"but the first INSERT that needs it fails: {words}"
        )
    finally:
        connection.rollback()


def _type(table: str, column: Column) -> Iterator[str]:
    """SQLite takes any word."""
    word = re.match(r"\w*", column.type)
    if word and word[0] and word[0].upper() not in _KNOWN:
        yield f"SQLite takes any word as a type: {word[0]} of {table}.{column.name} means nothing to it"
