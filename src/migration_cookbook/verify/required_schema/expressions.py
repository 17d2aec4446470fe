"""The columns that an expression uses, and their types, by the tree that PostgreSQL's parser makes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import postgast
from google.protobuf.json_format import MessageToDict

from migration_cookbook.verify.required_schema.columns import INSTANT, TEXT, quoted
from migration_cookbook.verify.required_schema.draft import Confidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.verify.required_schema.draft import ColumnDraft
    from migration_cookbook.verify.required_schema.tracker import SchemaTracker


BIND = re.compile(r"(?<![:\w\\]):([A-Za-z_]\w*)")

#: PostgreSQL's names of the types that SQL calls otherwise.
_SPELLINGS = {
    "int4": "INTEGER", "int8": "BIGINT", "int2": "SMALLINT", "bool": "BOOLEAN", "bpchar": "CHAR",
    "varchar": "VARCHAR", "float8": "DOUBLE PRECISION", "float4": "REAL", "timestamptz": INSTANT,
    "numeric": "NUMERIC", "timetz": "TIME WITH TIME ZONE",
}  # fmt: skip

_TEXT_FUNCTIONS = {
    "lower", "upper", "trim", "btrim", "ltrim", "rtrim", "length", "char_length", "substr", "substring",
    "split_part", "left", "right", "replace", "regexp_replace", "initcap", "concat_ws", "position", "strpos",
    "to_tsvector", "md5", "similarity", "starts_with",
}  # fmt: skip

_TIME_FUNCTIONS = {"date_trunc", "extract", "date_part", "age"}

_NUMBER_FUNCTIONS = {"sum", "avg", "round", "abs", "ceil", "floor"}

_ARITHMETIC = {"+", "-", "*", "/", "%"}

#: What a range is made of.
_BOUNDS = {
    "tsrange": "TIMESTAMP", "tstzrange": INSTANT, "daterange": "DATE", "int4range": "INTEGER", "numrange": "NUMERIC",
}  # fmt: skip

_COMPARISONS = {"=", "<>", "!=", "<", ">", "<=", ">="}

_BUILT_IN_NAMES = {"excluded", "new", "old"}


def learn_expression(text: str, table: str, tracker: SchemaTracker) -> None:
    """The columns of an expression over one table."""
    for tree in trees(f"SELECT {BIND.sub('NULL', text)}"):
        select = tree.get("select_stmt")
        if select:
            learn_columns(select, Scope({table.rpartition(".")[2]: table}, table), tracker)


def satisfy(condition: str, table: str, tracker: SchemaTracker) -> None:
    """Let the assumed rows be such that the condition holds for each, as far as it is a plain one."""
    for tree in trees(f"SELECT {BIND.sub('NULL', condition)}"):
        for target in tree.get("select_stmt", {}).get("target_list", ()):
            satisfy_tree(target.get("res_target", {}).get("val", {}), table, tracker)


@lru_cache(maxsize=512)
def _parsed(sql: str) -> tuple[dict[str, Any], ...]:
    try:
        tree = MessageToDict(postgast.parse(sql), preserving_proto_field_name=True)
    except postgast.PgQueryError:
        return ()
    return tuple(one["stmt"] for one in tree.get("stmts", ()) if one.get("stmt"))


def trees(sql: str) -> tuple[dict[str, Any], ...]:
    found = _parsed(sql)
    if found:
        return found
    # One statement that PostgreSQL can't read must not hide the others.
    parts = [part for part in sql.split(";") if part.strip()]
    return tuple(tree for part in parts for tree in _parsed(part)) if len(parts) > 1 else ()


@dataclass
class Scope:
    """Which table a column is of."""

    #: Alias or name to the table; what the statement defines itself has none.
    tables: dict[str, str | None] = field(default_factory=dict)
    #: Of columns without a table's name.
    first: str | None = None


def relation_name(node: dict[str, Any]) -> str:
    """`schema.table`, or the table alone where it is in `public`."""
    schema, name = node.get("schemaname"), node["relname"]
    return f"{schema}.{name}" if schema and schema not in ("public", "main") else str(name)


def walk(node: Any) -> Iterator[tuple[str, Any]]:
    """Every named node below, from the outside."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from walk(value)
    elif isinstance(node, list):
        for one in node:
            yield from walk(one)


def learn_columns(node: Any, scope: Scope, tracker: SchemaTracker) -> None:
    """Every column below, with the type that its use suggests."""
    for key, one in walk(node):
        if key == "column_ref":
            _column(one, scope, tracker)
        elif key == "a_expr":
            _compare(one, scope, tracker)
        elif key == "func_call":
            _call(one, scope, tracker)


def _column(node: dict[str, Any], scope: Scope, tracker: SchemaTracker) -> ColumnDraft | None:
    names = [one["string"]["sval"] for one in node.get("fields", ()) if "string" in one]
    if not names or len(names) != len(node["fields"]):
        return None
    if len(names) == 1:
        if scope.first is None or names[0].lower() in _BUILT_IN_NAMES:
            return None
        return tracker.column(scope.first, names[0])
    table = ".".join(names[:-1])
    if table.lower() in _BUILT_IN_NAMES:
        return None
    real = scope.tables.get(table, scope.tables.get(names[-2]))
    return tracker.column(real, names[-1]) if real is not None else None


def _compare(node: dict[str, Any], scope: Scope, tracker: SchemaTracker) -> None:
    words = [one["string"]["sval"] for one in node.get("name", ())]
    operator = words[-1] if words else ""
    left, right = node.get("lexpr", {}), node.get("rexpr", {})
    for one, other in ((left, right), (right, left)):
        reference = one.get("column_ref") if isinstance(one, dict) else None
        column = _column(reference, scope, tracker) if reference else None
        if column is None:
            continue
        if operator in ("->", "->>", "#>", "#>>", "@>", "<@", "?") and one is left:
            suggest(column, "JSONB")
        elif operator == "@@" and one is left:
            suggest(column, "TSVECTOR")
        elif node.get("kind") in ("AEXPR_BETWEEN", "AEXPR_IN"):
            for item in other.get("list", {}).get("items", ()):
                learn_type(column, item)
        elif operator in _COMPARISONS and isinstance(other, dict):
            learn_type(column, other)
        elif operator in ("~~", "~~*", "~"):
            suggest(column, "TEXT")
        elif operator in _ARITHMETIC and column.type == TEXT:
            suggest(column, "INTEGER")


def _call(node: dict[str, Any], scope: Scope, tracker: SchemaTracker) -> None:
    name = node["funcname"][-1]["string"]["sval"].lower()
    for argument in node.get("args", ()):
        reference = argument.get("column_ref")
        column = _column(reference, scope, tracker) if reference else None
        if column is None:
            continue
        if name in _TEXT_FUNCTIONS:
            suggest(column, "TEXT")
        elif name in _TIME_FUNCTIONS:
            suggest(column, INSTANT)
        elif name in _NUMBER_FUNCTIONS and not counts(column):
            suggest(column, "NUMERIC")
        elif name.startswith("jsonb_"):
            suggest(column, "JSONB")
        elif name in _BOUNDS:
            suggest(column, _BOUNDS[name])


def counts(column: ColumnDraft) -> bool:
    return isinstance(column.type, str) and column.type.startswith(("INT", "NUM", "BIGINT", "SMALL"))


def suggest(column: ColumnDraft, type_: str) -> None:
    """A type that its use suggests, stronger than what its name does."""
    if column.confidence < Confidence.FROM_USAGE:
        column.type, column.confidence = type_, Confidence.FROM_USAGE


def learn_type(column: ColumnDraft, value: dict[str, Any]) -> None:
    """The type of what it is compared with or set to, if that says more than the column's name."""
    constant = value.get("a_const", {})
    if "sval" in constant:
        column.literals.add(constant["sval"].get("sval", ""))
    if "sval" in constant and isinstance(column.type, str):
        if column.type.startswith(("INT", "BOOL", "NUM")) and not re.fullmatch(
            r"-?[\d.]+|true|false|t|f", constant["sval"].get("sval", ""), re.IGNORECASE
        ):
            suggest(column, "TEXT")
    elif "boolval" in constant:
        suggest(column, "BOOLEAN")
    elif "fval" in constant:
        suggest(column, "NUMERIC")
    elif "ival" in constant:
        if column.confidence is Confidence.FROM_NAME and not counts(column):
            suggest(column, "INTEGER")
    elif "type_cast" in value:
        names = value["type_cast"].get("type_name", {})
        if names and "arg" in value["type_cast"]:
            suggest(column, type_text(names))
    elif "func_call" in value:
        name = value["func_call"]["funcname"][-1]["string"]["sval"].lower()
        if name in ("now", "clock_timestamp"):
            suggest(column, INSTANT)
        elif name == "to_tsvector":
            suggest(column, "TSVECTOR")
        elif name == "gen_random_uuid":
            suggest(column, "UUID")
        elif name.startswith("jsonb_"):
            suggest(column, "JSONB")
    elif "sql_value_function" in value:
        suggest(column, INSTANT)


def satisfy_tree(node: dict[str, Any], table: str, tracker: SchemaTracker) -> None:
    if "bool_expr" in node and node["bool_expr"].get("boolop") == "AND_EXPR":
        for one in node["bool_expr"]["args"]:
            satisfy_tree(one, table, tracker)
        return
    expression = node.get("a_expr", {})
    reference = expression.get("lexpr", {}).get("column_ref")
    column = _column(reference, Scope({}, table), tracker) if reference else None
    if column is None:
        return
    operator = expression["name"][-1]["string"]["sval"]
    right = expression.get("rexpr", {})
    if expression.get("kind") == "AEXPR_IN":
        values = [_literal(item) for item in right.get("list", {}).get("items", ())]
        column.values = tuple(value for value in values if value is not None)
    elif expression.get("kind") == "AEXPR_BETWEEN":
        least = _number((right.get("list", {}).get("items") or [{}])[0])
        column.values = () if least is None else (str(least),)
    elif expression.get("kind") == "AEXPR_OP" and operator in (">", ">="):
        number = _number(right)
        if number is not None:
            column.values = tuple(str(number + step) for step in (1, 2, 3))
    elif expression.get("kind") == "AEXPR_OP" and operator in ("<", "<=") and not column.values:
        number = _number(right)
        if number is not None:
            column.values = tuple(str(number - step) for step in (3, 2, 1))


def _literal(node: dict[str, Any]) -> str | None:
    constant = node.get("a_const", {})
    if "sval" in constant:
        return quoted(constant["sval"].get("sval", ""))
    number = _number(node)
    return None if number is None else str(number)


def _number(node: dict[str, Any]) -> int | None:
    constant = node.get("a_const", {})
    if "ival" in constant:
        return int(constant["ival"].get("ival", 0))
    if "fval" in constant:
        return int(float(constant["fval"].get("fval", "0")))
    return None


def type_text(node: dict[str, Any]) -> str:
    """A type's name as SQL writes it."""
    names = [one["string"]["sval"] for one in node["names"]]
    schema = f"{names[0]}." if len(names) > 1 and names[0] not in ("pg_catalog", "public") else ""
    text = schema + str(_SPELLINGS.get(names[-1], names[-1]))
    numbers = [
        str(one["a_const"]["ival"].get("ival", 0))
        for one in node.get("typmods", ())
        if "ival" in one.get("a_const", {})
    ]
    return text + (f"({', '.join(numbers)})" if numbers else "") + ("[]" if node.get("array_bounds") else "")
