"""Each package imports only from layers below it, modules import in no circle, and no package holds too much."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "migration_cookbook"

#: Each package or module directly in `migration_cookbook`, from the ground up, as in CONTRIBUTING.md.
#: A package is a layer of its own.
LAYERS = (
    *(
        "package",
        "printable",
        "python_private",
        "mutations",
        "workspace",
        "strict_markdown",
        "databases",
        "schema",
        "worker",
    ),
    *(
        "locks",
        "sandbox",
        "display",
        "verify",
        "practice",
        "cells",
        "__init__",
        "kernels",
        "editions",
        "bench",
    ),
    *("lab", "cli"),
)
#: The same in `verify`, whose `__init__` is its public face.
VERIFY_LAYERS = (
    *("values", "containment", "reading", "required_schema", "trial", "judging", "process", "report"),
    *("command", "check_sheets", "__init__", "pytest_plugin"),
)
#: From here on there are notebooks.
FIRST_WITH_NOTEBOOKS = "cells"

#: Only the extra `[book]` installs these.
OF_NOTEBOOKS = {
    *("IPython", "ipykernel", "jupyter_client", "jupyter_core", "jupyterlab", "jupytext"),
    *("nbclient", "nbformat", "nbval", "pandas", "prettytable", "sql", "traitlets"),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def parents(module: str) -> set[str]:
    """The packages that a module is in."""
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def named(tree: ast.Module) -> set[str]:
    """Every module that's imported: at the top, in a function, or for type checking."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which package is meant"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if inner in MODULES else str(node.module))
    return names


def needed(module: str, names: set[str]) -> set[str]:
    """The modules of ours that run for these imports: those named, and the packages that these are in.

    The packages that the module itself is in are running already: they count where they're named.
    """
    ours = names & set(MODULES)
    return ours | {parent for name in ours for parent in parents(name) - parents(module) - {module}}


@cache
def imports(module: str) -> set[str]:
    return named(ast.parse(MODULES[module].read_text(encoding="utf-8")))


@cache
def graph_of_modules() -> dict[str, set[str]]:
    return {name: needed(name, imports(name)) for name in MODULES}


def part(module: str, package: str) -> str:
    """Which package or module directly in `package` a module belongs to."""
    return module.removeprefix(package).removeprefix(".").partition(".")[0] or "__init__"


def upward(graph: dict[str, set[str]], package: str, layers: tuple[str, ...]) -> list[str]:
    """The imports between the parts of a package that don't lead down."""
    inside = {name for name in graph if name == package or name.startswith(f"{package}.")}
    return [
        f"{name} imports {other}"
        for name in sorted(inside)
        for other in sorted(graph[name] & inside)
        if part(name, package) != part(other, package)
        and layers.index(part(name, package)) <= layers.index(part(other, package))
    ]


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a circle, none if no modules do."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize(
    ("package", "layers"),
    [("migration_cookbook", LAYERS), ("migration_cookbook.verify", VERIFY_LAYERS)],
)
def test_imports_lead_down(package: str, layers: tuple[str, ...]) -> None:
    inside = {name for name in MODULES if name == package or name.startswith(f"{package}.")}
    assert {part(name, package) for name in inside} == set(layers)
    assert upward(graph_of_modules(), package, layers) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(graph_of_modules()) == []


def test_an_import_upward_is_seen() -> None:
    graph = {"m": {"m.a"}, "m.a": {"m.b.c"}, "m.b.c": set(), "m.b": set()}
    assert upward(graph, "m", ("b", "a", "__init__")) == []
    assert upward(graph, "m", ("a", "b", "__init__")) == ["m.a imports m.b.c"]
    assert upward(graph, "m", ("__init__", "b", "a")) == ["m imports m.a"]


@pytest.mark.parametrize(
    "text",
    [
        "import migration_cookbook.lab.doctor",
        "from migration_cookbook.lab import doctor",
        "def f():\n    from migration_cookbook.lab.doctor import Finding",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from migration_cookbook.lab.doctor import Finding",
    ],
)
def test_an_import_is_seen_wherever_it_is_and_brings_its_package(text: str) -> None:
    found = needed("migration_cookbook.locks.lock", named(ast.parse(text)))
    assert found == {"migration_cookbook.lab", "migration_cookbook.lab.doctor"}
    assert needed("migration_cookbook.lab.jupyter", named(ast.parse(text))) == {
        "migration_cookbook.lab.doctor"
    }


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


def test_no_package_holds_more_than_an_eighth_of_the_code() -> None:
    """Of its own: what's in its subpackages counts there."""
    lines: Counter[Path] = Counter()
    for path in MODULES.values():
        lines[path.parent] += len(path.read_text(encoding="utf-8").splitlines())
    assert {folder: count for folder, count in lines.items() if count > lines.total() / 8} == {}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "migration_cookbook"])
def test_no_notebook_library_comes_in_below_the_notebooks(name: str) -> None:
    if is_below_notebooks(name):
        assert {imported.partition(".")[0] for imported in imports(name)} & OF_NOTEBOOKS == set()


def is_below_notebooks(module: str) -> bool:
    return LAYERS.index(part(module, "migration_cookbook")) < LAYERS.index(FIRST_WITH_NOTEBOOKS)


def test_what_is_below_the_notebooks_loads_without_their_libraries() -> None:
    lower = [name for name in MODULES if is_below_notebooks(name)]
    assert len(lower) > len(MODULES) / 2
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(OF_NOTEBOOKS)!r}: sys.modules[name] = None\n"
        f"for name in {lower!r}: importlib.import_module(name)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_contributing_has_the_same_layers() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([\w.]+)/?` \|", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(len(LAYERS)))
    assert tuple(name.removesuffix(".py") for _, name in rows) == LAYERS
