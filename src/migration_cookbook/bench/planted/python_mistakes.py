"""The small mistakes that can be made in a snippet of Python."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, Any

from migration_cookbook import mutations
from migration_cookbook.bench.planted import operation_calls as reading
from migration_cookbook.bench.planted import sql_mistakes
from migration_cookbook.bench.planted.mistakes import MistakeType, misspell, similar_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.mutations import Mutation

    Found = tuple[MistakeType, Mutation]

#: Types under names that they have elsewhere.
_FOREIGN = {
    "BigInteger": "BigInt",
    "Boolean": "Bool",
    "Date": "DateOnly",
    "DateTime": "Datetime",
    "Integer": "Int",
    "Numeric": "Number",
    "String": "Varchar",
    "Text": "Longtext",
}


def mistakes(tree: ast.Module) -> Iterator[tuple[MistakeType, str]]:
    for _, mistake, text in mutations.mutate(tree, _Snippet(tree).changes):
        yield mistake, text


class _Snippet:
    """What must be known of the whole in order to make a mistake in a part of it."""

    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
        is_pair = {"upgrade", "downgrade"} <= set(functions)
        #: The nodes of the way down, if there is a way up as well.
        self._below = {id(node) for node in ast.walk(functions["downgrade"])} if is_pair else set()
        self._former_types = {
            id(each)
            for node in nodes
            if isinstance(node, ast.keyword) and node.arg == "type_" and id(node) in self._below
            for each in ast.walk(node)
        }
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        made = [call for call in calls if reading.operation(call) == "create_table"]
        self._made = {name for call in made for _, name in reading.named(call, tables=True)}
        self._batches = {name: table for node in nodes for name, table in reading.batches(node)}

    def changes(self, node: ast.AST) -> Iterator[Found]:
        match node:
            case ast.Call():
                yield from _misspelled(node)
                yield from _lost_argument(node)
                yield from _typos(node)
                yield from self._not_null(node)
            case ast.Attribute():
                yield from self._wrong_type(node)
            case ast.Module() | ast.FunctionDef() | ast.With():
                yield from _swapped(node.body)
        if id(node) in self._below:
            yield from _wrong_way_down(node)

    def _not_null(self, call: ast.Call) -> Iterator[Found]:
        """Take the default from a new column of a table with rows, which needs one, or NULL."""
        column = call.args[-1] if reading.operation(call) == "add_column" and call.args else None
        tables = {name for _, name in reading.named(call, tables=True)}
        tables.add(self._batches.get(reading.receiver(call), ""))
        if isinstance(column, ast.Call) and not tables & self._made and _may_be_required(column):
            yield MistakeType.NOT_NULL, _required

    def _wrong_type(self, node: ast.Attribute) -> Iterator[Found]:
        if other := _FOREIGN.get(node.attr):
            yield MistakeType.WRONG_TYPE, mutations.rename_attribute(other)
        # The type that the column had before the upgrade.
        if id(node) in self._former_types and (other := mutations.TYPES.get(node.attr)):
            yield MistakeType.WRONG_TYPE, mutations.rename_attribute(other)


def _misspelled(call: ast.Call) -> Iterator[Found]:
    operation = reading.operation(call)
    for other in misspell(operation) if operation else ():
        yield MistakeType.MISSPELLED, mutations.rename_method(other)
    keywords = call.keywords if operation or reading.is_column(call) else []
    for position, keyword in enumerate(keywords):
        # What is said of the state before matters to MySQL only.
        if keyword.arg and not keyword.arg.startswith("existing_"):
            for other in misspell(keyword.arg):
                yield MistakeType.MISSPELLED, mutations.rename_keyword(position, other)


def _lost_argument(call: ast.Call) -> Iterator[Found]:
    needed = sum(each.default is each.empty for each in reading.parameters(call))
    if reading.operation(call) == "create_table":
        # Without its name a table would be called as its first column.
        needed = 0
    if reading.is_column(call) and len(call.args) == 2:
        yield MistakeType.LOST_ARGUMENT, mutations.remove_argument(1)
    for position in range(min(needed, len(call.args))):
        yield MistakeType.LOST_ARGUMENT, mutations.remove_argument(position)


def _typos(call: ast.Call) -> Iterator[Found]:
    match call:
        case ast.Call(
            func=ast.Attribute(attr="execute" | "text" | "exec_driver_sql"),
            args=[ast.Constant(value=str() as sql), *_],
        ):
            for other in sql_mistakes.typos(sql):
                yield MistakeType.SQL_TYPO, mutations.replace_argument(0, other)


def _may_be_required(column: ast.Call) -> bool:
    """Whether a value or NULL is left out of it, that the rows need."""
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in column.keywords}
    called = {node.attr for node in ast.walk(column) if isinstance(node, ast.Attribute)}
    if "primary_key" in given or called & {"Computed", "Identity"}:
        return False
    return given.get("nullable") != "False" or "server_default" in given


def _required(call: Any) -> None:
    column = call.args[-1]
    kept = [each for each in column.keywords if each.arg not in {"nullable", "server_default"}]
    column.keywords = [*kept, ast.keyword("nullable", ast.Constant(False))]


def _swapped(body: list[ast.stmt]) -> Iterator[Found]:
    """Swap two statements of which one needs what the other makes or takes away."""
    for position, (first, second) in enumerate(itertools.pairwise(body)):
        needs = reading.makes(first) & reading.words(second)
        if needs or reading.drops(second) & reading.words(first):
            yield MistakeType.SWAPPED, mutations.swap_with_next(position)


def _wrong_way_down(node: ast.AST) -> Iterator[Found]:
    match node:
        case ast.Call():
            yield from _wrong_name(node)
            yield from _wrong_table(node)
        case ast.FunctionDef() | ast.With():
            yield from _incomplete(node.body)


def _wrong_name(call: ast.Call) -> Iterator[Found]:
    """Change the name of what's dropped, or brought back."""
    if reading.is_column(call) and call.args and (name := reading.string(call.args[0])):
        yield MistakeType.WRONG_NAME, mutations.replace_argument(0, similar_name(name))
    for position, name in reading.named(call, tables=False):
        yield MistakeType.WRONG_NAME, mutations.replace_argument(position, similar_name(name))
    for position, keyword in enumerate(call.keywords):
        if keyword.arg == "new_column_name" and (name := reading.string(keyword.value)):
            yield MistakeType.WRONG_NAME, mutations.replace_keyword(position, similar_name(name))


def _wrong_table(call: ast.Call) -> Iterator[Found]:
    # Neither database asks for the table of an index.
    if reading.operation(call) != "drop_index":
        for position, name in reading.named(call, tables=True):
            yield MistakeType.WRONG_TABLE, mutations.replace_argument(position, similar_name(name))


def _incomplete(body: list[ast.stmt]) -> Iterator[Found]:
    takes_tables = any(reading.calls(each, "drop_table") for each in body)
    for position, statement in enumerate(body):
        # With a table go its indexes and constraints.
        goes_along = takes_tables and reading.calls(statement, "drop_index", "drop_constraint")
        if reading.changes_schema(statement) and not goes_along:
            yield MistakeType.INCOMPLETE, mutations.remove_statement(position)
