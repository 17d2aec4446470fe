"""Each room imports only from floors below it, and no notebook library comes in below floor 4."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "migration_cookbook"

#: As in CONTRIBUTING.md. A room is a module or a folder directly below the package.
FLOORS = {
    "printable": 0,
    "workspace": 0,
    "databases": 1,
    "schema": 1,
    "worker": 1,
    "mistakes": 1,
    "strict_markdown": 1,
    "locks": 2,
    "sandbox": 2,
    "display": 2,
    "verify": 3,
    "practice": 3,
    "cells": 4,
    "editions": 4,
    "bench": 5,
    "lab": 5,
    "cli": 5,
}

#: Only the extra `[book]` installs these.
OF_NOTEBOOKS = {
    *("IPython", "ipykernel", "jupyter_client", "jupyter_core", "jupyterlab", "jupytext"),
    *("nbclient", "nbformat", "nbval", "pandas", "prettytable", "sql", "traitlets"),
}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its top, in a function or for type checking."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room is meant"
            names.add(node.module or "")
            if node.module == "migration_cookbook":
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in MODULES} <= set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_lead_down(path: Path) -> None:
    mine = room(path)
    for name in imported(path):
        package, _, rest = name.partition(".")
        if package == "migration_cookbook" and rest.partition(".")[0] in FLOORS:
            theirs = rest.partition(".")[0]
            assert theirs == mine or FLOORS[theirs] <= FLOORS[mine], name
            # Two rooms on one floor may know each other in one direction only.
            if theirs != mine and FLOORS[theirs] == FLOORS[mine]:
                back = {other for other in MODULES if room(other) == theirs and knows(other, mine)}
                assert back == set(), name
        elif FLOORS[mine] < 4:
            assert package not in OF_NOTEBOOKS, name


def knows(path: Path, wanted: str) -> bool:
    return any(name.split(".")[1:2] == [wanted] for name in imported(path))


def test_the_rooms_below_floor_4_load_without_notebook_libraries() -> None:
    lower = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if FLOORS[room(path)] < 4
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(OF_NOTEBOOKS)!r}: sys.modules[name] = None\n"
        f"for name in {lower!r}: importlib.import_module(name)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
