"""The changes between two reads of a schema, in words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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

#: Longer definitions are cut, or only said to be another one.
_WIDTH = 100


@dataclass(frozen=True)
class Change:
    #: "+" is there now, "-" is gone, "~" is another.
    sign: str
    #: `books.language`, `index ix_books_title on books`, `table books`
    subject: str
    #: `VARCHAR(2) NOT NULL, default 'en'`, or `VARCHAR(100) -> TEXT`
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.subject}" + (f": {self.detail}" if self.detail else "")


def difference(before: Schema, after: Schema) -> tuple[Change, ...]:
    """Return each change on its own; what's inside a new or dropped table isn't named again."""
    return tuple(_differences(before, after))


def fingerprint(schema: Schema) -> str:
    """Return a text that's equal if and only if nothing changed; Alembic's own table doesn't count."""
    return hashlib.sha256(repr(replace(schema, version_tables=())).encode()).hexdigest()


class _Named(Protocol):
    @property
    def name(self) -> str | None: ...


_Part = TypeVar("_Part")
_NamedPart = TypeVar("_NamedPart", bound=_Named)


def _differences(before: Schema, after: Schema) -> Iterator[Change]:
    yield from _named(before.extensions, after.extensions, "extension {}", lambda one: f"version {one.text}")
    yield from _parts(_own(before.namespaces), _own(after.namespaces), "schema {}".format, lambda name: "")
    yield from _named(before.types, after.types, "type {}", _type, _type_change)
    yield from _sequences(before, after)
    yield from _named(before.functions, after.functions, "function {}", lambda one: "", _rewritten)
    yield from _tables(before, after)
    yield from _views(before, after)


def _parts(
    before: dict[str, _Part],
    after: dict[str, _Part],
    subject: Callable[[str], str],
    detail: Callable[[_Part], str],
    change: Callable[[_Part, _Part], str] | None = None,
) -> Iterator[Change]:
    """Yield what is gone, then what is new or another, in the order of now."""
    for key, part in before.items():
        if key not in after:
            yield Change("-", subject(key), detail(part))
    for key, part in after.items():
        if key not in before:
            yield Change("+", subject(key), detail(part))
        elif before[key] != part:
            words = change(before[key], part) if change else f"{detail(before[key])} -> {detail(part)}"
            yield Change("~", subject(key), words)


def _named(
    before: Iterable[_NamedPart],
    after: Iterable[_NamedPart],
    subject: str,
    detail: Callable[[_NamedPart], str],
    change: Callable[[_NamedPart, _NamedPart], str] | None = None,
) -> Iterator[Change]:
    return _parts(_by_name(before), _by_name(after), subject.format, detail, change)


def _by_name(parts: Iterable[_NamedPart]) -> dict[str, _NamedPart]:
    return {part.name or "": part for part in parts}


def _own(names: Iterable[str]) -> dict[str, str]:
    return {name: name for name in names}


def _type(one: Type) -> str:
    return f"{one.kind} ({_values(one)})"


def _type_change(before: Type, after: Type) -> str:
    return (
        f"{_values(before)} -> {_values(after)}"
        if before.kind == after.kind
        else f"{_type(before)} -> {_type(after)}"
    )


def _values(one: Type) -> str:
    return ", ".join(repr(value) if one.kind == "enum" else value for value in one.values)


def _sequences(before: Schema, after: Schema) -> Iterator[Change]:
    """Yield the changes of sequences; those that came, went or moved with their column are in the column's."""
    old, new = _by_name(before.sequences), _by_name(after.sequences)
    for name in [*old, *new]:
        one, other = old.get(name), new.get(name)
        lonely = one or other
        if one and other and one.text == other.text and one.owner and other.owner:
            new[name] = one
        elif lonely and not (one and other) and _moved(lonely, before, after):
            old.pop(name, None)
            new.pop(name, None)
    yield from _parts(old, new, "sequence {}".format, _sequence)


def _moved(sequence: Sequence, before: Schema, after: Schema) -> bool:
    if sequence.owner is None:
        return False
    table, _, column = sequence.owner.rpartition(".")
    return _column_of(before, table, column) != _column_of(after, table, column)


def _column_of(schema: Schema, table: str, column: str) -> Column | None:
    found = schema.table(table)
    return found.column(column) if found else None


def _sequence(one: Sequence) -> str:
    return one.text + (f", of {one.owner}" if one.owner else "")


def _tables(before: Schema, after: Schema) -> Iterator[Change]:
    old, new = _by_name(before.tables), _by_name(after.tables)
    for name, table in old.items():
        if name not in new:
            yield Change("-", f"table {name}", _columns(table))
    for name, table in new.items():
        if name not in old:
            yield Change("+", f"table {name}", _columns(table))
        else:
            yield from _table(old[name], table)


def _columns(table: Table) -> str:
    return ", ".join(f"{column.name} {column.type}".strip() for column in table.columns)


def _table(before: Table, after: Table) -> Iterator[Change]:
    name = after.name
    if before == after:
        return
    if before.options != after.options:
        words = f"options {', '.join(before.options) or 'none'} -> {', '.join(after.options) or 'none'}"
        yield Change("~", f"table {name}", words)
    if before.comment != after.comment:
        yield Change("~", f"table {name}", _optional("comment", before.comment, after.comment))
    yield from _named(
        before.columns, after.columns, name + ".{}", lambda one: one.description, _column_change
    )
    yield from _order(before, after)
    for kind, old, new in _constraints(before, after):
        yield from _constraint_changes(kind, name, old, new)
    yield from _on_relation(before, after)
    yield from _named(before.policies, after.policies, "policy {} on " + name, _line, _rewritten)


def _order(before: Table, after: Table) -> Iterator[Change]:
    """Yield a change if the columns that stayed are in another order now."""
    stayed = [column.name for column in before.columns if after.column(column.name)]
    now = [column.name for column in after.columns if before.column(column.name)]
    if stayed != now:
        yield Change("~", f"order of columns in {after.name}", f"{', '.join(stayed)} -> {', '.join(now)}")


def _column_change(before: Column, after: Column) -> str:
    words = []
    if before.type != after.type:
        words.append(f"{before.type or 'no type'} -> {after.type or 'no type'}")
    if before.nullable != after.nullable:
        words.append("NOT NULL -> NULL" if after.nullable else "NULL -> NOT NULL")
    if (before.automatic, before.identity) != (after.automatic, after.identity):
        words.append(f"{_automatic(before)} -> {_automatic(after)}")
    for what, one, other in (
        ("default", before.default, after.default),
        ("generated as", before.generated, after.generated),
        ("collation", before.collation, after.collation),
        ("comment", before.comment, after.comment),
    ):
        if one != other:
            words.append(_optional(what, one, other))
    return ", ".join(words)


def _automatic(column: Column) -> str:
    if not column.automatic:
        return "not automatic"
    return f"automatic ({column.identity})" if column.identity else "automatic"


def _optional(what: str, before: str | None, after: str | None) -> str:
    absent = "not generated" if what == "generated as" else f"no {what}"
    if before is None:
        return f"{absent} -> {what} {after}"
    if after is None:
        return f"{what} {before} -> {absent}"
    return f"{what} {before} -> {after}"


def _constraints(
    before: Table, after: Table
) -> Iterator[tuple[str, tuple[Constraint, ...], tuple[Constraint, ...]]]:
    yield "primary key", _one(before.primary_key), _one(after.primary_key)
    yield "unique", before.uniques, after.uniques
    yield "foreign key", before.foreign_keys, after.foreign_keys
    yield "check", before.checks, after.checks
    yield "exclusion", before.exclusions, after.exclusions


def _one(constraint: Constraint | None) -> tuple[Constraint, ...]:
    return (constraint,) if constraint else ()


def _constraint_changes(
    kind: str, table: str, before: tuple[Constraint, ...], after: tuple[Constraint, ...]
) -> Iterator[Change]:
    """Yield the changes of constraints; those without a name are known by their text."""
    old = {one.name or one.text: one for one in before}
    new = {one.name or one.text: one for one in after}
    nameless = {one.text for one in (*before, *after) if one.name is None}

    def subject(key: str) -> str:
        return f"{kind} on {table}" if key in nameless else f"{kind} {key} on {table}"

    yield from _parts(old, new, subject, lambda one: one.text)


def _on_relation(before: Table | View, after: Table | View) -> Iterator[Change]:
    name = after.name
    yield from _named(before.indexes, after.indexes, "index {} on " + name, _index)
    yield from _named(before.triggers, after.triggers, "trigger {} on " + name, _line, _rewritten)


def _index(one: Index) -> str:
    return one.description


def _views(before: Schema, after: Schema) -> Iterator[Change]:
    old, new = _by_name(before.views), _by_name(after.views)
    for name, view in old.items():
        if name not in new or new[name].materialized != view.materialized:
            yield Change("-", _view(view), _view_columns(view))
    for name, view in new.items():
        if name not in old or old[name].materialized != view.materialized:
            yield Change("+", _view(view), _view_columns(view))
        elif old[name] != view:
            yield from _view_changes(old[name], view)


def _view_changes(before: View, after: View) -> Iterator[Change]:
    if before.columns != after.columns:
        yield Change("~", _view(after), f"{_view_columns(before)} -> {_view_columns(after)}")
    elif before.text != after.text:
        yield Change("~", _view(after), _rewritten(before, after))
    if before.comment != after.comment:
        yield Change("~", _view(after), _optional("comment", before.comment, after.comment))
    yield from _on_relation(before, after)


def _view(view: View) -> str:
    return f"materialized view {view.name}" if view.materialized else f"view {view.name}"


def _view_columns(view: View) -> str:
    return ", ".join(f"{column.name} {column.type}".strip() for column in view.columns) or "broken"


def _line(one: Definition | View) -> str:
    text = " ".join(one.text.split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 2].rstrip() + " …"


def _rewritten(before: Definition | View, after: Definition | View) -> str:
    words = f"{' '.join(before.text.split())} -> {' '.join(after.text.split())}"
    return words if len(words) <= _WIDTH else "another definition"
