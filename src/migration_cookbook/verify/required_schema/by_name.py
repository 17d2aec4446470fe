"""Draft an index, a constraint or a trigger that a snippet only names, by its name and by the downgrade."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.verify.required_schema.columns import TEXT
from migration_cookbook.verify.required_schema.draft import Confidence, ForeignKey
from migration_cookbook.verify.required_schema.expressions import learn_expression, satisfy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from migration_cookbook.verify.required_schema.draft import TableDraft
    from migration_cookbook.verify.required_schema.tracker import SchemaTracker


#: What opclasses and methods need of PostgreSQL's extensions.
_OPCLASS_EXTENSIONS = {
    "gin_trgm_ops": "pg_trgm",
    "gist_trgm_ops": "pg_trgm",
    "gin_hstore_ops": "hstore",
    "gist_ltree_ops": "ltree",
}

#: The column's type that an opclass or a method is for.
_TYPES_FOR = {
    "gin_trgm_ops": "TEXT",
    "gist_trgm_ops": "TEXT",
    "jsonb_path_ops": "JSONB",
    "jsonb_ops": "JSONB",
    "varchar_pattern_ops": TEXT,
    "text_pattern_ops": "TEXT",
}

_BY_METHOD = {"gin": "JSONB", "gist": "TSTZRANGE"}

#: Of an index whose name says nothing, as `ix`.
_ANY_TABLE = "some_table"

_SEARCHED = re.compile(r"search|tsv|document|vector", re.IGNORECASE)


def indexed_column(table: str, column: str, opclass: str, method: str, tracker: SchemaTracker) -> None:
    if opclass in _TYPES_FOR:
        tracker.column(table, column, _TYPES_FOR[opclass], Confidence.FROM_USAGE)
    elif method in _BY_METHOD:
        type_ = "TSVECTOR" if _SEARCHED.search(column) else _BY_METHOD[method]
        tracker.column(table, column, type_, Confidence.FROM_USAGE)
    else:
        tracker.column(table, column)


def extension_of_opclass(opclass: str, tracker: SchemaTracker) -> None:
    extension = _OPCLASS_EXTENSIONS.get(opclass.split("(")[0].strip())
    if extension and not tracker.has_made(f"extension {extension}"):
        need_extension(extension, tracker)


def need_extension(name: str, tracker: SchemaTracker) -> None:
    if name not in tracker.draft.extensions:
        tracker.draft.extensions.append(name)


def need_index(name: str, table: str | None, tracker: SchemaTracker) -> None:
    """An index of this name, on the table that it seems to be on."""
    # Arguments the wrong way round are a mistake, and none that a schema could fix.
    if any(name in one.indexes for one in tracker.draft.tables.values()) or tracker.has_made(
        f"index {table}"
    ):
        return
    table = table or table_in_name(name, tracker.draft.tables) or _ANY_TABLE
    found = tracker.table(table)
    if found is None or name in found.names() or name in tracker.draft.tables:
        return
    hint = tracker.hints.indexes.get(name) if tracker.hints else None
    if hint is not None:
        found.indexes[name] = hint
        learn_expression(hint[0].split("WHERE")[0].strip("() "), table, tracker)
        return
    column = column_in_name(name, table, found)
    tracker.column(table, column)
    found.indexes[name] = (f"({column})", False)


def table_in_name(name: str, tables: Iterable[str]) -> str | None:
    """The known table whose name is part of that of an index or a constraint, else its second word."""
    for table in sorted(tables, key=len, reverse=True):
        if table.rpartition(".")[2] in name:
            return table
    words = [word for word in name.split("_") if word not in ("ix", "idx", "uq", "ck", "fk", "pk")]
    return words[0] if words else None


def column_in_name(name: str, table: str, found: TableDraft) -> str:
    """The column that is named in the name of an index or a constraint."""
    rest = re.sub(
        r"^(ix|idx|uq|ux|ck|chk|fk|uniq|unique|index)_|_(key|idx|check|fkey|uq|index|ck)$", "", name
    )
    rest = re.sub(rf"^{re.escape(table.rpartition('.')[2])}_?", "", rest)
    singular = table.rpartition(".")[2].removesuffix("s")
    rest = re.sub(rf"^{re.escape(singular)}_(?=.)", "", rest) if not rest.endswith("_id") else rest
    for column in sorted(found.columns, key=len, reverse=True):
        if column in rest:
            return column
    return rest if re.fullmatch(r"[a-z][a-z0-9_]*", rest) else "name"


def need_constraint(name: str, table: str, kind: str | None, tracker: SchemaTracker) -> None:
    """A constraint of this name and kind; what is not said is taken from the way down, or from the name."""
    found = tracker.table(table)
    if found is None or name in found.names():
        return
    kind, hint = (tracker.hints.constraints.get(name, (kind, None))) if tracker.hints else (kind, None)
    kind = kind or kind_in_name(name)
    column = column_in_name(name, table, found)
    if kind == "check":
        if hint is None:
            tracker.column(table, column)
            found.checks.append((name, f"{column} IS NOT NULL"))
        else:
            learn_expression(str(hint), table, tracker)
            satisfy(str(hint), table, tracker)
            found.checks.append((name, str(hint)))
    elif kind == "foreignkey":
        _need_foreign_key(name, table, column, hint, found, tracker)
    elif kind == "primary":
        found.key_name = name
        if isinstance(hint, tuple):
            found.key = hint
            for one in hint:
                tracker.column(table, one)
    else:
        columns = hint if isinstance(hint, tuple) else (column,)
        for one in columns:
            tracker.column(table, one)
        found.uniques.append((name, columns))


def _need_foreign_key(
    name: str, table: str, column: str, hint: object, found: TableDraft, tracker: SchemaTracker
) -> None:
    if isinstance(hint, ForeignKey):
        key = hint
    else:
        local = column if column.endswith("_id") else f"{column}_id"
        target = next((one for one in found.columns if one.endswith("_id") and one in name), local)
        key = ForeignKey(name, (target,), f"{target.removesuffix('_id')}s", ("id",))
    for one in key.columns:
        tracker.column(table, one)
    for one in key.targets:
        tracker.column(key.table, one)
    found.foreign_keys.append(key)


def kind_in_name(name: str) -> str:
    """What the usual beginnings and ends of names say."""
    lower = name.lower()
    if re.search(r"^(fk|fkey)|_(fk|fkey)$", lower):
        return "foreignkey"
    if re.search(r"^(ck|chk|check)|_(ck|chk|check)$|positive|valid|range", lower):
        return "check"
    if re.search(r"^pk|_(pk|pkey)$", lower):
        return "primary"
    return "unique"


def need_other(name: str, statement: str, tracker: SchemaTracker) -> None:
    """A sequence, function, view or the like, unless the snippet makes it."""
    if not tracker.has_made(name):
        tracker.draft.others.setdefault(name, statement)


def need_trigger_function(name: str, tracker: SchemaTracker) -> None:
    """A function that a trigger may call and that does nothing."""
    body = "BEGIN RETURN NEW; END"
    need_other(
        f"function {name}",
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        tracker,
    )


def need_trigger(name: str, table: str, tracker: SchemaTracker) -> None:
    """A trigger on the table, with a function of its own."""
    if tracker.has_made(f"trigger {name}"):
        return
    tracker.table(table)
    need_trigger_function("does_nothing", tracker)
    need_other(
        f"trigger {name}",
        f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION does_nothing()",
        tracker,
    )
