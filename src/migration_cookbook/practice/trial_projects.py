"""Projects with their own databases for trials of an answer, removed afterwards."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migration_cookbook.databases import sqlite
from migration_cookbook.databases.database import Database
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import fresh_name
from migration_cookbook.sandbox import opening, project
from migration_cookbook.sandbox.plan import Plan, plan
from migration_cookbook.workspace import private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from migration_cookbook.databases.backend import DatabaseSource
    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.trial_resources import TrialResources
    from migration_cookbook.workspace import Workspace

_LABEL = "try"


@dataclass(frozen=True)
class TrialProject:
    """An empty folder, and databases as they are at the exercise's start."""

    folder: Path
    databases: Mapping[Dialect, Database]


def start_plan(exercise: Exercise) -> Plan:
    """Return the plan of the sandbox that an exercise begins with, before the given steps."""
    bare = exercise.start == "bare"
    at = None if bare else exercise.start
    return plan(exercise.id, at=at, database_at=None, bare=bare, rows=True, databases="1")


@contextlib.contextmanager
def trial_project(
    resources: TrialResources, exercise: Exercise, *, empty: bool = False
) -> Iterator[TrialProject]:
    """Provide a project for one trial: its folder is empty, and so are its databases if `empty` says so."""
    folder = trials_folder(resources.workspace) / secrets.token_hex(6)
    private_folder(folder / "project")
    databases: dict[Dialect, Database] = {}
    start = start_plan(exercise)
    sources: dict[Dialect, DatabaseSource] = {
        Dialect.SQLITE: sqlite.SqliteFile(resources.workspace, folder / "bookshop.db")
    }
    if resources.server:
        sources[Dialect.POSTGRES] = resources.server
    try:
        for dialect in resources.available(exercise.databases):
            source = sources[dialect]
            databases[dialect] = (
                source.create(_LABEL) if empty else opening.new_database(source, start, _LABEL)
            )
        yield TrialProject(folder / "project", databases)
    finally:
        for dialect, database in databases.items():
            sources[dialect].drop(database)
        shutil.rmtree(folder, ignore_errors=True)


def write_start(folder: Path, exercise: Exercise) -> None:
    """Write the project's files as the exercise begins, before the given steps."""
    if exercise.start != "bare":
        project.write(folder, exercise.start)


def remove_leftovers(resources: TrialResources) -> None:
    """Remove the trial projects of killed processes."""
    for path in trials_folder(resources.workspace).glob("*/bookshop.db"):
        sqlite.drop(resources.workspace, Database(Dialect.SQLITE, str(path), sa.URL.create("sqlite")))
    shutil.rmtree(trials_folder(resources.workspace), ignore_errors=True)
    if resources.server:
        family = fresh_name(resources.workspace.installation, _LABEL).rpartition("_")[0]
        for name in resources.server.names():
            if name.rpartition("_")[0] == family:
                resources.server.drop_named(name)


def trials_folder(workspace: Workspace) -> Path:
    """Return the folder of a workspace's trial projects."""
    return workspace.root / "practice" / "tries"
