"""The public face of the checker: what other packages use, and nothing deeper."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from migration_cookbook import verify

PACKAGE = Path(verify.__file__).parents[1]
FACE = "migration_cookbook.verify"
#: The benchmarks measure the steps of the checker one by one, so they may look inside.
MEASURES_THE_CHECKER = "bench"
USERS = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] not in ("verify", MEASURES_THE_CHECKER)
)
#: Pytest loads it in other people's projects, so it uses the checker as other packages do.
USERS.append(PACKAGE / "verify" / "pytest_plugin.py")


def imports(path: Path) -> set[tuple[str, str]]:
    """Return the module and the name of each import, at the top, in a function or for type checking."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update((node.module or "", alias.name) for alias in node.names)
    return found


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_nobody_imports_deeper(path: Path) -> None:
    for module, name in imports(path):
        assert not module.startswith(f"{FACE}."), module
        if module == FACE:
            assert name in verify.__all__


def test_each_name_has_a_user() -> None:
    used = {name for path in USERS for module, name in imports(path) if module == FACE}
    assert used == set(verify.__all__)


@pytest.mark.parametrize("name", verify.__all__)
def test_each_name_is_what_type_checkers_take_it_for(name: str) -> None:
    (module,) = {module for module, one in imports(Path(verify.__file__)) if one == name}
    assert getattr(verify, name) is getattr(sys.modules[module], name)


def test_there_is_nothing_else() -> None:
    assert set(verify.__all__) <= set(dir(verify))
    with pytest.raises(
        AttributeError, match=r"^module 'migration_cookbook\.verify' has no attribute 'nothing'$"
    ):
        verify.nothing  # noqa: B018  # asking is the test


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import migration_cookbook.verify", set()),
        # What a kernel needs for `%%op`, and the command line for its help.
        ("from migration_cookbook.verify import Form, Verdict", {"values.snippet", "values.verdict"}),
        ("from migration_cookbook.verify import REPORT_FORMATS", {"report"}),
    ],
)
def test_a_name_loads_its_own_module_only(code: str, loaded: set[str]) -> None:
    code += f"\nimport sys\nprint(*(name for name in sys.modules if name.startswith('{FACE}.')))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.removeprefix(f"{FACE}.") for name in ended.stdout.split()} - {"values"} == loaded
