"""The calls of Alembic's operations in a piece of code."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING

from alembic.operations import BatchOperations, Operations

from migration_cookbook.bench.planted import sql_mistakes

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How the names of the operations begin.
_VERBS = ("add_", "alter_", "batch_", "bulk_", "create_", "drop_", "execute", "rename_")

#: How their parameters for a name are called.
_NAMES = {"column_name", "constraint_name", "index_name"}

#: Those that leave the schema as it is, if their SQL does.
_QUIET = {"bulk_insert", "execute"}


def operation(node: ast.AST) -> str | None:
    """Return `add_column` for op.add_column(…) and for batch_op.add_column(…)."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(), attr=name)) if name.startswith(_VERBS):
            return name
    return None


def receiver(call: ast.Call) -> str:
    """Return `op`, or the name of a batch."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name)):
            return name
    return ""


def is_column(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="Column") | ast.Name(id="Column")):
            return True
    return False


def parameters(call: ast.Call) -> list[inspect.Parameter]:
    """Return what the operation takes by position; nothing for what isn't an operation."""
    kind = Operations if receiver(call) == "op" else BatchOperations
    method = getattr(kind, operation(call) or "", None)
    if method is None:
        return []
    known = list(inspect.signature(method).parameters.values())[1:]
    return [each for each in known if each.kind is each.POSITIONAL_OR_KEYWORD]


def named(call: ast.Call, *, tables: bool) -> Iterator[tuple[int, str]]:
    """Yield the names that the operation is given by position: of tables, or of everything else."""
    for position, (parameter, part) in enumerate(zip(parameters(call), call.args, strict=False)):
        names_table = "table" in parameter.name
        if (name := _final(part)) and (names_table if tables else parameter.name in _NAMES):
            yield position, name


def batches(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the name and the table of `with op.batch_alter_table("members") as batch_op`."""
    for item in node.items if isinstance(node, ast.With) else ():
        match item:
            case ast.withitem(context_expr=ast.Call() as call, optional_vars=ast.Name(id=name)):
                for _, table in named(call, tables=True):
                    yield name, table


def _final(node: ast.AST) -> str | None:
    """Return a name, also that of op.f("ix_members_email")."""
    match node:
        case ast.Call(func=ast.Attribute(attr="f"), args=[name]):
            return string(name)
    return string(node)


def string(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def changes_schema(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="create" | "drop"))) | ast.With():
            return True
        case ast.Expr(value=ast.Call() as call) if name := operation(call):
            sql = string(call.args[0]) if name == "execute" and call.args else None
            return name not in _QUIET or bool(sql and sql_mistakes.changes_schema(sql))
    return False


def calls(statement: ast.stmt, *names: str) -> bool:
    return any(operation(node) in names for node in ast.walk(statement))


def makes(statement: ast.stmt) -> set[str]:
    """Return the tables, columns and variables that weren't there before this statement."""
    made = set()
    for node in ast.walk(statement):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                made.add(name)
            case ast.Call(args=[*_, last]) if operation(node) in {"add_column", "rename_table"}:
                made |= _first(last)
            case ast.Call(args=[first, *_]) if operation(node) == "create_table":
                made |= _first(first)
            case ast.keyword(arg="new_column_name", value=value):
                made |= _first(value)
    return made.union(*map(sql_mistakes.makes, _strings(statement)))


def drops(statement: ast.stmt) -> set[str]:
    """Return the tables and columns that are gone after it."""
    dropped = set()
    for node in ast.walk(statement):
        match node:
            case ast.Call(args=[*_, last]) if operation(node) in {"drop_column", "drop_table"}:
                dropped |= _first(last)
    return dropped.union(*map(sql_mistakes.drops, _strings(statement)))


def words(statement: ast.stmt) -> set[str]:
    """Return the names that it mentions."""
    if isinstance(statement, ast.FunctionDef | ast.Import | ast.ImportFrom):
        return set()
    read = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return read.union(*map(sql_mistakes.words, _strings(statement)))


def _strings(node: ast.AST) -> list[str]:
    return [text for each in ast.walk(node) if (text := string(each))]


def _first(node: ast.AST) -> set[str]:
    """Return `created_at` for sa.Column("created_at", sa.DateTime())."""
    return set(_strings(node)[:1])
