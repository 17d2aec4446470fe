"""Differences between two states of a database, in words that a learner uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migration_cookbook import schema as schemas
from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.practice.attempt import DatabaseState, Rows
    from migration_cookbook.schema import Column, Constraint, Index, Schema, Table


def differences(
    expected: DatabaseState, actual: DatabaseState, names: frozenset[str], leftover: str
) -> Iterator[str]:
    """Yield a sentence for each difference, most relevant first.

    `names` are those of constraints and indexes that matter; of all others only the
    content counts. `leftover` says what is wrong with a thing that should not be there.
    """
    # What is missing is nearer to the task than what is too much.
    sentences = _tables(
        _with_one_spelling(expected.schema), _with_one_spelling(actual.schema), names, leftover
    )
    yield from sorted(sentences, key=lambda sentence: sentence.endswith(leftover))
    yield from _other_objects(expected.schema, actual.schema, leftover)
    for table in expected.schema.tables:
        if table.name in actual.rows:
            yield from _row_differences(table, expected.rows[table.name], actual.rows[table.name])


def _with_one_spelling(schema: Schema) -> Schema:
    """Spell the default `now()` in one way: to PostgreSQL, CURRENT_TIMESTAMP is the same, and either is right."""
    if schema.dialect is not Dialect.POSTGRES:
        return schema
    return replace(schema, tables=tuple(_with_now(table) for table in schema.tables))


def _with_now(table: Table) -> Table:
    columns = (
        replace(column, default="now()") if column.default == "CURRENT_TIMESTAMP" else column
        for column in table.columns
    )
    return replace(table, columns=tuple(columns))


def _tables(expected: Schema, actual: Schema, names: frozenset[str], leftover: str) -> Iterator[str]:
    for table in sorted(expected.tables, key=lambda one: len(one.foreign_keys)):
        if actual.table(table.name) is None:
            yield f"the table `{table.name}` is missing"
    for table in expected.tables:
        if (other := actual.table(table.name)) is not None:
            yield from _table(table, other, names, leftover)
    for table in actual.tables:
        if expected.table(table.name) is None:
            yield f"the table `{table.name}` {leftover}"


def _table(expected: Table, actual: Table, names: frozenset[str], leftover: str) -> Iterator[str]:
    missing = [column for column in expected.columns if actual.column(column.name) is None]
    extra = [column for column in actual.columns if expected.column(column.name) is None]
    for column in missing:
        yield f"`{expected.name}.{column.name}` is missing"
    for column in expected.columns:
        if (other := actual.column(column.name)) is not None:
            yield from _column(f"`{expected.name}.{column.name}`", column, other)
    for column in extra:
        yield f"`{expected.name}.{column.name}` {leftover}"
    yield from _constraints(expected, actual, names, leftover)
    yield from _indexes(expected, actual, names, leftover)
    # What has no sentence of its own above.
    rest = [_without_described_parts(table) for table in (expected, actual)]
    for change in schemas.difference(*(_schema_of(table) for table in rest)):
        yield _describe(change, leftover)


def _column(name: str, expected: Column, actual: Column) -> Iterator[str]:
    if actual.type != expected.type:
        yield f"{name} is {actual.type or 'without a type'}; it should be {expected.type or 'without one'}"
    if actual.nullable and not expected.nullable:
        yield f"{name} may be NULL; it should be NOT NULL"
    if expected.nullable and not actual.nullable:
        yield f"{name} is NOT NULL; it should allow NULL"
    if actual.automatic != expected.automatic:
        yield f"{name} {'should not' if actual.automatic else 'should'} count by itself"
    elif actual.identity != expected.identity:
        yield f"{name} counts by {actual.identity or 'a sequence'}; it should by {expected.identity or 'a sequence'}"
    for what, one, other in (
        ("default", actual.default, expected.default),
        ("expression", actual.generated, expected.generated),
        ("collation", actual.collation, expected.collation),
        ("comment", actual.comment, expected.comment),
    ):
        if one == other:
            continue
        if one is None:
            yield f"{name} has no {what}; it should have {'one' if what == 'default' else other}"
        else:
            yield f"{name} has the {what} {one}; it should {f'be {other}' if other is not None else 'have none'}"


def _constraints(expected: Table, actual: Table, names: frozenset[str], leftover: str) -> Iterator[str]:
    left = list(constraints(actual))
    missing = []
    for one in constraints(expected):
        same = [other for other in left if other.text == one.text]
        match = next((other for other in same if other.name == one.name), same[0] if same else None)
        if match is None:
            missing.append(one)
            continue
        left.remove(match)
        if one.name in names and match.name != one.name:
            yield f"`{one.text}` of `{expected.name}` {_name_phrase(match.name)}; it should be called `{one.name}`"
    for one in missing:
        yield f"`{expected.name}` lacks `{one.text}`"
    for other in left:
        yield f"`{other.text}` of `{expected.name}` {leftover}"


def _name_phrase(name: str | None) -> str:
    return f"is called `{name}`" if name else "has no name"


def constraints(table: Table) -> tuple[Constraint, ...]:
    """Return all constraints of a table, the primary key first."""
    key = (table.primary_key,) if table.primary_key else ()
    return (*key, *table.uniques, *table.foreign_keys, *table.checks, *table.exclusions)


def _indexes(expected: Table, actual: Table, names: frozenset[str], leftover: str) -> Iterator[str]:
    left = list(actual.indexes)
    missing: list[Index] = []
    for one in expected.indexes:
        same = [other for other in left if other.text == one.text]
        match = next((other for other in same if other.name == one.name), same[0] if same else None)
        if match is None:
            missing.append(one)
            continue
        left.remove(match)
        if match.unique != one.unique:
            yield f"the index of `{expected.name}` on {one.text} {'is' if match.unique else 'is not'} unique; it should {'not be' if match.unique else 'be'}"
        if not match.valid:
            yield f"the index of `{expected.name}` on {one.text} is invalid: its building failed"
        if one.name in names and match.name != one.name:
            yield f"the index of `{expected.name}` on {one.text} is called `{match.name}`; it should be called `{one.name}`"
    for one in missing:
        unique = "a unique index" if one.unique else "an index"
        yield f"`{expected.name}` lacks {unique} on {one.text}"
    for other in left:
        yield f"the index `{other.name}` of `{expected.name}` {leftover}"


def _without_described_parts(table: Table) -> Table:
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


def _schema_of(table: Table) -> Schema:
    return schemas.Schema(Dialect.POSTGRES, tables=(table,))


def _other_objects(expected: Schema, actual: Schema, leftover: str) -> Iterator[str]:
    """Yield sentences for views, types, sequences and the like."""
    for change in schemas.difference(*(replace(each, tables=()) for each in (expected, actual))):
        # A sequence that belongs to a column has its sentence there.
        if change.subject.startswith("sequence ") and ", of " in change.detail:
            continue
        yield _describe(change, leftover)


def _describe(change: schemas.Change, leftover: str) -> str:
    kind, _, name = change.subject.partition(" ")
    subject = f"the {kind} `{name}`" if " on " not in name else f"the {change.subject}"
    if change.sign == "-":
        return f"{subject} is missing"
    return f"{subject} {leftover}" if change.sign == "+" else f"{subject} is another than it should be"


def _row_differences(table: Table, expected: Rows, actual: Rows) -> Iterator[str]:
    key = [
        name for name in (table.primary_key.columns if table.primary_key else ()) if name in actual.columns
    ]
    if not key:
        yield from _rows_without_key(table, expected, actual)
        return
    expected_rows, actual_rows = (
        {_key(row, key): row for row in _as_dicts(rows)} for rows in (expected, actual)
    )
    if any(one not in actual_rows for one in expected_rows):
        yield f"rows of `{table.name}` are gone"
    if any(one not in expected_rows for one in actual_rows):
        yield f"`{table.name}` holds rows that should not be there"
    for one, row in expected_rows.items():
        for name, value in row.items():
            if one in actual_rows and name in actual.columns and actual_rows[one][name] != value:
                where = " and ".join(f"`{part}` is {_format_value(row[part])}" for part in key)
                yield (
                    f"`{table.name}.{name}` holds {_format_value(actual_rows[one][name])} where {where}; "
                    f"it should hold {_format_value(value)}"
                )


def _rows_without_key(table: Table, expected: Rows, actual: Rows) -> Iterator[str]:
    common = [name for name in expected.columns if name in actual.columns]
    expected_rows, actual_rows = (
        sorted(str(_key(row, common)) for row in _as_dicts(rows)) for rows in (expected, actual)
    )
    if expected_rows != actual_rows:
        yield f"the rows of `{table.name}` are others than they should be"


def _as_dicts(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.values]


def _key(row: dict[str, Any], names: list[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _format_value(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else str(value)
