"""What the kit remembers of a sandbox from one kernel to the next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.sandbox import files
from migration_cookbook.workspace import is_text, read_record, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.workspace import Workspace


def fresh(folder: Path, databases: Mapping[Dialect, tuple[Database, ...]]) -> dict[str, Any]:
    return {
        "files": files.snapshot(folder),
        "generated": {},
        "databases": {
            dialect.value: [
                {"name": each.name, "url": each.url.render_as_string(hide_password=False)} for each in listed
            ]
            for dialect, listed in databases.items()
        },
    }


def _path(workspace: Workspace, name: str) -> Path:
    return workspace.sandboxes / ".state" / f"{name}.json"


def read(workspace: Workspace, name: str) -> dict[str, Any]:
    """Return what was written; nothing where it can't be understood, so that every file counts as the learner's."""
    return read_record(_path(workspace, name), _is_valid) or {
        "files": {},
        "generated": {},
        "databases": {},
    }


def _is_valid(state: dict[str, Any]) -> bool:
    parts = [state.get(part) for part in ("files", "generated", "databases")]
    if not all(isinstance(part, dict) for part in parts):
        return False
    texts = [text for part in (state["files"], state["generated"]) for pair in part.items() for text in pair]
    listed = state["databases"]
    # A file's name may be bytes that are no text, so these are only strings.
    return all(isinstance(text, str) for text in texts) and all(
        kind in tuple(Dialect) and isinstance(each, list) and all(map(_is_database, each))
        for kind, each in listed.items()
    )


def _is_database(entry: Any) -> bool:
    if not isinstance(entry, dict) or not is_text(entry.get("name"), entry.get("url")):
        return False
    try:
        sa.make_url(entry["url"])
    except (sa.exc.ArgumentError, ValueError):
        return False
    return True


def write(workspace: Workspace, name: str, state: Mapping[str, Any]) -> None:
    # The passwords of the sandbox's roles stand in it.
    write_atomically(_path(workspace, name), json.dumps(state), mode=0o600)
