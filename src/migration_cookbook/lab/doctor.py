"""Can somebody learn here? Each part is tried for real, and each trouble comes with its remedy."""

from __future__ import annotations

import contextlib
import importlib.metadata
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
class Finding:
    """One thing that was looked at."""

    name: str
    detail: str
    #: What to do; empty where all is well.
    remedy: str = ""
    #: Whether a learner could not work with this.
    stops: bool = False

    @property
    def well(self) -> bool:
        return not self.remedy


def examine() -> Iterator[Finding]:
    """Everything a learner needs, one after the other."""
    yield _python()
    yield from _packages()
    try:
        workspace = open_workspace()
    except CookbookError as error:
        yield Finding("workspace", "can't be used", str(error), stops=True)
        return
    yield from _workspace(workspace)
    yield _sqlite(workspace)
    yield from _postgres(workspace)
    yield _port()


def line(findings: list[Finding]) -> str:
    """All of it in one line, to be sent to a teacher."""
    details = {finding.name: finding.detail for finding in findings}
    parts = [
        f"cookbook {__version__}",
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        f"alembic {details.get('alembic', 'missing')}",
        f"SQLite {sqlite3.sqlite_version}",
        f"PostgreSQL {details.get('PostgreSQL', 'not examined')}",
    ]
    troubles = [f"{finding.name}: {finding.detail}" for finding in findings if not finding.well]
    return " | ".join([*parts, f"TROUBLE {'; '.join(troubles)}" if troubles else "all is well"])


def _python() -> Finding:
    return Finding("Python", f"{platform.python_version()} in {sys.prefix}")


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "missing", "Run `make setup`, or pip install -e '.[book]'.", stops=True)
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        version = importlib.metadata.version("jupysql")
        remedy = "It takes the import name `sql` of ipython-sql: pip uninstall jupysql, then make setup."
        yield Finding("jupysql", version, remedy, stops=True)


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    probe = workspace.root / ".doctor"
    try:
        probe.write_text("written\n")
        probe.unlink()
    except OSError as error:
        remedy = "Make the folder writable, or set COOKBOOK_HOME=/some/folder."
        yield Finding("workspace", f"{workspace.root}: {error.strerror}", remedy, stops=True)
        return
    yield Finding("workspace", str(workspace.root))
    free = shutil.disk_usage(workspace.root).free // 2**20
    if free < ENOUGH_DISK_MB:
        yield Finding(
            "disk", f"{free} MB free", f"Free some space: {ENOUGH_DISK_MB} MB are needed.", stops=True
        )
    else:
        yield Finding("disk", f"{free} MB free")
    if checkout() is None:
        remedy = "Clone the cookbook's repository and run this there: the chapters are in it."
        yield Finding("checkout", "none", remedy, stops=True)


def _sqlite(workspace: Workspace) -> Finding:
    database = sqlite.create(workspace, "doctor")
    try:
        return Finding("SQLite", f"{sqlite3.sqlite_version}, a query takes {_query_ms(database):.1f} ms")
    except sa.exc.SQLAlchemyError as error:
        return Finding(
            "SQLite", _first_line(error), "The workspace must be on a disk of this computer.", stops=True
        )
    finally:
        sqlite.drop(workspace, database)


def _postgres(workspace: Workspace) -> Iterator[Finding]:
    try:
        host = server.attach(workspace)
        database = host.create("doctor")
    except CookbookError as error:
        yield Finding("PostgreSQL", "not to be had", str(error), stops=True)
        return
    try:
        took = _query_ms(database)
        yield Finding("PostgreSQL", f"{host.version} ({host.origin}), a query takes {took:.1f} ms")
        for notice in host.notices:
            yield Finding("PostgreSQL", notice)
        with engines.engine(database).connect() as connection:
            known = set(connection.execute(sa.text("SELECT name FROM pg_available_extensions")).scalars())
        missing = [name for name in EXTENSIONS if name not in known]
        remedy = "Some cells will say that an extension is missing. Install PostgreSQL's contrib package."
        detail = f"{', '.join(missing)} missing" if missing else ", ".join(EXTENSIONS)
        yield Finding("extensions", detail, remedy if missing else "")
    finally:
        host.drop(database)


def _query_ms(database: Database) -> float:
    """Connect and ask, as a cell does."""
    start = time.perf_counter()
    with engines.engine(database).connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    return (time.perf_counter() - start) * 1000


def _port() -> Finding:
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", _FIRST_PORT))
        except OSError:
            return Finding("port", f"{_FIRST_PORT} is in use; JupyterLab takes the next free one")
    return Finding("port", f"{_FIRST_PORT} is free")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
