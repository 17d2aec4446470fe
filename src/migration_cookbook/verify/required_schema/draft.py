"""A draft of the schema that a snippet requires.

A draft grows while somebody finds out what the snippet needs; what it needs is never
taken away again, save for what turns out to be the snippet's own. Each table has three
rows: in an empty one too much works.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from migration_cookbook.verify.required_schema import columns as typing_
from migration_cookbook.verify.required_schema.columns import (
    type_by_name,
)

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

#: The assumed rows begin here, so that a snippet's own `id = 1` stays free.
FIRST_ID = 101
ROWS = 3
TEXT = typing_.TEXT


class Confidence(IntEnum):
    """How sure we are of a column's type."""

    FROM_NAME = 0
    FROM_USAGE = 1
    DECLARED = 2


@dataclass
class ColumnDraft:
    name: str
    type: TypeEngine[object] | str
    confidence: Confidence = Confidence.FROM_NAME
    not_null: bool = False
    #: SQL.
    default: str | None = None
    #: What the values look like, where that is more than the type says: text that can become a number.
    looks_like: str | None = None
    #: Literals to take instead of samples.
    values: tuple[str, ...] = ()
    comment: str | None = None
    #: Texts that the snippet compares it with or sets it to.
    literals: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class ForeignKey:
    name: str | None
    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    options: str = ""


@dataclass
class TableDraft:
    name: str
    columns: dict[str, ColumnDraft] = field(default_factory=dict)
    #: None: an `id` that counts by itself. Empty: none at all.
    key: tuple[str, ...] | None = None
    key_name: str | None = None
    #: Name or None, and the columns.
    uniques: list[tuple[str | None, tuple[str, ...]]] = field(default_factory=list)
    #: Name and condition.
    checks: list[tuple[str | None, str]] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    #: Name to what follows the table's name.
    indexes: dict[str, tuple[str, bool]] = field(default_factory=dict)
    #: NOT VALID constraints, which only PostgreSQL has.
    not_valid: list[tuple[str, str]] = field(default_factory=list)
    #: Ids that somebody refers to.
    ids: list[str] = field(default_factory=list)
    empty: bool = False

    def column(self, name: str) -> ColumnDraft:
        if name not in self.columns:
            self.columns[name] = ColumnDraft(name, type_by_name(name))
        return self.columns[name]

    def names(self) -> set[str]:
        """All constraints and indexes."""
        named = [name for name, _ in (*self.uniques, *self.checks, *self.not_valid)]
        return {
            *(name for name in named if name),
            *(key.name for key in self.foreign_keys if key.name),
            *self.indexes,
            *([self.key_name] if self.key_name else []),
        }


@dataclass
class Draft:
    """What a snippet needs, as far as it is known."""

    tables: dict[str, TableDraft] = field(default_factory=dict)
    #: Labels by name, on PostgreSQL.
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)
    schemas: list[str] = field(default_factory=list)
    extensions: list[str] = field(default_factory=list)
    #: Built last, by `CREATE …` statements of PostgreSQL: sequences, functions, views, triggers.
    others: dict[str, str] = field(default_factory=dict)
    #: Labels that the snippet adds to an enum type.
    new_labels: set[str] = field(default_factory=set)
    #: What the author states, instead of all else.
    given: str | None = None

    def table(self, name: str) -> TableDraft:
        """The table, drafted if it is new; `audit.log` brings its schema with it."""
        if name not in self.tables:
            self.tables[name] = TableDraft(name)
            schema, dot, _ = name.rpartition(".")
            if dot and schema not in (*self.schemas, "public", "pg_catalog", "information_schema"):
                self.schemas.append(schema)
        return self.tables[name]

    def column(
        self,
        table: str,
        name: str,
        type_: TypeEngine[object] | str | None = None,
        confidence: Confidence = Confidence.FROM_USAGE,
    ) -> ColumnDraft:
        """The column, with this type if nobody is surer of another."""
        column = self.table(table).column(name)
        if type_ is not None and confidence >= column.confidence:
            column.type, column.confidence = type_, confidence
        return column

    def signature(self) -> str:
        """Changes whenever the draft does."""
        return repr((self.tables, self.enums, self.schemas, self.extensions, self.others))
