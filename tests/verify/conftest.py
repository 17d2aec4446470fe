"""One real server for all these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from trying import Desk

from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment
from migration_cookbook.workspace import HOME_VARIABLE, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace


@pytest.fixture(scope="session")
def verify_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_SERVER_VARIABLE, raising=False)
        clean_environment()
        workspace = open_workspace(tmp_path_factory.mktemp("verify") / "workspace")
        yield workspace
        server.remove(workspace)


@pytest.fixture(autouse=True)
def at_home(verify_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each test anew: other rooms' tests, which have other homes, may run between them."""
    monkeypatch.setenv(HOME_VARIABLE, str(verify_workspace.root))


@pytest.fixture(scope="session")
def verify_server(verify_workspace: Workspace) -> Server:
    return server.attach(verify_workspace)


@pytest.fixture
def database(verify_server: Server) -> Iterator[Database]:
    """A PostgreSQL database of the test's own, empty."""
    made = verify_server.create("test")
    yield made
    verify_server.drop(made)


@pytest.fixture(scope="session")
def desk(verify_server: Server) -> Iterator[Desk]:
    """Where single snippets are tried out."""
    scratch = verify_server.create("desk")
    yield Desk(scratch)
    verify_server.drop(scratch)
