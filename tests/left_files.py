"""What tests before wrote into the sandboxes of a workspace that they share."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from migration_cookbook.sandbox import files

if TYPE_CHECKING:
    from migration_cookbook.workspace import Workspace


def remove_left_files(workspace: Workspace) -> None:
    """The next sandbox would keep them as changed by hand, and say so."""
    shutil.rmtree(workspace.kept, ignore_errors=True)
    for folder in workspace.sandboxes.glob("*/"):
        files.empty(folder)
