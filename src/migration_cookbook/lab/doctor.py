"""The doctor, which tries each part that a learner needs, and says what to do about each trouble."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import socket
import sqlite3
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migration_cookbook import __version__
from migration_cookbook.databases import engines, server, sqlite
from migration_cookbook.kernels import forking
from migration_cookbook.workspace import CookbookError, Workspace, checkout, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.databases.database import Database

#: What the book is made of; without one of them it can't be read.
PACKAGES = ("alembic", "sqlalchemy", "psycopg", "jupyterlab", "ipykernel", "ipython-sql", "pandas", "nbval")
#: Extensions that chapters create.
EXTENSIONS = ("btree_gist", "citext", "hstore", "ltree", "pg_trgm", "unaccent")
#: A sandbox takes about 16 MB, most of it the PostgreSQL database.
ENOUGH_DISK_MB = 500
_FIRST_PORT = 8888


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at."""

    name: str
    detail: str
    #: What to do; empty where all is well.
    remedy: str = ""
    #: Whether a learner could not work with this.
    is_fatal: bool = False

    @property
    def ok(self) -> bool:
        return not self.remedy


def examine() -> Iterator[Diagnosis]:
    """Try everything a learner needs, one after the other."""
    yield _python()
    yield from _packages()
    try:
        workspace = open_workspace()
    except CookbookError as error:
        yield Diagnosis("workspace", "can't be used", str(error), is_fatal=True)
        return
    yield from _workspace(workspace)
    yield _sqlite(workspace)
    yield from _postgres(workspace)
    yield _kernels()
    yield _port()


def line(diagnoses: list[Diagnosis]) -> str:
    """Return all of it in one line, to be sent to a teacher."""
    details = {diagnosis.name: diagnosis.detail for diagnosis in diagnoses}
    parts = [
        f"cookbook {__version__}",
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        f"alembic {details.get('alembic', 'missing')}",
        f"SQLite {sqlite3.sqlite_version}",
        f"PostgreSQL {details.get('PostgreSQL', 'not examined')}",
    ]
    troubles = [f"{diagnosis.name}: {diagnosis.detail}" for diagnosis in diagnoses if not diagnosis.ok]
    return " | ".join([*parts, f"TROUBLE {'; '.join(troubles)}" if troubles else "all is well"])


def _python() -> Diagnosis:
    return Diagnosis("Python", f"{platform.python_version()} in {sys.prefix}")


def _packages() -> Iterator[Diagnosis]:
    for name in PACKAGES:
        try:
            yield Diagnosis(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Diagnosis(name, "missing", "Run `make setup`, or pip install -e '.[book]'.", is_fatal=True)
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        version = importlib.metadata.version("jupysql")
        remedy = "It takes the import name `sql` of ipython-sql: pip uninstall jupysql, then make setup."
        yield Diagnosis("jupysql", version, remedy, is_fatal=True)


def _workspace(workspace: Workspace) -> Iterator[Diagnosis]:
    probe = workspace.root / ".doctor"
    try:
        probe.write_text("written\n")
        probe.unlink()
    except OSError as error:
        remedy = "Make the folder writable, or set COOKBOOK_HOME=/some/folder."
        yield Diagnosis("workspace", f"{workspace.root}: {error.strerror}", remedy, is_fatal=True)
        return
    yield Diagnosis("workspace", str(workspace.root))
    free = shutil.disk_usage(workspace.root).free // 2**20
    if free < ENOUGH_DISK_MB:
        yield Diagnosis(
            "disk", f"{free} MB free", f"Free some space: {ENOUGH_DISK_MB} MB are needed.", is_fatal=True
        )
    else:
        yield Diagnosis("disk", f"{free} MB free")
    if checkout() is None:
        remedy = "Clone the cookbook's repository and run this there: the chapters are in it."
        yield Diagnosis("checkout", "none", remedy, is_fatal=True)


def _sqlite(workspace: Workspace) -> Diagnosis:
    database = sqlite.create(workspace, "doctor")
    try:
        return Diagnosis("SQLite", f"{sqlite3.sqlite_version}, a query takes {_query_ms(database):.1f} ms")
    except sa.exc.SQLAlchemyError as error:
        return Diagnosis(
            "SQLite", _first_line(error), "The workspace must be on a disk of this computer.", is_fatal=True
        )
    finally:
        sqlite.drop(workspace, database)


def _postgres(workspace: Workspace) -> Iterator[Diagnosis]:
    try:
        host = server.attach(workspace)
        database = host.create("doctor")
    except CookbookError as error:
        yield Diagnosis("PostgreSQL", "not to be had", str(error), is_fatal=True)
        return
    try:
        took = _query_ms(database)
        yield Diagnosis("PostgreSQL", f"{host.version} ({host.origin}), a query takes {took:.1f} ms")
        for notice in host.notices:
            yield Diagnosis("PostgreSQL", notice)
        with engines.engine(database).connect() as connection:
            known = set(connection.execute(sa.text("SELECT name FROM pg_available_extensions")).scalars())
        missing = [name for name in EXTENSIONS if name not in known]
        remedy = "Some cells will say that an extension is missing. Install PostgreSQL's contrib package."
        detail = f"{', '.join(missing)} missing" if missing else ", ".join(EXTENSIONS)
        yield Diagnosis("extensions", detail, remedy if missing else "")
    finally:
        host.drop(database)


def _query_ms(database: Database) -> float:
    """Connect and ask, as a cell does."""
    start = time.perf_counter()
    with engines.engine(database).connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    return (time.perf_counter() - start) * 1000


def _kernels() -> Diagnosis:
    if not forking.CAN_FORK:
        detail = f"start cold, a second or two each: forking them is safe on Linux only, not on {platform.system()}"
        return Diagnosis("kernels", detail)
    try:
        forking.wait_for_template(sys.executable, os.environ)
    except forking.TemplateError as error:
        return Diagnosis(
            "kernels", f"start cold, a second or two each: the process to fork them from {error}"
        )
    return Diagnosis("kernels", "start warm: they're forked from a process that has imported everything")


def _port() -> Diagnosis:
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", _FIRST_PORT))
        except OSError:
            return Diagnosis("port", f"{_FIRST_PORT} is in use; JupyterLab takes the next free one")
    return Diagnosis("port", f"{_FIRST_PORT} is free")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
