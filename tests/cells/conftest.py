"""One workspace and one server a worker, one shell a test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from notebook_desk import open_desk
from one_session import OneSessionServer, attached, one_session_server

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


@pytest.fixture(scope="session")
def one_session(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneSessionServer]:
    other = open_workspace(tmp_path_factory.mktemp("one-session") / "workspace")
    with one_session_server(server.attach(workspace), other) as backend:
        yield backend


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """The workspace of a notebook whose databases are the kit's own server's, or another backend's."""
    if getattr(request, "param", "kit") == "kit":
        yield request.getfixturevalue("workspace")
        return
    backend: OneSessionServer = request.getfixturevalue("one_session")
    with attached(backend):
        yield backend.workspace


@pytest.fixture(autouse=True)
def at_home(backend: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each test anew: other rooms' tests, which have other homes, may run between them."""
    monkeypatch.setenv(HOME_VARIABLE, str(backend.root))
    monkeypatch.setenv("IPYTHONDIR", str(backend.root.parent / "ipython"))


@pytest.fixture
def blank(backend: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A notebook in which nothing has run yet, in a workspace where no test before left a file."""
    monkeypatch.chdir(Path("/"))
    remove_left_files(backend)
    with open_desk(backend) as desk:
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
