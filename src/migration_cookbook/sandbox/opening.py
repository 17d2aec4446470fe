"""Opening of a fresh sandbox, or of the one that was left.

Its databases are cloned from templates, which the project's own migrations built.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook.databases import server, sqlite
from migration_cookbook.databases.database import Database
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import fresh_name
from migration_cookbook.sandbox import commandline, files, project, state
from migration_cookbook.sandbox.command import parse
from migration_cookbook.sandbox.plan import Plan, check_name
from migration_cookbook.sandbox.sandbox import FIRST_MOMENT, Sandbox
from migration_cookbook.workspace import CookbookError, private_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from migration_cookbook.databases.backend import Backend, DatabaseSource
    from migration_cookbook.workspace import Workspace


def open_fresh(workspace: Workspace, plan: Plan) -> tuple[Sandbox, tuple[str, ...]]:
    """Open a sandbox as planned, with what to tell the user; only files changed by hand are kept of the one before."""
    private_folder(workspace.sandboxes)
    folder = workspace.sandboxes / plan.name
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise CookbookError(f"{folder} is not a folder of the cookbook's. Move it away, and run this again.")
    notices: list[str] = []
    with workspace.lock(f"sandbox-{plan.name}"), contextlib.ExitStack() as stack:
        old = state.read(workspace, plan.name)
        kept = files.keep_changed(workspace, plan.name, folder, old["files"])
        notices += [kept] if kept else []
        host, unavailable = _server(workspace)
        if host:
            notices += host.notices
            host = stack.enter_context(host.shared_admin_connection())
        _tidy(workspace, host)
        _drop_old(workspace, host, plan, old)
        files.empty(folder)
        commandline.forget_modules(folder)
        if not plan.bare:
            project.write(folder, plan.at)
        # From here on a kill leaves files that are known to be the kit's.
        state.write(workspace, plan.name, state.fresh(folder, {}))
        databases = {
            dialect: tuple(new_database(source, plan, plan.label) for source in sources)
            for dialect, sources in _sources(workspace, plan, folder, host).items()
        }
        state.write(workspace, plan.name, state.fresh(folder, databases))
    return Sandbox(plan.name, workspace, databases, unavailable, _versions(host)), tuple(notices)


def resume(workspace: Workspace, name: str) -> Sandbox:
    """Return the sandbox as it was left, after a restart of the kernel."""
    check_name(name)
    known = state.read(workspace, name)
    if not known["databases"] or not (workspace.sandboxes / name).is_dir():
        raise CookbookError(f"There is no sandbox {name} to resume. Run %sandbox {name} without --resume.")
    host, unavailable = _server(workspace)
    if host and host.notices:
        raise CookbookError(" ".join(host.notices))
    databases = {
        Dialect(kind): tuple(
            Database(Dialect(kind), each["name"], sa.make_url(each["url"])) for each in listed
        )
        for kind, listed in known["databases"].items()
        if kind == Dialect.SQLITE or host
    }
    if host and Dialect.POSTGRES in databases:
        databases[Dialect.POSTGRES] = tuple(
            host.restore_settings(each) for each in databases[Dialect.POSTGRES]
        )
    return Sandbox(name, workspace, databases, unavailable, _versions(host))


def _server(workspace: Workspace) -> tuple[Backend | None, str | None]:
    try:
        return server.attach(workspace), None
    except CookbookError as error:
        return None, str(error)


def _versions(host: Backend | None) -> dict[Dialect, str]:
    versions = {Dialect.SQLITE: sqlite3.sqlite_version}
    if host:
        versions[Dialect.POSTGRES] = host.version
    return versions


def _tidy(workspace: Workspace, host: Backend | None) -> None:
    """Remove what killed kernels left unfinished."""
    workspace.sweep()
    if host is not None:
        host.sweep()


def _drop_old(workspace: Workspace, host: Backend | None, plan: Plan, old: Mapping[str, Any]) -> None:
    """Drop this sandbox's databases, those too that a killed process made and never noted."""
    for each in old["databases"].get(Dialect.SQLITE.value, ()):
        sqlite.drop(workspace, Database(Dialect.SQLITE, each["name"], sa.make_url(each["url"])))
    if host is not None:
        family = fresh_name(workspace.installation, plan.label).rpartition("_")[0]
        for name in host.names():
            if name.rpartition("_")[0] == family:
                host.drop_named(name)


def _sources(
    workspace: Workspace, plan: Plan, folder: Path, host: Backend | None
) -> Mapping[Dialect, Sequence[DatabaseSource]]:
    """Return a source for each database of the plan."""
    numbers = range(1, plan.databases + 1)
    files = [folder / ("bookshop.db" if number == 1 else f"bookshop_{number}.db") for number in numbers]
    sources: dict[Dialect, Sequence[DatabaseSource]] = {
        Dialect.SQLITE: [sqlite.SqliteFile(workspace, path) for path in files]
    }
    if host:
        sources[Dialect.POSTGRES] = [host for _ in numbers]
    return sources


def new_database(source: DatabaseSource, plan: Plan, label: str) -> Database:
    """Create a database with what the plan has in it, from a template that's built the first time."""
    if plan.database_at == "base":
        return source.create(label)
    template = source.template(_key(plan), lambda database: _fill(source.workspace, plan, database))
    return source.clone(template, label)


def _key(plan: Plan) -> str:
    content = project.content_key(plan.database_at)
    return f"{plan.database_at}-{content}{'' if plan.rows else '-empty'}"


def _fill(workspace: Workspace, plan: Plan, database: Database) -> None:
    """Bring a new template database to its revision, by the project's own migrations, and put the rows in."""
    with workspace.building() as folder:
        project.write(folder, plan.database_at)
        moment = commandline.Run(folder, [database], lambda: "", lambda: FIRST_MOMENT)
        printed = commandline.execute(parse(f"upgrade {plan.database_at}"), moment)
        if printed.failure:
            raise CookbookError(f"The bookshop's migrations fail: {' '.join(printed.failure.message)}")
        if plan.rows:
            _insert_rows(folder, database)


def _insert_rows(folder: Path, database: Database) -> None:
    with commandline.importing_from(folder):
        from bookshop import models, rows  # type: ignore[import-not-found, unused-ignore]

        engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            rows.fill(connection, models.Base.metadata)
