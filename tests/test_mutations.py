"""Small mistakes in Python code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import mutations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.mutations import Mutation


def mutants(source: str, kind: type[ast.AST], change: Mutation) -> list[str]:
    """The source with the change in each node of this kind."""

    def changes(node: ast.AST) -> Iterator[tuple[str, Mutation]]:
        if isinstance(node, kind):
            yield "it", change

    return [text for _, _, text in mutations.mutate(ast.parse(source), changes)]


@pytest.mark.parametrize(
    ("source", "kind", "change", "becomes"),
    [
        ("a\nb", ast.Module, mutations.remove_statement(0), "pass\nb\n"),
        ("a\nb\nc", ast.Module, mutations.swap_with_next(1), "a\nc\nb\n"),
        ("f(1, 2)", ast.Call, mutations.remove_argument(0), "f(2)\n"),
        ("f(1, a=2)", ast.Call, mutations.remove_keyword(0), "f(1)\n"),
        ("f(1, 2)", ast.Call, mutations.replace_argument(1, "x"), "f(1, 'x')\n"),
        ("f(a=1)", ast.Call, mutations.rename_keyword(0, "b"), "f(b=1)\n"),
        ("f(a=1)", ast.Call, mutations.replace_keyword(0, "x"), "f(a='x')\n"),
        ("o.f()", ast.Call, mutations.rename_method("g"), "o.g()\n"),
        ("o.f", ast.Attribute, mutations.rename_attribute("g"), "o.g\n"),
        ("True", ast.Constant, mutations.replace_constant(False), "False\n"),
    ],
)
def test_a_change(source: str, kind: type[ast.AST], change: Mutation, becomes: str) -> None:
    assert mutants(source, kind, change) == [becomes]


def test_one_place_at_a_time_and_the_original_stays() -> None:
    tree = ast.parse("f(1)\nf(2)")

    def changes(node: ast.AST) -> Iterator[tuple[int, Mutation]]:
        if isinstance(node, ast.Constant):
            yield node.lineno, mutations.replace_constant(0)

    found = [(line, text) for _, line, text in mutations.mutate(tree, changes)]
    assert found == [(1, "f(0)\nf(2)\n"), (2, "f(1)\nf(0)\n")]
    assert ast.unparse(tree) == "f(1)\nf(2)"
