"""SQLite databases of ours: how they are made, cloned and dropped.

A database is a file inside the workspace. It's built in a temporary folder and moved to its place when
it's finished. A file that the journal doesn't know isn't ours.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migration_cookbook.databases.backend import Capabilities
from migration_cookbook.databases.database import Database, Template
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import Journal, State, fresh_name, stable_name
from migration_cookbook.workspace import CookbookError, private_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.workspace import Workspace

#: A file has no roles, and any process can open it.
CAPABILITIES = Capabilities(has_roles=False, has_second_session=True, can_run_processes=True)

#: While it is being made.
_NAME = "building.db"
_SIDECARS = ("-journal", "-wal", "-shm")


@dataclass(frozen=True)
class SqliteFile:
    """A place for one database, as a source: what's made replaces what was there, if that is ours."""

    workspace: Workspace
    path: Path

    def create(self, label: str) -> Database:
        """Create an empty database."""
        return create(self.workspace, label, self.path)

    def clone(self, template: Template, label: str) -> Database:
        """Create a database from a template."""
        return clone(self.workspace, template, label, self.path)

    def template(self, key: str, build: Callable[[Database], None]) -> Template:
        """Return the template of this key; if there is none, `build` fills a new database that becomes it."""
        return template(self.workspace, key, build)

    def drop(self, database: Database) -> None:
        """Remove a database of ours. One that's gone already isn't an error."""
        drop(self.workspace, database)


def create(workspace: Workspace, label: str, path: Path | None = None) -> Database:
    """Create an empty database, at `path` if one is given; one of ours there is replaced."""
    with workspace.building() as folder:
        building = folder / _NAME
        building.touch()
        return _install(workspace, building, path or _own_path(workspace, label))


def clone(workspace: Workspace, template: Template, label: str, path: Path | None = None) -> Database:
    """Create a database from a template, at `path` if one is given; one of ours there is replaced."""
    with workspace.building() as folder:
        building = folder / _NAME
        shutil.copyfile(template.name, building)
        return _install(workspace, building, path or _own_path(workspace, label))


def drop(workspace: Workspace, database: Database) -> None:
    """Remove a database of ours. One that is gone is no error."""
    path = _checked(workspace, Path(database.name))
    _remove(path)
    _journal(workspace).note(_key(workspace, path), State.GONE)


def template(workspace: Workspace, key: str, build: Callable[[Database], None]) -> Template:
    """Return the template of this key; if there is none, `build` fills a new database that becomes it."""
    name = stable_name(workspace.installation, "template", key)
    path = workspace.databases / "templates" / f"{name}.db"
    with workspace.lock(f"{name}-sqlite"):
        if not path.exists():
            private_folder(path.parent)
            with workspace.building() as folder:
                building = folder / _NAME
                building.touch()
                build(_database(building))
                _checkpoint(building)
                building.replace(path)
    return Template(Dialect.SQLITE, str(path))


def is_ours(workspace: Workspace, path: Path) -> bool:
    """Whether the journal says that we put the file at this path."""
    entry = _journal(workspace).entries().get(_key(workspace, path))
    return entry is not None and entry.state is State.FINISHED


def _install(workspace: Workspace, building: Path, path: Path) -> Database:
    target = _checked(workspace, path)
    private_folder(target.parent)
    journal, key = _journal(workspace), _key(workspace, target)
    if not is_ours(workspace, target):
        journal.note(key, State.INTENDED)
    _remove(target)
    try:
        # Made, not replaced: what somebody put there since the check is not overwritten.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        journal.note(key, State.GONE)
        raise _not_ours(target) from None
    journal.note(key, State.FINISHED)
    building.replace(target)
    return _database(target)


def _checked(workspace: Workspace, path: Path) -> Path:
    """Return the path, if it's in the workspace and there's nothing or a database of ours."""
    path = path.absolute()
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(workspace.root)):
        raise CookbookError(f"{path} leads out of the workspace {workspace.root}. Nothing there was touched.")
    if os.path.lexists(path) and (
        path.is_symlink() or not path.is_file() or not _is_replaceable(workspace, path)
    ):
        raise _not_ours(path)
    return path


def _is_replaceable(workspace: Workspace, path: Path) -> bool:
    """Whether a file is ours, or the empty one of a call that was killed before it could say so."""
    entry = _journal(workspace).entries().get(_key(workspace, path))
    return entry is not None and (entry.state is State.FINISHED or path.stat().st_size == 0)


def _not_ours(path: Path) -> CookbookError:
    return CookbookError(f"{path} is not a file of the cookbook's. It was left alone; move it to go on.")


def _remove(path: Path) -> None:
    """Remove a database, then its journal: a journal next to a new database would be rolled back into it."""
    path.unlink(missing_ok=True)
    for suffix in _SIDECARS:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _checkpoint(path: Path) -> None:
    """Bring everything into the one file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _own_path(workspace: Workspace, label: str) -> Path:
    return workspace.databases / "sqlite" / f"{fresh_name(workspace.installation, label)}.db"


def _journal(workspace: Workspace) -> Journal:
    return Journal(workspace, "sqlite")


def _key(workspace: Workspace, path: Path) -> str:
    """Return a file's name in the journal: relative, so that a workspace may be moved."""
    return os.path.relpath(os.path.realpath(path), os.path.realpath(workspace.root))


def _database(path: Path) -> Database:
    return Database(Dialect.SQLITE, str(path), sa.URL.create("sqlite", database=str(path)))
