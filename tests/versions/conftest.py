"""The whole book, run in a workspace of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.editions.book import Book, this_book
from migration_cookbook.editions.reference import REFERENCE_VARIABLE
from migration_cookbook.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """The chapters as they are, with a place of their own for what comes out."""
    copy = Book(tmp_path / "book")
    copy.root.mkdir()
    for name in ("chapters", "requirements.lock"):
        (copy.root / name).symlink_to(this_book().root / name)
    return copy


@pytest.fixture
def workspace_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Workspace]]:
    """Makes workspaces whose servers, with all their data, are gone afterwards."""
    monkeypatch.delenv(OWN_SERVER_VARIABLE, raising=False)
    # These are other environments on purpose.
    monkeypatch.delenv(REFERENCE_VARIABLE, raising=False)
    opened: list[Workspace] = []

    def open_at(root: Path) -> Workspace:
        opened.append(open_workspace(root))
        return opened[-1]

    yield open_at
    for workspace in opened:
        server.remove(workspace)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "workspace")


@pytest.fixture
def home(workspace: Workspace, workspace_at: Callable[[Path], Workspace]) -> Workspace:
    """The workspace in the workspace in which a build has its sandboxes and its server."""
    return workspace_at(workspace.root / "build")
