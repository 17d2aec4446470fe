"""What must be there before a snippet makes sense, and how is it built?

A draft grows while somebody finds out what the snippet needs; what it needs is never
taken away again, save for what turns out to be the snippet's own. Three rows stand in
each table: in an empty one too much works.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from migration_cookbook.databases.kinds import Kind
from migration_cookbook.verify.world import columns as typing_
from migration_cookbook.verify.world.columns import (
    DIALECTS,
    is_text,
    is_whole,
    quoted,
    sample,
    spelled,
    type_by_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.types import TypeEngine

#: Rows of the world begin here, so that a snippet's own `id = 1` stays free.
FIRST_ID = 101
ROWS = 3
TEXT = typing_.TEXT


class Sure(IntEnum):
    """How sure we are of a column's type."""

    BY_NAME = 0
    BY_USE = 1
    STATED = 2


@dataclass
class ColumnDraft:
    name: str
    type: TypeEngine[object] | str
    sure: Sure = Sure.BY_NAME
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
    unproved: list[tuple[str, str]] = field(default_factory=list)
    #: Ids that somebody refers to.
    ids: list[str] = field(default_factory=list)
    empty: bool = False

    def column(self, name: str) -> ColumnDraft:
        if name not in self.columns:
            self.columns[name] = ColumnDraft(name, type_by_name(name))
        return self.columns[name]

    def names(self) -> set[str]:
        """All constraints and indexes."""
        named = [name for name, _ in (*self.uniques, *self.checks, *self.unproved)]
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
        self, table: str, name: str, type_: TypeEngine[object] | str | None = None, sure: Sure = Sure.BY_USE
    ) -> ColumnDraft:
        """The column, with this type if nobody is surer of another."""
        column = self.table(table).column(name)
        if type_ is not None and sure >= column.sure:
            column.type, column.sure = type_, sure
        return column

    def signature(self) -> str:
        """Changes whenever the draft does."""
        return repr((self.tables, self.enums, self.schemas, self.extensions, self.others))

    def statements(self, kind: Kind) -> tuple[str, ...]:
        """What builds it on that database, rows and all."""
        if self.given is not None:
            return tuple(part for part in _split(self.given) if part)
        if kind is Kind.POSTGRES:
            return tuple(self._on_postgres())
        return tuple(self._on_sqlite())

    def _on_postgres(self) -> Iterator[str]:
        kind = Kind.POSTGRES
        self._agree(kind)
        self._typed_by_enums()
        yield from (f"CREATE SCHEMA {quote(name, kind)}" for name in self.schemas)
        yield from (f'CREATE EXTENSION IF NOT EXISTS "{name}"' for name in self.extensions)
        for name, labels in self.enums.items():
            yield f"CREATE TYPE {quote(name, kind)} AS ENUM ({', '.join(map(quoted, labels))})"
        for table in self.tables.values():
            yield _create(table, kind, keys=False)
            yield from self._rows(table, kind)
        for table in self.tables.values():
            name = quote(table.name, kind)
            yield from (f"ALTER TABLE {name} ADD {_foreign_key(key, kind)}" for key in table.foreign_keys)
            for label, text in table.unproved:
                yield f"ALTER TABLE {name} ADD CONSTRAINT {quote(label, kind)} {text} NOT VALID"
            yield from _indexes(table, kind)
        yield from self.others.values()

    def _on_sqlite(self) -> Iterator[str]:
        kind = Kind.SQLITE
        self._agree(kind)
        for table in self.tables.values():
            # SQLite's schemas are attached files: a table in one is nothing that could be there.
            if "." not in table.name:
                yield _create(table, kind, keys=True)
                yield from self._rows(table, kind)
                yield from _indexes(table, kind)
        for name, text in self.others.items():
            if name.startswith("view "):
                yield text

    def _agree(self, kind: Kind) -> None:
        """A key and what it refers to have one type, and what is referred to is unique."""
        for table in list(self.tables.values()):
            for key in table.foreign_keys:
                target = self.table(key.table)
                for name, other in zip(key.columns, key.targets, strict=False):
                    mine, theirs = table.column(name), target.column(other)
                    if mine.sure > theirs.sure:
                        theirs.type, theirs.sure = mine.type, mine.sure
                    else:
                        mine.type, mine.sure = theirs.type, theirs.sure
                    if "SERIAL" in spelled(mine.type, kind).upper():
                        mine.type = "INTEGER"
                if key.targets != (target.key or ("id",)) and (None, key.targets) not in target.uniques:
                    target.uniques.append((None, key.targets))

    def _typed_by_enums(self) -> None:
        """A column is of the enum type that is called like it: `role` of `user_role`, `shirt` of `shirt_size`."""
        for name, labels in self.enums.items():
            for table in self.tables.values():
                for column in table.columns.values():
                    if column.type == TEXT and _belongs(column.name, name):
                        used = column.literals - self.new_labels - set(labels)
                        column.type, column.sure = name, Sure.STATED
                        labels = self.enums[name] = (*labels, *sorted(used))

    def _rows(self, table: TableDraft, kind: Kind) -> Iterator[str]:
        if table.empty:
            return
        shown = [column for column in _columns(table).values() if column.values != ("GENERATED",)]
        if not shown:
            return
        names = ", ".join(quote(column.name, kind) for column in shown)
        rows = [
            "(" + ", ".join(self._value(table, column, row, kind) for column in shown) + ")"
            for row in range(1, ROWS + 1)
        ]
        rows += [
            "("
            + ", ".join(
                id_ if column.name == "id" else self._value(table, column, 4 + n, kind) for column in shown
            )
            + ")"
            for n, id_ in enumerate(table.ids)
        ]
        yield f"INSERT INTO {quote(table.name, kind)} ({names}) VALUES {', '.join(rows)}"

    def _value(self, table: TableDraft, column: ColumnDraft, row: int, kind: Kind) -> str:
        if column.values:
            return column.values[(row - 1) % len(column.values)]
        for key in table.foreign_keys:
            if column.name in key.columns:
                other = key.targets[key.columns.index(column.name)]
                target = self.table(key.table)
                if target is not table or other != column.name:
                    return self._value(target, _columns(target)[other], row, kind)
        type_ = spelled(column.type, kind)
        # Whatever a key refers to, the rows of all tables have the same ids.
        is_key = column.name == "id" or column.name.endswith("_id") or (column.name,) == table.key
        if is_key and is_whole(type_) and column.looks_like is None:
            return str(FIRST_ID - 1 + row)
        labels = getattr(column.type, "enums", None) or self.enums.get(type_) or ()
        looks_like = column.looks_like if column.looks_like and is_text(type_) else type_
        return sample(looks_like, column.name, row, kind, labels)


def _belongs(column: str, enum: str) -> bool:
    return column == enum or enum.startswith(f"{column}_") or enum.endswith(f"_{column}")


def quote(name: str, kind: Kind) -> str:
    """An identifier as it stands in SQL, its schema with it."""
    quote_one = DIALECTS[kind].identifier_preparer.quote
    return ".".join(quote_one(part) for part in name.split("."))


def _columns(table: TableDraft) -> dict[str, ColumnDraft]:
    """The columns, with the `id` that every table has by itself."""
    if table.key is not None or "id" in table.columns:
        return table.columns
    return {"id": ColumnDraft("id", "INTEGER"), **table.columns}


def _create(table: TableDraft, kind: Kind, *, keys: bool) -> str:
    key = ("id",) if table.key is None else table.key
    parts = [_column(column, key, kind) for column in _columns(table).values()]
    if key:
        label = f"CONSTRAINT {quote(table.key_name, kind)} " if table.key_name else ""
        parts.append(f"{label}PRIMARY KEY ({_names(key, kind)})")
    parts += [f"{_label(name, kind)}UNIQUE ({_names(names, kind)})" for name, names in table.uniques]
    parts += [f"{_label(name, kind)}CHECK ({condition})" for name, condition in table.checks]
    if keys:
        parts += [_foreign_key(one, kind) for one in table.foreign_keys]
    return f"CREATE TABLE {quote(table.name, kind)} ({', '.join(parts)})"


def _column(column: ColumnDraft, key: tuple[str, ...], kind: Kind) -> str:
    type_ = spelled(column.type, kind)
    if key == (column.name,) and kind is Kind.POSTGRES and column.default is None:
        type_ = {"INTEGER": "SERIAL", "BIGINT": "BIGSERIAL", "SMALLINT": "SMALLSERIAL"}.get(
            type_.upper(), type_
        )
    default = f" DEFAULT {column.default}" if column.default is not None else ""
    not_null = " NOT NULL" if column.not_null or column.name in key else ""
    return f"{quote(column.name, kind)} {type_}{default}{not_null}"


def _foreign_key(key: ForeignKey, kind: Kind) -> str:
    return (
        f"{_label(key.name, kind)}FOREIGN KEY ({_names(key.columns, kind)}) "
        f"REFERENCES {quote(key.table, kind)} ({_names(key.targets, kind)}){key.options}"
    )


def _indexes(table: TableDraft, kind: Kind) -> Iterator[str]:
    for name, (text, unique) in table.indexes.items():
        plain = text if kind is Kind.POSTGRES else _plain(text)
        yield f"CREATE {'UNIQUE ' if unique else ''}INDEX {quote(name, kind)} ON {quote(table.name, kind)} {plain}"


def _plain(text: str) -> str:
    """Without the method, which SQLite does not know."""
    return text[text.index("(") :] if text.startswith("USING") else text


def _label(name: str | None, kind: Kind) -> str:
    return f"CONSTRAINT {quote(name, kind)} " if name else ""


def _names(names: Iterable[str], kind: Kind) -> str:
    return ", ".join(quote(name, kind) for name in names)


def _split(text: str) -> list[str]:
    import postgast

    try:
        return [part.strip().rstrip(";") for part in postgast.split(text)]
    except postgast.PgQueryError:
        return [part.strip() for part in text.split(";")]
