"""One real server for all these tests, and one more for those that break it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment
from migration_cookbook.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from migration_cookbook.databases.postgres import Server


@pytest.fixture(scope="session", autouse=True)
def clean_session() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_SERVER_VARIABLE, raising=False)
        clean_environment()
        yield


@contextlib.contextmanager
def disposable(root: Path) -> Iterator[Workspace]:
    """A workspace whose server and whose folders elsewhere are gone afterwards."""
    workspace = open_workspace(root)
    try:
        yield workspace
    finally:
        server.remove(workspace)
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def server_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with disposable(tmp_path_factory.mktemp("shared") / "workspace") as workspace:
        yield workspace


@pytest.fixture(scope="session")
def running(server_workspace: Workspace) -> Server:
    return server.attach(server_workspace)


@pytest.fixture
def shared(running: Server) -> Iterator[Server]:
    """The shared server; what a test leaves there is dropped."""
    before = set(running.names())
    yield running
    for name in set(running.names()) - before:
        running.drop_named(name)
    running.sweep()


@pytest.fixture(scope="module")
def unlucky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace whose server meets with accidents."""
    with disposable(tmp_path_factory.mktemp("accidents") / "workspace") as workspace:
        yield workspace


@pytest.fixture
def workspace_at() -> Iterator[Callable[[Path], Workspace]]:
    """Makes workspaces that are cleaned away with their servers."""
    with contextlib.ExitStack() as stack:
        yield lambda root: stack.enter_context(disposable(root))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user `nobody` can reach, as a checkout in /opt would be; pytest's is closed."""
    folder = Path(tempfile.mkdtemp(prefix="open-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
