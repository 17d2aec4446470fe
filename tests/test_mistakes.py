"""Small mistakes in Python code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import mistakes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.mistakes import Change


def planted(source: str, kind: type[ast.AST], change: Change) -> list[str]:
    """The source with the change in each node of this kind."""

    def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
        if isinstance(node, kind):
            yield "it", change

    return [text for _, _, text in mistakes.planted(ast.parse(source), changes)]


@pytest.mark.parametrize(
    ("source", "kind", "change", "becomes"),
    [
        ("a\nb", ast.Module, mistakes.without_statement(0), "pass\nb\n"),
        ("a\nb\nc", ast.Module, mistakes.swapped(1), "a\nc\nb\n"),
        ("f(1, 2)", ast.Call, mistakes.without_argument(0), "f(2)\n"),
        ("f(1, a=2)", ast.Call, mistakes.without_keyword(0), "f(1)\n"),
        ("f(1, 2)", ast.Call, mistakes.argument(1, "x"), "f(1, 'x')\n"),
        ("f(a=1)", ast.Call, mistakes.keyword_name(0, "b"), "f(b=1)\n"),
        ("f(a=1)", ast.Call, mistakes.keyword_value(0, "x"), "f(a='x')\n"),
        ("o.f()", ast.Call, mistakes.called("g"), "o.g()\n"),
        ("o.f", ast.Attribute, mistakes.attribute("g"), "o.g\n"),
        ("True", ast.Constant, mistakes.constant(False), "False\n"),
    ],
)
def test_a_change(source: str, kind: type[ast.AST], change: Change, becomes: str) -> None:
    assert planted(source, kind, change) == [becomes]


def test_one_place_at_a_time_and_the_original_stays() -> None:
    tree = ast.parse("f(1)\nf(2)")

    def changes(node: ast.AST) -> Iterator[tuple[int, Change]]:
        if isinstance(node, ast.Constant):
            yield node.lineno, mistakes.constant(0)

    found = [(line, text) for _, line, text in mistakes.planted(tree, changes)]
    assert found == [(1, "f(0)\nf(2)\n"), (2, "f(1)\nf(0)\n")]
    assert ast.unparse(tree) == "f(1)\nf(2)"
