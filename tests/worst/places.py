"""Workspaces that go away with their servers, and copies of the checkout."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.editions.book import this_book
from migration_cookbook.workspace import HOME_VARIABLE, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a checkout needs to open a lab, to build and to test.
_PARTS = ("src", "sandbox_project", "chapters", "notebooks", "tests", "pyproject.toml", "requirements.lock")


@contextlib.contextmanager
def disposable(root: Path) -> Iterator[Workspace]:
    """A workspace whose server and whose folders elsewhere are gone afterwards."""
    workspace = open_workspace(root)
    try:
        yield workspace
    finally:
        server.remove(workspace)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's is closed."""
    folder = Path(tempfile.mkdtemp(prefix="cookbook-worst-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def copy_checkout(folder: Path) -> Path:
    """A checkout of its own: its workspace, its server and its code are not this one's."""
    copy = folder / "checkout"
    copy.mkdir()
    forgotten = shutil.ignore_patterns("__pycache__", "*.db")
    for part in _PARTS:
        source = this_book().root / part
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=forgotten)
        else:
            shutil.copy2(source, copy / part)
    return copy


def cookbook(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "migration_cookbook.cli", *arguments]


def environment_in(copy: Path) -> dict[str, str]:
    """The environment in which Python finds the copy's code before ours."""
    without = {
        key: value for key, value in os.environ.items() if key not in (HOME_VARIABLE, OWN_SERVER_VARIABLE)
    }
    return without | {"PYTHONPATH": str(copy / "src")}
