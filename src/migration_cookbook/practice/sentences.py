"""How do two states of a database differ, in words that a learner uses?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migration_cookbook import schema as schemas
from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.practice.attempt import Rows, State
    from migration_cookbook.schema import Column, Constraint, Index, Schema, Table


def differences(wanted: State, found: State, names: frozenset[str], leftover: str) -> Iterator[str]:
    """What is another than it should be, the most telling first.

    `names` are those of constraints and indexes that matter; of all others only the
    content counts. `leftover` says what is wrong with a thing that should not be there.
    """
    # What is missing is nearer to the task than what is too much.
    said = _tables(_one_word_for_now(wanted.schema), _one_word_for_now(found.schema), names, leftover)
    yield from sorted(said, key=lambda sentence: sentence.endswith(leftover))
    yield from _others(wanted.schema, found.schema, leftover)
    for table in wanted.schema.tables:
        if table.name in found.rows:
            yield from _row_differences(table, wanted.rows[table.name], found.rows[table.name])


def _one_word_for_now(schema: Schema) -> Schema:
    """To PostgreSQL, CURRENT_TIMESTAMP and now() are the same default, and either is a right answer."""
    if schema.dialect is not Dialect.POSTGRES:
        return schema
    return replace(schema, tables=tuple(_with_now(table) for table in schema.tables))


def _with_now(table: Table) -> Table:
    columns = (
        replace(column, default="now()") if column.default == "CURRENT_TIMESTAMP" else column
        for column in table.columns
    )
    return replace(table, columns=tuple(columns))


def _tables(wanted: Schema, found: Schema, names: frozenset[str], leftover: str) -> Iterator[str]:
    for table in sorted(wanted.tables, key=lambda one: len(one.foreign_keys)):
        if found.table(table.name) is None:
            yield f"the table `{table.name}` is missing"
    for table in wanted.tables:
        if (other := found.table(table.name)) is not None:
            yield from _table(table, other, names, leftover)
    for table in found.tables:
        if wanted.table(table.name) is None:
            yield f"the table `{table.name}` {leftover}"


def _table(wanted: Table, found: Table, names: frozenset[str], leftover: str) -> Iterator[str]:
    missing = [column for column in wanted.columns if found.column(column.name) is None]
    extra = [column for column in found.columns if wanted.column(column.name) is None]
    for column in missing:
        yield f"`{wanted.name}.{column.name}` is missing"
    for column in wanted.columns:
        if (other := found.column(column.name)) is not None:
            yield from _column(f"`{wanted.name}.{column.name}`", column, other)
    for column in extra:
        yield f"`{wanted.name}.{column.name}` {leftover}"
    yield from _constraints(wanted, found, names, leftover)
    yield from _indexes(wanted, found, names, leftover)
    # What has no sentence of its own above.
    rest = [_bare(table) for table in (wanted, found)]
    for change in schemas.difference(*(_alone(table) for table in rest)):
        yield _other(change, leftover)


def _column(name: str, wanted: Column, found: Column) -> Iterator[str]:
    if found.type != wanted.type:
        yield f"{name} is {found.type or 'without a type'}; it should be {wanted.type or 'without one'}"
    if found.nullable and not wanted.nullable:
        yield f"{name} may be NULL; it should be NOT NULL"
    if wanted.nullable and not found.nullable:
        yield f"{name} is NOT NULL; it should allow NULL"
    if found.automatic != wanted.automatic:
        yield f"{name} {'should not' if found.automatic else 'should'} count by itself"
    elif found.identity != wanted.identity:
        yield f"{name} counts by {found.identity or 'a sequence'}; it should by {wanted.identity or 'a sequence'}"
    for what, one, other in (
        ("default", found.default, wanted.default),
        ("expression", found.generated, wanted.generated),
        ("collation", found.collation, wanted.collation),
        ("comment", found.comment, wanted.comment),
    ):
        if one == other:
            continue
        if one is None:
            yield f"{name} has no {what}; it should have {'one' if what == 'default' else other}"
        else:
            yield f"{name} has the {what} {one}; it should {f'be {other}' if other is not None else 'have none'}"


def _constraints(wanted: Table, found: Table, names: frozenset[str], leftover: str) -> Iterator[str]:
    ours, theirs = constraints(wanted), constraints(found)
    left = list(theirs)
    missing = []
    for one in ours:
        same = [other for other in left if other.text == one.text]
        match = next((other for other in same if other.name == one.name), same[0] if same else None)
        if match is None:
            missing.append(one)
            continue
        left.remove(match)
        if one.name in names and match.name != one.name:
            yield f"`{one.text}` of `{wanted.name}` {_called(match.name)}; it should be called `{one.name}`"
    for one in missing:
        yield f"`{wanted.name}` lacks `{one.text}`"
    for other in left:
        yield f"`{other.text}` of `{wanted.name}` {leftover}"


def _called(name: str | None) -> str:
    return f"is called `{name}`" if name else "has no name"


def constraints(table: Table) -> tuple[Constraint, ...]:
    """All constraints of a table, the primary key first."""
    key = (table.primary_key,) if table.primary_key else ()
    return (*key, *table.uniques, *table.foreign_keys, *table.checks, *table.exclusions)


def _indexes(wanted: Table, found: Table, names: frozenset[str], leftover: str) -> Iterator[str]:
    left = list(found.indexes)
    missing: list[Index] = []
    for one in wanted.indexes:
        same = [other for other in left if other.text == one.text]
        match = next((other for other in same if other.name == one.name), same[0] if same else None)
        if match is None:
            missing.append(one)
            continue
        left.remove(match)
        if match.unique != one.unique:
            yield f"the index of `{wanted.name}` on {one.text} {'is' if match.unique else 'is not'} unique; it should {'not be' if match.unique else 'be'}"
        if not match.valid:
            yield f"the index of `{wanted.name}` on {one.text} is invalid: its building failed"
        if one.name in names and match.name != one.name:
            yield f"the index of `{wanted.name}` on {one.text} is called `{match.name}`; it should be called `{one.name}`"
    for one in missing:
        unique = "a unique index" if one.unique else "an index"
        yield f"`{wanted.name}` lacks {unique} on {one.text}"
    for other in left:
        yield f"the index `{other.name}` of `{wanted.name}` {leftover}"


def _bare(table: Table) -> Table:
    return replace(
        table,
        columns=(),
        primary_key=None,
        uniques=(),
        foreign_keys=(),
        checks=(),
        exclusions=(),
        indexes=(),
    )


def _alone(table: Table) -> Schema:
    return schemas.Schema(Dialect.POSTGRES, tables=(table,))


def _others(wanted: Schema, found: Schema, leftover: str) -> Iterator[str]:
    """Views, types, sequences and the like."""
    for change in schemas.difference(*(replace(each, tables=()) for each in (wanted, found))):
        # A sequence that belongs to a column is told with it.
        if change.subject.startswith("sequence ") and ", of " in change.detail:
            continue
        yield _other(change, leftover)


def _other(change: schemas.Change, leftover: str) -> str:
    kind, _, name = change.subject.partition(" ")
    subject = f"the {kind} `{name}`" if " on " not in name else f"the {change.subject}"
    if change.sign == "-":
        return f"{subject} is missing"
    return f"{subject} {leftover}" if change.sign == "+" else f"{subject} is another than it should be"


def _row_differences(table: Table, wanted: Rows, found: Rows) -> Iterator[str]:
    key = [name for name in (table.primary_key.columns if table.primary_key else ()) if name in found.columns]
    if not key:
        yield from _rows_without_key(table, wanted, found)
        return
    ours, theirs = ({_key(row, key): row for row in _named(rows)} for rows in (wanted, found))
    if any(one not in theirs for one in ours):
        yield f"rows of `{table.name}` are gone"
    if any(one not in ours for one in theirs):
        yield f"`{table.name}` holds rows that should not be there"
    for one, row in ours.items():
        for name, value in row.items():
            if one in theirs and name in found.columns and theirs[one][name] != value:
                where = " and ".join(f"`{part}` is {_shown(row[part])}" for part in key)
                yield (
                    f"`{table.name}.{name}` holds {_shown(theirs[one][name])} where {where}; "
                    f"it should hold {_shown(value)}"
                )


def _rows_without_key(table: Table, wanted: Rows, found: Rows) -> Iterator[str]:
    common = [name for name in wanted.columns if name in found.columns]
    ours, theirs = (sorted(str(_key(row, common)) for row in _named(rows)) for rows in (wanted, found))
    if ours != theirs:
        yield f"the rows of `{table.name}` are others than they should be"


def _named(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.values]


def _key(row: dict[str, Any], names: list[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _shown(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else str(value)
