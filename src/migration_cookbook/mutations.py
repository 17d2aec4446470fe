"""Mutations of Python code, which put one small mistake into it."""

from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Puts the mistake into a node of a copy.
    Mutation = Callable[[Any], None]

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


def mutate(
    tree: ast.Module, mutations: Callable[[ast.AST], Iterator[tuple[_Mistake, Mutation]]]
) -> Iterator[tuple[ast.AST, _Mistake, str]]:
    """Yield each mistake that `mutations` has for a node of `tree`: the node, the mistake, the code with it."""
    for number, node in enumerate(ast.walk(tree)):
        for mistake, mutation in mutations(node):
            other = copy.deepcopy(tree)
            # The copy is walked in the same order.
            mutation(next(each for n, each in enumerate(ast.walk(other)) if n == number))
            yield node, mistake, ast.unparse(ast.fix_missing_locations(other)) + "\n"


def remove_statement(position: int) -> Mutation:
    def change(node: Any) -> None:
        node.body[position] = ast.Pass()

    return change


def swap_with_next(position: int) -> Mutation:
    """Swap a statement and the next one."""

    def change(node: Any) -> None:
        node.body[position : position + 2] = reversed(node.body[position : position + 2])

    return change


def remove_argument(position: int) -> Mutation:
    def change(node: Any) -> None:
        del node.args[position]

    return change


def remove_keyword(position: int) -> Mutation:
    def change(node: Any) -> None:
        del node.keywords[position]

    return change


def replace_constant(value: object) -> Mutation:
    def change(node: Any) -> None:
        node.value = value

    return change


def rename_attribute(name: str) -> Mutation:
    def change(node: Any) -> None:
        node.attr = name

    return change


def rename_method(name: str) -> Mutation:
    """Call a method of that name."""

    def change(node: Any) -> None:
        node.func.attr = name

    return change


def replace_argument(position: int, value: str) -> Mutation:
    def change(node: Any) -> None:
        node.args[position] = ast.Constant(value)

    return change


def rename_keyword(position: int, name: str) -> Mutation:
    def change(node: Any) -> None:
        node.keywords[position].arg = name

    return change


def replace_keyword(position: int, value: str) -> Mutation:
    def change(node: Any) -> None:
        node.keywords[position].value = ast.Constant(value)

    return change
