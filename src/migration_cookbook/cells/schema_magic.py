"""`%schema`: the tables as they are, or what the last command changed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from migration_cookbook.cells.magic import LineMagic
from migration_cookbook.cells.options import read
from migration_cookbook.display.answers import Answer
from migration_cookbook.display.parts import Lines, Note, Part, ResultTable
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook import schema as schemas
    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.databases.dialects import Dialect

_USAGE = "Write %schema, %schema books or %schema --diff."


def schema(notebook: Notebook, line: str) -> None:
    """Show one table, the list of tables, or the last change."""
    options = read("%schema", line, named=("--on",), flags=("--diff",), free=1, usage=_USAGE)
    dialects = notebook.databases(options.on)
    if "--diff" in options.flags:
        _show_changes(notebook, dialects)
        return
    known = {
        dialect: notebook.sandbox.schema(dialect)
        for dialect in dialects
        if notebook.database(dialect) is not None
    }
    name = options.free[0] if options.free else None
    if name is not None and not any(each.table(name) or each.view(name) for each in known.values()):
        raise CookbookError(_missing(name, known))
    answers = [
        Answer(dialect, _table(known[dialect], name) if name else _overview(known[dialect]))
        if dialect in known
        else notebook.not_run(dialect)
        for dialect in dialects
    ]
    notebook.publish_answers(answers)


def _show_changes(notebook: Notebook, dialects: list[Dialect]) -> None:
    if not notebook.moves:
        raise CookbookError(
            "No command has changed a database yet. %schema --diff shows what the last one changed."
        )
    notebook.require_moved(dialects)
    answers = []
    for dialect in dialects:
        if dialect in notebook.moves:
            changes = notebook.moves[dialect].changes
            lines = tuple(f"{change.sign} {change.subject}  {change.detail}".rstrip() for change in changes)
            answers.append(Answer(dialect, (Lines(lines or ("no change of the schema",)),)))
    command = next(iter(notebook.moves.values())).command
    notebook.publish_answers(answers, [Note(f"What `{command}` changed:")])


def _missing(name: str, known: dict[Dialect, schemas.Schema]) -> str:
    names = sorted({table.name for each in known.values() for table in each.tables})
    if not names:
        return f"There is no table {name}: the databases hold no tables."
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}."
    return f"There is no table {name}. {hint}"


def _overview(schema: schemas.Schema) -> tuple[Part, ...]:
    if not schema.tables:
        return (Note("no tables" + (" but alembic_version" if schema.version_tables else "")),)
    rows = tuple((table.name, ", ".join(column.name for column in table.columns)) for table in schema.tables)
    parts: list[Part] = [ResultTable("", ("table", "columns"), rows, row_headers=True)]
    if schema.enums:
        parts.append(Lines(tuple(f"type {one.name}: {', '.join(one.values)}" for one in schema.enums)))
    return tuple(parts)


def _table(schema: schemas.Schema, name: str) -> tuple[Part, ...]:
    view = schema.view(name)
    if view is not None:
        return (_columns(f"view `{name}`", view.columns, ()),)
    table = schema.table(name)
    if table is None:
        return (Note(f"no table `{name}`"),)
    return (_columns(f"table `{name}`", table.columns, _below(table)),)


def _columns(caption: str, columns: tuple[schemas.Column, ...], footer: tuple[str, ...]) -> ResultTable:
    rows = tuple(
        (
            column.name,
            column.type,
            "may be NULL" if column.nullable else "NOT NULL",
            "(automatic)" if column.automatic else column.default or "",
        )
        for column in columns
    )
    return ResultTable(caption, ("column", "type", "NULL?", "default"), rows, row_headers=True, footer=footer)


def _below(table: schemas.Table) -> tuple[str, ...]:
    """Return constraints and indexes, one per line."""
    lines = []
    if table.primary_key:
        lines.append(f"primary key {_name(table.primary_key)}: {', '.join(table.primary_key.columns)}")
    for constraint in (*table.uniques, *table.foreign_keys, *table.checks, *table.exclusions):
        lines.append(f"{_name(constraint)}: {constraint.text}")
    lines += [f"index `{index.name}`: {index.description}" for index in table.indexes]
    lines += [f"trigger `{trigger.name}`" for trigger in table.triggers]
    lines += [
        f"column `{column.name}`: generated as {column.generated}"
        for column in table.columns
        if column.generated
    ]
    return tuple(lines)


def _name(constraint: schemas.Constraint) -> str:
    return f"`{constraint.name}`" if constraint.name else "(no name)"


MAGICS = (LineMagic("schema", schema),)
