"""Correct the draft by what the database says: what it lacks, and what the snippet makes itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.verify.required_schema.by_name import (
    extension_of_opclass,
    need_constraint,
    need_extension,
    need_index,
    need_other,
    need_trigger,
    need_trigger_function,
    table_in_name,
)
from migration_cookbook.verify.required_schema.draft import Confidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.verify.required_schema.draft import Draft
    from migration_cookbook.verify.required_schema.tracker import SchemaTracker
    from migration_cookbook.verify.values.outcome import Refusal

_IDENTIFIER = r"[\"'`]?([\w.]+?)[\"'`]?"
_TABLE_OF_STATEMENT = re.compile(
    r"(?:UPDATE|INTO|FROM|ALTER TABLE(?: IF EXISTS)?(?: ONLY)?|\bON|JOIN|TABLE)\s+" + r"[\"'`]?([\w.]+)",
    re.IGNORECASE,
)


def repair(refusal: Refusal, draft: Draft, tracker: SchemaTracker, *, going_down: bool) -> None:
    """Let the draft have what was missed; nothing happens where nobody can know what that is."""
    tracker.down = going_down
    for pattern, function in _REPAIRS:
        match = re.search(pattern, refusal.message)
        if match:
            function(match, refusal, draft, tracker)
            return


def _table(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    name = match[1].removeprefix("public.").removeprefix("main.")
    statement = (refusal.statement or "").upper()
    if "INDEX" in statement.split("ON")[0] and statement.startswith(
        ("ALTER INDEX", "DROP INDEX", "REINDEX INDEX")
    ):
        need_index(name, None, tracker)
    elif statement.startswith(("ALTER SEQUENCE", "DROP SEQUENCE")) or name.endswith("_seq"):
        need_other(f"sequence {name}", f"CREATE SEQUENCE {name}", tracker)
    elif re.search(r"REFRESH MATERIALIZED VIEW", statement):
        need_other(f"materialized view {name}", f"CREATE MATERIALIZED VIEW {name} AS SELECT 1 AS n", tracker)
    elif not tracker.down or name not in {tracker.original(one) for one in tracker.renamed}:
        tracker.table(name)


def _column_of(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    if not tracker.down:
        tracker.column(match[2], match[1])


def _qualified(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    alias, column = match[1].rpartition(".")[::2]
    table = _named(alias, refusal.statement or "") or alias
    if table:
        tracker.column(table, column)


def _bare_column(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    name = match[1].strip('"')
    if "." in name:
        _qualified(match, refusal, draft, tracker)
        return
    tables = [
        one
        for one in _TABLE_OF_STATEMENT.findall(refusal.statement or "")
        if one.lower() not in ("select", "set")
    ]
    known = [one for one in tables if one in draft.tables]
    if known:
        tracker.column(known[0], name)
    elif tables and f"table {tables[0]}" not in tracker.made:
        tracker.column(tables[0], name)


def _named(alias: str, statement: str) -> str | None:
    match = re.search(
        rf"(?:FROM|JOIN|UPDATE)\s+[\"`]?([\w.]+)[\"`]?\s+(?:AS\s+)?{re.escape(alias)}\b",
        statement,
        re.IGNORECASE,
    )
    return match[1] if match else None


def _constraint(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    if not tracker.down:
        need_constraint(match[1], match[2], None, tracker)


def _nameless_constraint(
    match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker
) -> None:
    table = table_in_name(match[1], draft.tables)
    if table and not tracker.down:
        need_constraint(match[1], table, None, tracker)


def _index(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    if not tracker.down:
        need_index(match[1], None, tracker)


def _type(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """A type that an ALTER or a DROP speaks of; a column's own new type must be made by the snippet."""
    statement = (refusal.statement or "").upper()
    if statement.startswith(("ALTER TYPE", "DROP TYPE", "COMMENT ON TYPE")):
        draft.enums.setdefault(match[1], ("first", "second", "third"))


def _schema(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    if match[1] not in draft.schemas:
        draft.schemas.append(match[1])


def _unique_target(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    statement = refusal.statement or ""
    target = re.search(r"REFERENCES\s+[\"`]?([\w.]+)[\"`]?\s*\(([^)]+)\)", statement, re.IGNORECASE)
    found = draft.tables.get(match[1])
    if target and found is not None:
        columns = tuple(part.strip(' "') for part in target[2].split(","))
        if (None, columns) not in found.uniques:
            found.uniques.append((None, columns))


def _trigger_function(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    if "TRIGGER" in (refusal.statement or "").upper():
        need_trigger_function(match[1], tracker)
    elif match[1] == "similarity":
        need_extension("pg_trgm", tracker)


def _trigger(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    need_trigger(match[1], match[2], tracker)


def _opclass(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    extension_of_opclass(match[1], tracker)


def _exists(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """The schema has what the snippet wants to make."""
    name = match[1]
    if name in draft.tables and not tracker.down:
        del draft.tables[name]
    for table in draft.tables.values():
        table.indexes.pop(name, None)
    draft.others = {key: text for key, text in draft.others.items() if key.split()[-1] != name}
    draft.enums.pop(name, None)
    if name in draft.extensions:
        draft.extensions.remove(name)
    if name in draft.schemas:
        draft.schemas.remove(name)


def _column_exists(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    tables = [draft.tables[match[2]]] if len(match.groups()) > 1 and match[2] in draft.tables else []
    if not tables:
        names = _TABLE_OF_STATEMENT.findall(refusal.statement or "")
        tables = [draft.tables[name] for name in names if name in draft.tables]
    for table in tables:
        table.columns.pop(match[1], None)


def _missing_row(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    found = draft.tables.get(match[3])
    if found is not None and match[1] == "id" and match[2] not in found.ids:
        found.ids.append(match[2])


def _violated_check(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """Only where the assumed rows broke it: rows that nobody can invent are left out."""
    statement = refusal.statement or ""
    table = next((one for one in _TABLE_OF_STATEMENT.findall(statement) if one in draft.tables), None)
    if table and statement.startswith("INSERT INTO") and " VALUES (" in statement and "101" in statement:
        draft.tables[table].empty = True


def _bad_numbers(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """The same where a generated column comes to nothing with the assumed values."""
    statement = refusal.statement or ""
    if "GENERATED ALWAYS AS" in statement.upper():
        for name in _TABLE_OF_STATEMENT.findall(statement):
            if name in draft.tables:
                draft.tables[name].empty = True


def _bad_text(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """A text of the assumed rows that should become something else: let it look like that."""
    type_, value = match[1], match[2]
    for table in draft.tables.values():
        for column in table.columns.values():
            whole = f"{column.name} "
            # A part of it may have been cut out.
            from_here = value.startswith(whole) or (len(value) > 2 and whole.startswith(value))
            if from_here and column.looks_like is None:
                column.looks_like = type_
                if type_ in draft.enums:
                    column.values = tuple(f"'{label}'" for label in draft.enums[type_])


def _no_such_key(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """Batch mode reflects the table, and says which of its parts is not there."""
    for table in draft.tables.values():
        if match[1] not in table.columns and refusal.kind == "KeyError":
            tracker.column(table.name, match[1])
            return


def _comparable(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """Two columns are compared whose guessed types don't go together: the weaker guess yields."""
    types = {"integer": "INTEGER", "boolean": "BOOLEAN", "character varying": "VARCHAR(255)", "text": "TEXT"}
    wanted = types.get(match[2])
    if wanted is None:
        return
    for table in draft.tables.values():
        for column in table.columns.values():
            weak = column.confidence is not Confidence.DECLARED and isinstance(column.type, str)
            if (
                weak
                and str(column.type).lower().startswith(match[1].split()[0][:4])
                and column.name in (refusal.statement or "")
            ):
                column.type, column.confidence = wanted, Confidence.DECLARED
                return


_REPAIRS: tuple[tuple[str, Callable[[re.Match[str], Refusal, Draft, SchemaTracker], None]], ...] = (
    # PostgreSQL
    (r"numeric field overflow|division by zero|out of range", _bad_numbers),
    (rf"constraint {_IDENTIFIER} of relation {_IDENTIFIER} does not exist", _constraint),
    (rf"column {_IDENTIFIER} of relation {_IDENTIFIER} does not exist", _column_of),
    (rf"column {_IDENTIFIER} of relation {_IDENTIFIER} already exists", _column_exists),
    (rf"trigger {_IDENTIFIER} for table {_IDENTIFIER} does not exist", _trigger),
    (rf"no unique constraint matching given keys for referenced table {_IDENTIFIER}(?:\s|$)", _unique_target),
    (rf"operator class {_IDENTIFIER} does not exist", _opclass),
    (r"function ([\w.]+)\(.*\) does not exist", _trigger_function),
    (rf"index {_IDENTIFIER} does not exist", _index),
    (rf"type {_IDENTIFIER} does not exist", _type),
    (rf"schema {_IDENTIFIER} does not exist", _schema),
    (rf"relation {_IDENTIFIER} does not exist", _table),
    (rf"(?:materialized )?view {_IDENTIFIER} does not exist", _table),
    (rf"sequence {_IDENTIFIER} does not exist", _table),
    (rf"table {_IDENTIFIER} does not exist", _table),
    (r"column ([\w.]+|\"[^\"]+\") does not exist", _bare_column),
    (rf"constraint {_IDENTIFIER} does not exist", _nameless_constraint),
    (r"Key \((\w+)\)=\((\w+)\) is not present in table \"(\w+)\"", _missing_row),
    (
        rf"(?:relation|type|schema|function|trigger|extension|index) {_IDENTIFIER} (?:for relation \S+ )?already exists",
        _exists,
    ),
    (r"operator does not exist: ([a-z ]+?) [=<>!]+ ([a-z ]+)", _comparable),
    (r"invalid input (?:syntax for type|value for enum) ([\w ]+): \"([^\"]*)\"", _bad_text),
    (r"violates check constraint|CHECK constraint failed", _violated_check),
    # SQLite
    (r"no such table: ([\w.]+)", _table),
    (
        r"table (\w+) has no column named (\w+)",
        lambda match, refusal, draft, tracker: _swapped(match, tracker),
    ),
    (r"no such column: \"?([\w.]+)\"?", _bare_column),
    (r"no such index: (\w+)", _index),
    (r"No such constraint: '([\w.]+)'", _nameless_constraint),
    (r"duplicate column name: (\w+)", _column_exists),
    (rf"(?:table|index|view) {_IDENTIFIER} already exists", _exists),
    # SQLAlchemy and Alembic
    (r"^([\w.]+)$", lambda match, refusal, draft, tracker: _reflected(match, refusal, draft, tracker)),
    (r"^['\"](\w+)['\"]$", _no_such_key),
)


def _swapped(match: re.Match[str], tracker: SchemaTracker) -> None:
    if not tracker.down:
        tracker.column(match[1], match[2])


def _reflected(match: re.Match[str], refusal: Refusal, draft: Draft, tracker: SchemaTracker) -> None:
    """NoSuchTableError says the name and nothing else."""
    if refusal.kind == "NoSuchTableError":
        tracker.table(match[1])
