"""What is a sandbox, and how does a learner get a fresh one?

A folder with a project, one SQLite and one PostgreSQL database (or several), and
what the kit must remember of it to open it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook import schema as schemas
from migration_cookbook.databases import engines, postgres, server, sqlite
from migration_cookbook.databases.database import Database
from migration_cookbook.databases.kinds import Kind
from migration_cookbook.databases.ownership import fresh_name
from migration_cookbook.sandbox import alembic_private, commandline, files, history, project
from migration_cookbook.sandbox.command import Command, parse
from migration_cookbook.workspace import CookbookError, read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from migration_cookbook.databases.server import Server
    from migration_cookbook.workspace import Workspace

#: The clock of a sandbox starts here and goes on by a minute for each file that Alembic dates.
_FIRST_MOMENT = datetime(2026, 1, 5, 9, 0)
_MOST_DATABASES = 9


@dataclass(frozen=True)
class Plan:
    """What a fresh sandbox is to hold."""

    name: str
    #: The revision of the files; "base" also for a bare sandbox.
    at: str
    database_at: str
    bare: bool
    rows: bool
    databases: int

    @property
    def label(self) -> str:
        """The name as a part of its databases' names, which begin with a letter."""
        # The server cuts long names: the hash keeps two long ones apart.
        return f"s_{self.name[:21]}_{hashlib.sha256(self.name.encode()).hexdigest()[:6]}"


def sent_lines(statement: str) -> list[str]:
    """A refused statement, on one line where it has one, else below its title."""
    lines = [line.rstrip() for line in statement.strip().expandtabs(4).splitlines() if line.strip()]
    if len(lines) == 1:
        return [f"  SQL sent: {lines[0]}"]
    return ["  SQL sent:", *(f"    {line}" for line in lines)]


@dataclass(frozen=True)
class Outcome:
    """What a command came to on one database, or on the files alone."""

    kind: Kind
    printed: commandline.Printed
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    changes: tuple[schemas.Change, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        return self.printed.lines

    @property
    def sent(self) -> tuple[str, ...]:
        return self.printed.sent

    @property
    def failure(self) -> commandline.Failure | None:
        return self.printed.failure

    def place_text(self) -> str:
        return f"revision {', '.join(self.after)}" if self.after else "base, no revision applied"

    def failure_lines(self) -> tuple[str, ...]:
        """Who refused, in which words, and what was sent."""
        if self.failure is None:
            return ()
        lines = list(self.failure.headline())
        if self.failure.sql:
            lines += sent_lines(self.failure.sql)
        if self.failure.where:
            lines.append(f"  from {self.failure.where}")
        return tuple(lines)

    def state_lines(self) -> tuple[str, ...]:
        """Where the database stands after a failure, and what is already done and stays."""
        if self.before == self.after and not self.changes:
            return (f"  still at {self.place_text()}, nothing changed",)
        lines = [f"  now at {self.place_text()}"]
        if self.changes:
            lines.append("  already done, and stays:")
            lines += [
                f"    {change.sign} {change.subject}  {change.detail}".rstrip() for change in self.changes
            ]
        else:
            lines.append(f"  what leads there from {', '.join(self.before) or 'base'} is done, and stays")
        return tuple(lines)


@dataclass(frozen=True)
class Sandbox:
    """An open sandbox."""

    name: str
    workspace: Workspace
    databases: Mapping[Kind, tuple[Database, ...]]
    #: Why there is no PostgreSQL, with the remedy; None where there is.
    unavailable: str | None
    versions: Mapping[Kind, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.workspace.sandboxes / self.name

    def engines(self) -> dict[str, sa.Engine]:
        """Engines for plain Python cells: sqlite and postgres, sqlite_2 and so on."""
        named = {}
        for kind, databases in self.databases.items():
            for position, database in enumerate(databases):
                named[kind.value + (f"_{position + 1}" if position else "")] = engines.engine(database)
        return named

    def version(self, kind: Kind) -> str:
        return self.versions[kind]

    def run(self, command: Command, kind: Kind, *, verbose: bool = False) -> Outcome:
        """Run a command against the databases of one kind."""
        watcher = (
            engines.engine(self.databases[kind][0]).connect().execution_options(isolation_level="AUTOCOMMIT")
        )
        with watcher:
            # AUTOCOMMIT: the watcher holds no lock while the command runs.
            before, place_before = (
                (schemas.read(watcher), history.place(watcher)) if command.moves else (None, ())
            )
            with self._remembering_files():
                printed = commandline.execute(command, self._run(kind, verbose))
            if before is None:
                return Outcome(kind, printed)
            after, place_after = schemas.read(watcher), history.place(watcher)
        return Outcome(kind, printed, place_before, place_after, schemas.difference(before, after))

    def run_on_files(self, command: Command) -> Outcome:
        """Run a command that needs no database; it is told the first one, should it look."""
        kind = next(iter(self.databases))
        with self._remembering_files():
            return Outcome(kind, commandline.execute(command, self._run(kind, verbose=False)))

    def env_takes_part(self, command: Command) -> bool:
        """Whether env.py runs although the command needs no database (revision_environment)."""
        if command.name not in ("revision", "merge"):
            return False
        text = (self.folder / "alembic.ini").read_text() if (self.folder / "alembic.ini").is_file() else ""
        return bool(re.search(r"^revision_environment\s*=\s*true", text, re.MULTILINE))

    def schema(self, kind: Kind) -> schemas.Schema:
        with engines.engine(self.databases[kind][0]).connect() as connection:
            return schemas.read(connection)

    def place(self, kind: Kind) -> tuple[str, ...]:
        """The revisions at which a database stands."""
        with engines.engine(self.databases[kind][0]).connect() as connection:
            return history.place(connection)

    def applied(self, kind: Kind) -> set[str]:
        """Every revision that a database has run: where it stands, and what lies below."""
        if not self.databases.get(kind):
            return set()
        parents = {entry.id: entry.down for entry in history.entries(self.folder)}
        applied, waiting = set(), list(self.place(kind))
        while waiting:
            revision = waiting.pop()
            if revision not in applied:
                applied.add(revision)
                waiting += parents.get(revision, ())
        return applied

    def describe(self, error: BaseException) -> commandline.Failure:
        databases = [database for listed in self.databases.values() for database in listed]
        return commandline.describe(error, self.folder, databases)

    def write_file(self, relative: str, text: str) -> None:
        """Write a file of the project, and remember that it was the kit."""
        write_atomically(self.folder / relative, text)
        state = self._state()
        state["files"][relative] = hashlib.sha256(text.encode()).hexdigest()
        self._save(state)
        commandline.forget_modules(self.folder)

    def generated_text(self, relative: str, current: str) -> str:
        """The file as Alembic generated it, before code of a cell went into it."""
        state = self._state()
        if relative not in state["generated"]:
            state["generated"][relative] = current
            self._save(state)
        return str(state["generated"][relative])

    def rename_revision(self, entry: history.Entry, message: str) -> str:
        """Give a revision's file the name that belongs to another message."""
        directory = history.script_directory(self.folder)
        name = alembic_private.file_name(directory, entry.path.parent, entry.id, message, _FIRST_MOMENT)
        old, new = entry.path, entry.path.with_name(name)
        old.rename(new)
        before, after = (path.relative_to(self.folder).as_posix() for path in (old, new))
        state = self._state()
        for known in (state["files"], state["generated"]):
            if before in known:
                known[after] = known.pop(before)
        self._save(state)
        return after

    def _run(self, kind: Kind, verbose: bool) -> commandline.Run:
        return commandline.Run(self.folder, self.databases[kind], self._new_id, self._now, verbose)

    def _new_id(self) -> str:
        """The next revision id: random to look at, the same in each run of the notebook."""
        texts = files.revision_texts(self.folder)
        number = len(texts)
        while True:
            chosen = hashlib.sha256(f"{self.name} {number}".encode()).hexdigest()[:12]
            if not any(chosen in text for text in texts):
                return chosen
            number += 1

    def _now(self) -> datetime:
        return _FIRST_MOMENT + timedelta(minutes=len(files.revision_texts(self.folder)))

    @contextlib.contextmanager
    def _remembering_files(self) -> Iterator[None]:
        """What a command of the kit writes was not made by hand."""
        before = files.snapshot(self.folder)
        try:
            yield
        finally:
            after = files.snapshot(self.folder)
            if after != before:
                state = self._state()
                written = {name: digest for name, digest in after.items() if before.get(name) != digest}
                state["files"] |= written
                for name in written:
                    state["generated"].pop(name, None)
                self._save(state)

    def _state(self) -> dict[str, Any]:
        return _read_state(self.workspace, self.name)

    def _save(self, state: Mapping[str, Any]) -> None:
        _write_state(self.workspace, self.name, state)


def plan(
    name: str, *, at: str | None, database_at: str | None, bare: bool, rows: bool, databases: str
) -> Plan:
    """A checked plan: a mistake is said before anything is touched."""
    check_name(name)
    if not re.fullmatch(r"[1-9]", databases):
        raise CookbookError(
            f"--databases takes a number from 1 to {_MOST_DATABASES}: %sandbox {name} --databases 2"
        )
    if bare:
        if at or database_at:
            raise CookbookError("--bare is an empty folder: leave out --at and --database-at.")
        return Plan(name, "base", "base", bare=True, rows=False, databases=int(databases))
    files_at = project.known_revision(at)
    stands = project.known_revision(database_at) if database_at else files_at
    ids = ["base", *(each.id for each in project.upto(files_at))]
    if stands not in ids:
        raise CookbookError(f"--database-at {stands} lies beyond --at {files_at}: the files end there.")
    return Plan(name, files_at, stands, bare=False, rows=rows, databases=int(databases))


def check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise CookbookError(
            f"`{name}` can't name a sandbox. Use the notebook's name: small letters, digits and hyphens, at most 40."
        )


def open_fresh(workspace: Workspace, plan: Plan) -> tuple[Sandbox, tuple[str, ...]]:
    """A sandbox as planned; what it held before is gone, but for files changed by hand."""
    workspace.sandboxes.mkdir(exist_ok=True)
    folder = workspace.sandboxes / plan.name
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise CookbookError(f"{folder} is not a folder of the cookbook's. Move it away, and run this again.")
    notices: list[str] = []
    with workspace.lock(f"sandbox-{plan.name}"):
        old = _read_state(workspace, plan.name)
        kept = files.keep_changed(workspace, plan.name, folder, old["files"])
        notices += [kept] if kept else []
        host, unavailable = _server(workspace)
        notices += list(host.notices) if host else []
        _drop_old(workspace, host, plan, old)
        files.empty(folder)
        commandline.forget_modules(folder)
        if not plan.bare:
            project.write(folder, plan.at)
        # From here on a kill leaves files that are known to be the kit's.
        _write_state(workspace, plan.name, _fresh_state(folder, {}))
        databases = {Kind.SQLITE: tuple(_sqlite(workspace, plan, folder))}
        if host:
            databases[Kind.POSTGRES] = tuple(_postgres(host, plan))
        _write_state(workspace, plan.name, _fresh_state(folder, databases))
    return Sandbox(plan.name, workspace, databases, unavailable, _versions(host)), tuple(notices)


def resume(workspace: Workspace, name: str) -> Sandbox:
    """The sandbox as it was left, after a restart of the kernel."""
    check_name(name)
    state = _read_state(workspace, name)
    if not state["databases"] or not (workspace.sandboxes / name).is_dir():
        raise CookbookError(f"There is no sandbox {name} to resume. Run %sandbox {name} without --resume.")
    host, unavailable = _server(workspace)
    databases = {
        Kind(kind): tuple(Database(Kind(kind), each["name"], sa.make_url(each["url"])) for each in listed)
        for kind, listed in state["databases"].items()
        if kind == Kind.SQLITE or host
    }
    if host and Kind.POSTGRES in databases:
        databases[Kind.POSTGRES] = tuple(
            postgres.restore_settings(host, each) for each in databases[Kind.POSTGRES]
        )
    return Sandbox(name, workspace, databases, unavailable, _versions(host))


def _server(workspace: Workspace) -> tuple[Server | None, str | None]:
    try:
        return server.attach(workspace), None
    except CookbookError as error:
        return None, str(error)


def _versions(host: Server | None) -> dict[Kind, str]:
    versions = {Kind.SQLITE: sqlite3.sqlite_version}
    if host:
        versions[Kind.POSTGRES] = host.version
    return versions


def _drop_old(workspace: Workspace, host: Server | None, plan: Plan, state: Mapping[str, Any]) -> None:
    """Drop this sandbox's databases, those too that a killed process made and never noted."""
    for each in state["databases"].get(Kind.SQLITE.value, ()):
        sqlite.drop(workspace, Database(Kind.SQLITE, each["name"], sa.make_url(each["url"])))
    if host is not None:
        family = fresh_name(workspace.installation, plan.label).rpartition("_")[0]
        for name in postgres.names(host):
            if name.rpartition("_")[0] == family:
                postgres.drop(host, Database(Kind.POSTGRES, name, host.url))


def _sqlite(workspace: Workspace, plan: Plan, folder: Path) -> Iterator[Database]:
    template = None
    if plan.database_at != "base":
        template = sqlite.template(workspace, _key(plan), lambda database: _fill(workspace, plan, database))
    for position in range(plan.databases):
        path = folder / ("bookshop.db" if not position else f"bookshop_{position + 1}.db")
        if template is None:
            yield sqlite.create(workspace, plan.label, path)
        else:
            yield sqlite.clone(workspace, template, plan.label, path)


def _postgres(host: Server, plan: Plan) -> Iterator[Database]:
    template = None
    if plan.database_at != "base":
        template = postgres.template(host, _key(plan), lambda database: _fill(host.workspace, plan, database))
    for _ in range(plan.databases):
        if template is None:
            yield postgres.create(host, plan.label)
        else:
            yield postgres.clone(host, template, plan.label)


def _key(plan: Plan) -> str:
    content = project.content_key(plan.database_at)
    return f"{plan.database_at}-{content}{'' if plan.rows else '-empty'}"


def _fill(workspace: Workspace, plan: Plan, database: Database) -> None:
    """Bring a new template database to its revision, by the project's own migrations, and put the rows in."""
    folder = workspace.databases / f"build-{os.getpid()}-{database.kind}"
    files.empty(folder)
    try:
        project.write(folder, plan.database_at)
        moment = commandline.Run(folder, [database], lambda: "", lambda: _FIRST_MOMENT)
        printed = commandline.execute(parse(f"upgrade {plan.database_at}"), moment)
        if printed.failure:
            raise CookbookError(f"The bookshop's migrations fail: {' '.join(printed.failure.message)}")
        if plan.rows:
            _insert_rows(folder, database)
    finally:
        files.empty(folder)
        folder.rmdir()


def _insert_rows(folder: Path, database: Database) -> None:
    with commandline.importing_from(folder):
        from bookshop import models, rows  # type: ignore[import-not-found, unused-ignore]

        engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            rows.fill(connection, models.Base.metadata)


def _fresh_state(folder: Path, databases: Mapping[Kind, tuple[Database, ...]]) -> dict[str, Any]:
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


def _state_path(workspace: Workspace, name: str) -> Path:
    return workspace.sandboxes / ".state" / f"{name}.json"


def _read_state(workspace: Workspace, name: str) -> dict[str, Any]:
    return read_json(_state_path(workspace, name)) or {
        "files": {},
        "generated": {},
        "databases": {},
    }


def _write_state(workspace: Workspace, name: str, state: Mapping[str, Any]) -> None:
    # The passwords of the sandbox's roles stand in it.
    write_atomically(_state_path(workspace, name), json.dumps(state), mode=0o600)
