"""What does the kit remember of a sandbox, from one kernel to the next?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from migration_cookbook.sandbox import files
from migration_cookbook.workspace import read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.kinds import Kind
    from migration_cookbook.workspace import Workspace


def fresh(folder: Path, databases: Mapping[Kind, tuple[Database, ...]]) -> dict[str, Any]:
    return {
        "files": files.snapshot(folder),
        "generated": {},
        "databases": {
            kind.value: [
                {"name": each.name, "url": each.url.render_as_string(hide_password=False)} for each in listed
            ]
            for kind, listed in databases.items()
        },
    }


def _path(workspace: Workspace, name: str) -> Path:
    return workspace.sandboxes / ".state" / f"{name}.json"


def read(workspace: Workspace, name: str) -> dict[str, Any]:
    return read_json(_path(workspace, name)) or {
        "files": {},
        "generated": {},
        "databases": {},
    }


def write(workspace: Workspace, name: str, state: Mapping[str, Any]) -> None:
    # The passwords of the sandbox's roles stand in it.
    write_atomically(_path(workspace, name), json.dumps(state), mode=0o600)
