"""Python code with one small mistake in it."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Makes the mistake, in a node of a copy.
    Change = Callable[[Any], None]

#: A type that is taken for another one.
TYPES = {
    "String": "Text",
    "Text": "Integer",
    "Integer": "BigInteger",
    "BigInteger": "Integer",
    "Boolean": "Integer",
    "Date": "DateTime",
    "DateTime": "Date",
    "Numeric": "Float",
}

_Mistake = TypeVar("_Mistake")


def planted(
    tree: ast.Module, changes: Callable[[ast.AST], Iterator[tuple[_Mistake, Change]]]
) -> Iterator[tuple[ast.AST, _Mistake, str]]:
    """Each mistake that `changes` knows for a node of `tree`: the node, the mistake, the code with it."""
    for number, node in enumerate(ast.walk(tree)):
        for mistake, change in changes(node):
            other = copy.deepcopy(tree)
            # The copy is walked in the same order.
            change(next(each for n, each in enumerate(ast.walk(other)) if n == number))
            yield node, mistake, ast.unparse(ast.fix_missing_locations(other)) + "\n"


def without_statement(position: int) -> Change:
    def change(node: Any) -> None:
        node.body[position] = ast.Pass()

    return change


def swapped(position: int) -> Change:
    """A statement and the next one."""

    def change(node: Any) -> None:
        node.body[position : position + 2] = reversed(node.body[position : position + 2])

    return change


def without_argument(position: int) -> Change:
    def change(node: Any) -> None:
        del node.args[position]

    return change


def without_keyword(position: int) -> Change:
    def change(node: Any) -> None:
        del node.keywords[position]

    return change


def constant(value: object) -> Change:
    def change(node: Any) -> None:
        node.value = value

    return change


def attribute(name: str) -> Change:
    def change(node: Any) -> None:
        node.attr = name

    return change


def called(name: str) -> Change:
    """A method of that name is called."""

    def change(node: Any) -> None:
        node.func.attr = name

    return change


def argument(position: int, value: str) -> Change:
    def change(node: Any) -> None:
        node.args[position] = ast.Constant(value)

    return change


def keyword_name(position: int, name: str) -> Change:
    def change(node: Any) -> None:
        node.keywords[position].arg = name

    return change


def keyword_value(position: int, value: str) -> Change:
    def change(node: Any) -> None:
        node.keywords[position].value = ast.Constant(value)

    return change
