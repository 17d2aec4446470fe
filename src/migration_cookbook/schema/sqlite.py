"""The schema of a SQLite database: its PRAGMAs for columns, the statements it keeps for the rest."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy.exc

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.schema.model import (
    Column,
    Constraint,
    Definition,
    Index,
    Schema,
    Table,
    View,
    is_version_table,
)
from migration_cookbook.schema.spelling import normalize_default, normalize_type
from migration_cookbook.schema.sqlite_table import Keys, TableClauses, parse_table
from migration_cookbook.schema.tokens import text_of, tokens_of, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

_OBJECTS = """
SELECT type, name, tbl_name, sql FROM sqlite_master
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name
"""
_COLUMNS = """
SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
FROM sqlite_master m, pragma_table_xinfo(m.name) x WHERE m.type = 'table' ORDER BY m.name, x.cid
"""
_VIEW_COLUMNS = "SELECT name, type FROM pragma_table_xinfo(?) ORDER BY cid"


@dataclass(frozen=True)
class _Info:
    """A row of PRAGMA table_xinfo."""

    name: str
    type: str
    not_null: int
    default: str | None
    #: Its place in the primary key, or 0.
    key: int
    #: 1 for what virtual tables hide; generated columns are 2 and 3.
    hidden: int


def read_sqlite(connection: sa.Connection) -> Schema:
    objects = [tuple(row) for row in connection.exec_driver_sql(_OBJECTS)]
    infos: dict[str, list[_Info]] = defaultdict(list)
    for table, *values in connection.exec_driver_sql(_COLUMNS):
        infos[table].append(_Info(*values))
    keys = tuple((table.lower(), _key(rows)) for table, rows in infos.items())
    on = _IndexesAndTriggers(
        objects, frozenset(infos).union(row.name for rows in infos.values() for row in rows)
    )
    tables = [_table(name, sql, infos[name], keys, on) for type_, name, _, sql in objects if type_ == "table"]
    return Schema(
        dialect=Dialect.SQLITE,
        tables=tuple(table for table in tables if not is_version_table(table.name)),
        views=tuple(_view(name, sql, connection, on) for type_, name, _, sql in objects if type_ == "view"),
        version_tables=tuple(table for table in tables if is_version_table(table.name)),
    )


class _IndexesAndTriggers:
    """The statements of indexes and triggers, by what they are on."""

    def __init__(self, objects: Iterable[tuple[Any, ...]], names: frozenset[str]) -> None:
        #: All names of tables and columns: SQLite's ALTER TABLE … RENAME quotes each it touches.
        self.names = names
        self.statements: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for type_, name, table, sql in objects:
            self.statements[type_, table.lower()].append((name, sql))

    def indexes(self, table: str, columns: frozenset[str]) -> tuple[Index, ...]:
        return tuple(_index(name, sql, columns) for name, sql in self.statements["index", table.lower()])

    def triggers(self, table: str) -> tuple[Definition, ...]:
        statements = self.statements["trigger", table.lower()]
        return tuple(Definition(name, _respelled(sql, self.names)) for name, sql in statements)


def _respelled(sql: str, names: frozenset[str]) -> str:
    return text_of(unquote(tokens_of(sql, brackets_quote=True), names))


def _key(rows: list[_Info]) -> tuple[str, ...]:
    return tuple(row.name for row in sorted(rows, key=lambda row: row.key) if row.key)


def _table(name: str, sql: str, rows: list[_Info], keys: Keys, on: _IndexesAndTriggers) -> Table:
    names = frozenset(row.name for row in rows)
    said = parse_table(sql, names, keys)
    alias = _counting_column(rows, said)
    return Table(
        name=name,
        columns=tuple(_column(row, said, row.name == alias) for row in rows if row.hidden != 1),
        primary_key=said.primary_key,
        uniques=_sorted(said.uniques),
        foreign_keys=_sorted(said.foreign_keys),
        checks=_sorted(said.checks),
        indexes=on.indexes(name, names),
        triggers=on.triggers(name),
        options=said.options,
    )


def _counting_column(rows: list[_Info], said: TableClauses) -> str | None:
    """Return the column that is the rowid, and so counts by itself."""
    key = [row for row in rows if row.key]
    if len(key) == 1 and key[0].type.upper() == "INTEGER" and "WITHOUT ROWID" not in said.options:
        return key[0].name
    return None


def _column(row: _Info, said: TableClauses, automatic: bool) -> Column:
    type_ = normalize_type(row.type)
    return Column(
        name=row.name,
        type=type_.removesuffix(" GENERATED ALWAYS"),
        nullable=not row.not_null and not automatic,
        default=normalize_default(row.default, type_) if row.default is not None else None,
        automatic=automatic,
        identity="AUTOINCREMENT" if automatic and said.counting else None,
        generated=said.generated.get(row.name),
        collation=said.collations.get(row.name),
    )


def _sorted(constraints: list[Constraint]) -> tuple[Constraint, ...]:
    return tuple(sorted(constraints, key=lambda one: (one.name or "", one.text)))


@functools.lru_cache(maxsize=512)
def _index(name: str, sql: str, columns: frozenset[str]) -> Index:
    tokens = tokens_of(sql, brackets_quote=True)
    on = next(place for place, token in enumerate(tokens) if token.keyword == "ON")
    text = text_of(unquote(tokens[on + 2 :], columns))
    return Index(name, text, unique=tokens[1].keyword == "UNIQUE")


def _view(name: str, sql: str, connection: sa.Connection, on: _IndexesAndTriggers) -> View:
    try:
        rows = connection.exec_driver_sql(_VIEW_COLUMNS, (name,)).all()
    except sqlalchemy.exc.OperationalError:
        rows = []  # it selects from what is no longer there
    columns = tuple(Column(column, normalize_type(type_), nullable=True) for column, type_ in rows)
    return View(name, columns, _body(sql, on.names), triggers=on.triggers(name))


def _body(sql: str, names: frozenset[str]) -> str:
    """Return the SELECT of a CREATE VIEW."""
    tokens = tokens_of(sql, brackets_quote=True)
    start = next(place for place, token in enumerate(tokens) if token.keyword == "AS")
    return text_of(unquote(tokens[start + 1 :], names))
