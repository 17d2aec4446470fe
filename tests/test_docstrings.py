"""A module's docstring says what the module is; it doesn't ask."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "migration_cookbook"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("place", MODULES)
def test_a_module_begins_with_a_statement(place: str) -> None:
    docstring = ast.get_docstring(ast.parse((PACKAGE / place).read_text(encoding="utf-8")))
    assert docstring, "every module has a docstring"
    first = docstring.splitlines()[0]
    assert "?" not in first
    assert first.endswith((".", ":")), "the first line is a sentence, or introduces what follows"
