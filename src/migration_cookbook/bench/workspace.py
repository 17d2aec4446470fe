"""A workspace to measure in, apart from the learner's."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.databases import server
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.workspace import Workspace


@contextlib.contextmanager
def temporary_workspace() -> Iterator[Workspace]:
    """Make a workspace that takes its servers and their data along when it goes."""
    folder = Path(tempfile.mkdtemp(prefix="cookbook-bench-"))
    workspace = open_workspace(folder / "workspace")
    try:
        yield workspace
    finally:
        # A build and a check have workspaces of their own in this one.
        inner = [record.parent for record in workspace.root.glob("*/installation.json")]
        for root in (workspace.root, *inner):
            server.remove(open_workspace(root))
        shutil.rmtree(folder, ignore_errors=True)
