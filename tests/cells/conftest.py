"""One workspace and one server a worker, one shell a test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from notebook_desk import open_desk

from left_files import remove_left_files
from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment
from migration_cookbook.workspace import HOME_VARIABLE, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebook_desk import Desk

    from migration_cookbook.workspace import Workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_SERVER_VARIABLE, raising=False)
        clean_environment()
        opened = open_workspace(tmp_path_factory.mktemp("cells") / "workspace")
        server.attach(opened)
        yield opened
        server.remove(opened)


@pytest.fixture(autouse=True)
def at_home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each test anew: other rooms' tests, which have other homes, may run between them."""
    monkeypatch.setenv(HOME_VARIABLE, str(workspace.root))
    monkeypatch.setenv("IPYTHONDIR", str(workspace.root.parent / "ipython"))


@pytest.fixture
def blank(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A notebook in which nothing has run yet, in a workspace where no test before left a file."""
    monkeypatch.chdir(Path("/"))
    remove_left_files(workspace)
    with open_desk(workspace) as desk:
        yield desk


@pytest.fixture
def desk(blank: Desk) -> Desk:
    """A notebook that knows the magics."""
    blank.run("%load_ext migration_cookbook")
    return blank


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """A notebook with the bookshop at 0003."""
    desk.run("%sandbox page --at 0003")
    return desk
