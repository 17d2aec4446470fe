"""Where is an answer tried out? In a folder and on databases of its own, gone afterwards."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migration_cookbook.databases import server, sqlite
from migration_cookbook.databases.database import Database
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import fresh_name
from migration_cookbook.sandbox import opening, project
from migration_cookbook.sandbox.plan import Plan, plan
from migration_cookbook.workspace import CookbookError, private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from migration_cookbook.databases.backend import Backend, DatabaseSource
    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.workspace import Workspace

_LABEL = "try"


@dataclass(frozen=True)
class World:
    """An empty folder, and databases as they are at the exercise's start."""

    folder: Path
    databases: Mapping[Dialect, Database]


@dataclass(frozen=True)
class TrialResources:
    """What worlds are made of."""

    workspace: Workspace
    #: None where there is no PostgreSQL.
    server: Backend | None
    #: Why, with the remedy.
    unavailable: str | None

    def dialects(self, exercise: Exercise) -> tuple[Dialect, ...]:
        """The databases of the exercise that are to be had."""
        return tuple(dialect for dialect in exercise.databases if dialect is Dialect.SQLITE or self.server)


@contextlib.contextmanager
def ground(workspace: Workspace) -> Iterator[TrialResources]:
    """The ground for worlds; one process at a time, so that nobody sweeps away another's."""
    with workspace.lock("practice"), contextlib.ExitStack() as stack:
        host, unavailable = None, None
        try:
            host = stack.enter_context(server.attach(workspace).shared_admin_connection())
        except CookbookError as error:
            unavailable = str(error)
        yield TrialResources(workspace, host, unavailable)


def start_plan(exercise: Exercise) -> Plan:
    """The sandbox that an exercise begins with, before what is given."""
    bare = exercise.start == "bare"
    at = None if bare else exercise.start
    return plan(exercise.id, at=at, database_at=None, bare=bare, rows=True, databases="1")


@contextlib.contextmanager
def world(on: TrialResources, exercise: Exercise, *, empty: bool = False) -> Iterator[World]:
    """A world for one trial: the folder is empty, and so are the databases if that is asked for."""
    folder = tries(on.workspace) / secrets.token_hex(6)
    private_folder(folder / "project")
    made: dict[Dialect, Database] = {}
    start = start_plan(exercise)
    sources: dict[Dialect, DatabaseSource] = {
        Dialect.SQLITE: sqlite.SqliteFile(on.workspace, folder / "bookshop.db")
    }
    if on.server:
        sources[Dialect.POSTGRES] = on.server
    try:
        for dialect in on.dialects(exercise):
            source = sources[dialect]
            made[dialect] = source.create(_LABEL) if empty else opening.new_database(source, start, _LABEL)
        yield World(folder / "project", made)
    finally:
        for dialect, database in made.items():
            sources[dialect].drop(database)
        shutil.rmtree(folder, ignore_errors=True)


def write_start(folder: Path, exercise: Exercise) -> None:
    """The project's files as the exercise begins, before what is given."""
    if exercise.start != "bare":
        project.write(folder, exercise.start)


def tidy(on: TrialResources) -> None:
    """Remove what killed processes left of their worlds."""
    for path in tries(on.workspace).glob("*/bookshop.db"):
        sqlite.drop(on.workspace, Database(Dialect.SQLITE, str(path), sa.URL.create("sqlite")))
    shutil.rmtree(tries(on.workspace), ignore_errors=True)
    if on.server:
        family = fresh_name(on.workspace.installation, _LABEL).rpartition("_")[0]
        for name in on.server.names():
            if name.rpartition("_")[0] == family:
                on.server.drop_named(name)


def tries(workspace: Workspace) -> Path:
    """Where the worlds of a workspace stand while they last."""
    return workspace.root / "practice" / "tries"
