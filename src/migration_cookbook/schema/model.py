"""A schema as a value.

Two reads of the same database are equal; all texts are spelled so that SQLite's and
PostgreSQL's are the same where they say the same. PostgreSQL's objects outside `public`
carry their schema in their name.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration_cookbook.databases.dialects import Dialect

#: Alembic's own table: kept apart, since it changes with each migration.
VERSION_TABLE = "alembic_version"


@dataclass(frozen=True)
class Column:
    name: str
    #: As in `VARCHAR(200)`; types of the user's own keep their own name.
    type: str
    nullable: bool
    default: str | None = None
    #: The database counts by itself: SERIAL, IDENTITY, SQLite's INTEGER PRIMARY KEY, nextval().
    automatic: bool = False
    #: ALWAYS or BY DEFAULT for PostgreSQL's identity columns, AUTOINCREMENT on SQLite.
    identity: str | None = None
    #: The expression, then STORED or VIRTUAL.
    generated: str | None = None
    collation: str | None = None
    comment: str | None = None

    @property
    def description(self) -> str:
        """All that is known of it but its name, in one line."""
        parts = [f"{self.type} NOT NULL" if not self.nullable else self.type]
        if self.automatic:
            parts.append(f"automatic ({self.identity})" if self.identity else "automatic")
        if self.default is not None:
            parts.append(f"default {self.default}")
        if self.generated is not None:
            parts.append(f"generated as {self.generated}")
        if self.collation is not None:
            parts.append(f"collation {self.collation}")
        if self.comment is not None:
            parts.append(f"comment {self.comment!r}")
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Constraint:
    #: SQLite's constraints may have none.
    name: str | None
    #: As in `UNIQUE (isbn)` or `FOREIGN KEY (author_id) REFERENCES authors(id) ON DELETE CASCADE`.
    text: str
    #: The columns of this table that it is about; of a check only where the database knows them.
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    name: str
    #: What follows the table's name: `(title)`, `USING gin (tags)`, `(price) WHERE price > 0`.
    text: str
    unique: bool = False
    #: False after a failed CREATE INDEX CONCURRENTLY.
    valid: bool = True

    @property
    def description(self) -> str:
        unique = "UNIQUE " if self.unique else ""
        return f"{unique}{self.text}" + ("" if self.valid else ", INVALID")


@dataclass(frozen=True)
class Definition:
    """Something that has a name and a text, and no more that we look into."""

    name: str
    text: str


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    primary_key: Constraint | None = None
    uniques: tuple[Constraint, ...] = ()
    foreign_keys: tuple[Constraint, ...] = ()
    checks: tuple[Constraint, ...] = ()
    exclusions: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Definition, ...] = ()
    policies: tuple[Definition, ...] = ()
    #: `STRICT`, `UNLOGGED`, `PARTITION BY RANGE (sold_on)` and the like.
    options: tuple[str, ...] = ()
    comment: str | None = None

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class View:
    name: str
    #: Empty when the view is broken, as SQLite allows.
    columns: tuple[Column, ...]
    text: str
    materialized: bool = False
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Definition, ...] = ()
    comment: str | None = None


@dataclass(frozen=True)
class Type:
    name: str
    #: enum, domain, composite or range.
    kind: str
    #: An enum's labels, a composite's fields, a domain's or range's type and checks.
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sequence:
    name: str
    text: str
    #: `books.id` where it belongs to a column that counts by itself.
    owner: str | None = None


@dataclass(frozen=True)
class Schema:
    dialect: Dialect
    tables: tuple[Table, ...] = ()
    views: tuple[View, ...] = ()
    types: tuple[Type, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    #: Named with their arguments: `total(integer, numeric)`.
    functions: tuple[Definition, ...] = ()
    #: Installed extensions; the text is the version.
    extensions: tuple[Definition, ...] = ()
    #: PostgreSQL's schemas but `public`.
    namespaces: tuple[str, ...] = ()
    #: Alembic's own, one for each schema that has one; no part of the shown schema.
    version_tables: tuple[Table, ...] = ()

    @property
    def enums(self) -> tuple[Type, ...]:
        return tuple(one for one in self.types if one.kind == "enum")

    def table(self, name: str) -> Table | None:
        """Return the table of this name, `alembic_version` too."""
        every = itertools.chain(self.tables, self.version_tables)
        return next((table for table in every if table.name == name), None)

    def view(self, name: str) -> View | None:
        return next((view for view in self.views if view.name == name), None)


def is_version_table(name: str) -> bool:
    return name.rpartition(".")[2] == VERSION_TABLE
