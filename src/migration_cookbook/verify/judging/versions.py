"""The versions of the databases that a run asks."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from migration_cookbook.databases import server
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from migration_cookbook.workspace import Workspace


def database_versions(workspace: Workspace, dialects: Iterable[Dialect]) -> dict[Dialect, str]:
    """Return the versions by dialect; an empty one where a database is unavailable."""
    return {
        dialect: sqlite3.sqlite_version if dialect is Dialect.SQLITE else _of_postgres(workspace)
        for dialect in dialects
    }


def _of_postgres(workspace: Workspace) -> str:
    try:
        return server.attach(workspace).version
    except CookbookError:
        return ""
