"""Performing steps in a project: from its files and databases to a result.

This runs the project's own code, so for a learner's project it runs in the worker.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from mako.template import Template  # type: ignore[import-untyped]

from migration_cookbook import schema as schemas
from migration_cookbook.databases import engines, guard
from migration_cookbook.databases.database import Database
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.locks import Lock, strongest, watch_all_locks
from migration_cookbook.practice.encoding import decode, encode
from migration_cookbook.practice.step import Step
from migration_cookbook.sandbox import commandline, files, history, project, revision_file
from migration_cookbook.sandbox.command import parse
from migration_cookbook.sandbox.sandbox import FIRST_MOMENT
from migration_cookbook.workspace import CookbookError, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.locks import Watch


@dataclass(frozen=True)
class Rows:
    """The content of a table."""

    columns: tuple[str, ...]
    #: Numbers, strings and None; any other value as a string.
    values: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class DatabaseState:
    """The content of a database, and the revisions in its version table."""

    schema: schemas.Schema
    place: tuple[str, ...]
    rows: Mapping[str, Rows]


@dataclass(frozen=True)
class Execution:
    """One line of a console or one statement, on one database."""

    text: str
    lines: tuple[str, ...]
    sent: tuple[str, ...]
    failure: commandline.Failure | None
    #: What it locked on PostgreSQL, if the step is watched.
    locks: tuple[Lock, ...] = ()


@dataclass(frozen=True)
class RevisionSummary:
    """One of the project's revisions, as grading needs it."""

    id: str
    down: tuple[str, ...]
    #: Its `upgrade()` has no statement in it.
    does_nothing: bool = False


@dataclass(frozen=True)
class TrialResult:
    """The result of performing steps."""

    executions: Mapping[Dialect, tuple[Execution, ...]]
    #: Each database as it was at each look.
    states: Mapping[Dialect, tuple[DatabaseState, ...]]
    #: The project's files with their hashes, at each snapshot.
    files: tuple[Mapping[str, str], ...]
    #: The project's revisions in the end, from the oldest.
    revisions: tuple[RevisionSummary, ...]
    #: Why they can't be read.
    unreadable: str | None = None

    def followed_by(self, later: TrialResult) -> TrialResult:
        """Return this and the result of later steps, as one."""
        return replace(
            later,
            executions={
                dialect: (*each, *later.executions[dialect]) for dialect, each in self.executions.items()
            },
            states={dialect: (*states, *later.states[dialect]) for dialect, states in self.states.items()},
            files=(*self.files, *later.files),
        )

    @property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other one follows."""
        below = {down for each in self.revisions for down in each.down}
        return tuple(each.id for each in self.revisions if each.id not in below)


#: Between the steps: a look at the databases, and a snapshot of the files.
LOOK = Step("look", "")
SNAPSHOT = Step("snapshot", "")


@dataclass
class _Environment:
    """Where steps are performed."""

    folder: Path
    databases: Mapping[Dialect, Database]
    #: Revision ids and the clock come from it, so that each run is the same.
    seed: str
    id_count: int = 0

    def run(self, dialect: Dialect) -> commandline.Run:
        databases = [self.databases[dialect]] if dialect in self.databases else []
        return commandline.Run(self.folder, databases, self._new_id, lambda: FIRST_MOMENT)

    def _new_id(self) -> str:
        self.id_count += 1
        return hashlib.sha256(f"{self.seed} {self.id_count}".encode()).hexdigest()[:12]


def perform(
    folder: Path, databases: Mapping[Dialect, Database], steps: Sequence[Step], seed: str
) -> TrialResult:
    """Perform the steps in order; a failure is recorded, and the other steps still run."""
    environment = _Environment(folder, databases, seed)
    executions: dict[Dialect, list[Execution]] = {dialect: [] for dialect in databases}
    states: dict[Dialect, list[DatabaseState]] = {dialect: [] for dialect in databases}
    snapshots: list[dict[str, str]] = []
    with contextlib.ExitStack() as stack:
        reader = _StateReader(stack)
        for step in steps:
            if step.does == "snapshot":
                snapshots.append(files.snapshot(folder))
            elif step.does == "look":
                for dialect, database in databases.items():
                    states[dialect].append(reader.read(dialect, database))
            elif step.needs_database:
                for dialect, execution in _execute(environment, step):
                    executions[dialect].append(execution)
            else:
                change_files(folder, step)
    revisions, unreadable = _revisions(folder)
    return TrialResult(
        {dialect: tuple(each) for dialect, each in executions.items()},
        {dialect: tuple(each) for dialect, each in states.items()},
        tuple(snapshots),
        revisions,
        unreadable,
    )


def job(
    folder: Path, databases: Mapping[Dialect, Database], steps: Sequence[Step], seed: str
) -> dict[str, Any]:
    """Return the arguments of `run` in the worker."""
    return {
        "folder": str(folder),
        "databases": [
            [dialect, each.name, each.url.render_as_string(hide_password=False)]
            for dialect, each in databases.items()
        ],
        "steps": encode(steps),
        "seed": seed,
    }


def run(folder: str, databases: list[list[str]], steps: list[Any], seed: str) -> Any:
    """Do what `perform` does, from JSON to JSON."""
    known = {Dialect(kind): Database(Dialect(kind), name, sa.make_url(url)) for kind, name, url in databases}
    return encode(perform(Path(folder), known, decode(tuple[Step, ...], steps), seed))


def change_files(folder: Path, step: Step) -> None:
    """Do what a step says about the project's files."""
    match step.does:
        case "file":
            write_atomically(folder / step.path, step.text)
        case "remove":
            if not (folder / step.path).is_file():
                raise CookbookError(f"There is no file {step.path} to be removed.")
            (folder / step.path).unlink()
        case "revision":
            _write_revision(folder, step)


def read_state(database: Database) -> DatabaseState:
    """Return the database as it is now."""
    with engines.engine(database).connect() as connection:
        return _read_state(connection)


def _read_state(connection: sa.Connection) -> DatabaseState:
    schema = schemas.read(connection)
    rows = {table.name: _rows(connection, table.name) for table in schema.tables}
    return DatabaseState(schema, history.place(connection), rows)


class _StateReader:
    """Reads databases repeatedly: the first reading of a connection costs more than the others."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._connections: dict[Dialect, sa.Connection] = {}

    def read(self, dialect: Dialect, database: Database) -> DatabaseState:
        if dialect not in self._connections:
            connection = self._stack.enter_context(engines.engine(database).connect())
            if dialect is Dialect.POSTGRES:
                schemas.prepare(connection)
            self._connections[dialect] = connection
        connection = self._connections[dialect]
        try:
            return _read_state(connection)
        finally:
            # What an open transaction has read, no migration can drop.
            connection.rollback()


def _rows(connection: sa.Connection, table: str) -> Rows:
    quote = connection.dialect.identifier_preparer.quote
    name = ".".join(quote(part) for part in table.split("."))
    result = connection.exec_driver_sql(f"SELECT * FROM {name}")
    columns = tuple(result.keys())
    return Rows(columns, tuple(tuple(_value(value) for value in row) for row in result))


def _value(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, Decimal):
        # As SQLite gives it.
        return float(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _execute(environment: _Environment, step: Step) -> list[tuple[Dialect, Execution]]:
    dialects = [dialect for dialect in environment.databases if step.on in (None, dialect)]
    if step.does == "sql":
        return [(dialect, _send(environment, dialect, step.text)) for dialect in dialects]
    command = parse(step.text)
    if not command.needs_database or command.autogenerates:
        # It writes files, so once is enough, and each database gets the same result.
        printed = commandline.execute(
            command, environment.run(step.on or next(iter(environment.databases), Dialect.SQLITE))
        )
        return [
            (dialect, Execution(step.text, printed.lines, printed.sent, printed.failure))
            for dialect in dialects
        ]
    executions = []
    for dialect in dialects:
        with _watch(step, dialect, environment) as watches:
            printed = commandline.execute(command, environment.run(dialect))
        locks = strongest(lock for watch in watches for lock in watch.locks)
        executions.append(
            (dialect, Execution(step.text, printed.lines, printed.sent, printed.failure, locks))
        )
    return executions


def _watch(
    step: Step, dialect: Dialect, environment: _Environment
) -> contextlib.AbstractContextManager[Sequence[Watch]]:
    if step.watched and dialect is Dialect.POSTGRES:
        return watch_all_locks(environment.databases[dialect].url)
    return contextlib.nullcontext(())


def _send(environment: _Environment, dialect: Dialect, statement: str) -> Execution:
    database = environment.databases[dialect]
    failure = None
    try:
        with guard.only([database]), engines.engine(database).begin() as connection:
            connection.exec_driver_sql(statement)
    except sa.exc.SQLAlchemyError as error:
        failure = commandline.describe(error, environment.folder, [database])
    return Execution(statement, (), (statement,), failure)


def _revisions(folder: Path) -> tuple[tuple[RevisionSummary, ...], str | None]:
    try:
        return tuple(_revision(entry) for entry in history.entries(folder)), None
    except CookbookError as error:
        return (), str(error)


def _revision(entry: history.Entry) -> RevisionSummary:
    text = entry.path.read_text(encoding="utf-8")
    return RevisionSummary(entry.id, entry.down, revision_file.does_nothing(text))


def _write_revision(folder: Path, step: Step) -> None:
    """Write the file that Alembic would, with the step's code in it; replace one with this id."""
    place = folder / "migrations"
    path = place / "versions" / f"{step.revision}_{project.slug(step.message)}.py"
    for known in (place / "versions").glob("*.py"):
        text = known.read_text(encoding="utf-8")
        if step.revision in text and _id(text) == step.revision:
            path = known
    generated = Template(filename=str(place / "script.py.mako")).render(
        message=step.message,
        up_revision=step.revision,
        down_revision=step.after,
        branch_labels=None,
        depends_on=None,
        create_date=FIRST_MOMENT,
        comma=lambda value: value or "",
        imports="",
        upgrades="",
        downgrades="",
    )
    write_atomically(path, revision_file.with_code(generated, step.text))


def _id(text: str) -> str | None:
    for node in ast.parse(text).body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id="revision"), value=ast.Constant(value=value))
                | ast.Assign(targets=[ast.Name(id="revision")], value=ast.Constant(value=value))
            ):
                return str(value)
    return None
