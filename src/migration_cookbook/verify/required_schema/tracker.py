"""Track what the snippet has made by itself so far, which the required schema needn't have."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from migration_cookbook.verify.required_schema.draft import Confidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.types import TypeEngine

    from migration_cookbook.verify.required_schema.draft import ColumnDraft, Draft, TableDraft


@dataclass(frozen=True)
class Dropped:
    """A type or a table that is dropped by its own method."""

    element: Any


@dataclass
class SchemaTracker:
    """The draft, updated from the snippet's first line on.

    Things are asked for by the names that they have at this point of the snippet. `None`
    is the answer for what the snippet has made itself.
    """

    draft: Draft
    #: `table books`, `column books.isbn`, `index ix_books_isbn`, `type genre`, …
    made: set[str] = field(default_factory=set)
    #: Today's name of a table to the one it had at first.
    renamed: dict[str, str] = field(default_factory=dict)
    #: How things looked that the snippet drops: from its own way down.
    hints: Hints | None = None
    #: The same for columns: `books.name` to `title`.
    renamed_columns: dict[str, str] = field(default_factory=dict)
    #: Of the enum types that the snippet makes.
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: On the way down only tables and columns are assumed: what it drops must be what went up.
    down: bool = False

    def original(self, table: str) -> str:
        return self.renamed.get(table, table)

    def table(self, name: str) -> TableDraft | None:
        name = self.original(name)
        if f"table {name}" in self.made or name.startswith(("pg_", "information_schema.", "sqlite_")):
            return None
        new = name not in self.draft.tables
        table = self.draft.table(name)
        if new and self.hints is not None:
            self.hints.describe(table, self.draft)
        return table

    def column(
        self,
        table: str,
        name: str,
        type_: TypeEngine[object] | str | None = None,
        confidence: Confidence = Confidence.FROM_USAGE,
    ) -> ColumnDraft | None:
        found = self.table(table)
        if found is None:
            return None
        name = self.renamed_columns.get(f"{found.name}.{name}", name)
        if f"column {found.name}.{name}" in self.made:
            return None
        new = name not in found.columns
        # The way down speaks of columns as they are then.
        column = self.draft.column(found.name, name, None if self.down and not new else type_, confidence)
        if new and self.hints is not None:
            self.hints.describe_column(found.name, column)
        return column

    def make(self, what: str) -> None:
        self.made.add(what)

    def makes_column(self, table: str, name: str) -> None:
        self.made.add(f"column {self.original(table)}.{name}")

    def rename_column(self, table: str, old: str, new: str) -> None:
        """From here on `new` is what the schema calls `old`."""
        name = self.original(table)
        if f"column {name}.{old}" in self.made:
            self.made.add(f"column {name}.{new}")
        else:
            self.renamed_columns[f"{name}.{new}"] = self.renamed_columns.pop(f"{name}.{old}", old)

    def has_made(self, what: str) -> bool:
        return what in self.made

    def rename_table(self, old: str, new: str) -> None:
        self.renamed[new] = self.original(old)
        if f"table {self.original(old)}" in self.made:
            self.made.add(f"table {new}")


@dataclass(frozen=True)
class Hints:
    """What a snippet's way down says of the things that its way up takes away.

    Each trial of the snippet reads the same hints, so a draft gets copies of what they hold.
    """

    tables: Mapping[str, TableDraft] = field(default_factory=dict)
    columns: Mapping[str, ColumnDraft] = field(default_factory=dict)
    #: By name: the index's text and whether it is unique.
    indexes: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    #: By name: kind and what a draft of it holds.
    constraints: Mapping[str, tuple[str, object]] = field(default_factory=dict)
    #: Enum types that the way down makes.
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, MappingProxyType(dict(getattr(self, each.name))))

    def describe(self, table: TableDraft, draft: Draft) -> None:
        """The table as the way down will make it again."""
        hint = self.tables.get(table.name)
        if hint is None:
            return
        for name, column in hint.columns.items():
            table.columns[name] = replace(column, literals=set(column.literals))
        table.key, table.key_name = hint.key, hint.key_name
        table.uniques, table.checks = list(hint.uniques), list(hint.checks)
        table.foreign_keys = list(hint.foreign_keys)
        table.indexes.update({name: one for name, one in hint.indexes.items() if name not in table.indexes})
        for key in table.foreign_keys:
            draft.table(key.table)

    def describe_column(self, table: str, column: ColumnDraft) -> None:
        """The column as the way down will add it again."""
        hint = self.columns.get(f"{table}.{column.name}")
        if hint is not None and hint.confidence >= column.confidence:
            column.type, column.confidence = hint.type, hint.confidence
            column.default, column.not_null = hint.default, hint.not_null
            column.comment = hint.comment
