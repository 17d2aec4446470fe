"""`%%locks`: what each statement of a cell locks on PostgreSQL, what it rewrites, who must wait."""

from __future__ import annotations

import ast
import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import sqlalchemy as sa
from alembic import op
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from psycopg.errors import ActiveSqlTransaction
from sqlalchemy import event

from migration_cookbook.cells import hints, ipython_sql
from migration_cookbook.cells.magic import CellError, CellFailed, CellMagic
from migration_cookbook.cells.options import read
from migration_cookbook.cells.sessions import lock_lines
from migration_cookbook.databases import engines, server
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.display.answers import Answer
from migration_cookbook.display.parts import Lines, Note, Part, ResultTable
from migration_cookbook.locks import WatchedStatement, watch_locks
from migration_cookbook.sandbox.interrupts import was_interrupted
from migration_cookbook.sandbox.outcome import sent_lines
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import CodeType

    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.databases.database import Database
    from migration_cookbook.locks import Lock

_USAGE = "Write %%locks alone on the first line, and SQL or op.… lines below it."

#: What SQLAlchemy sends for its own sake; shown only if it locked something.
_ASIDE = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK TO")

_ENDS = re.compile(
    r"(\s|--[^\n]*\n|/\*.*?\*/)*(BEGIN|START|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+TO))\b",
    re.IGNORECASE | re.DOTALL,
)

_HEADERS = ("table or index", "lock", "rewritten", "must wait")
_WIDTH = 100

_ROLLED_BACK = "All of it ran in one transaction, which is rolled back: the database is as before."
_COPIED = (
    "This can't run inside one transaction, so it ran outside, in a copy of the database that is gone now: "
    "the database is as before."
)


@dataclass(frozen=True)
class _Observation:
    """The steps that were observed while the cell ran, up to a refused one."""

    steps: tuple[WatchedStatement, ...]
    refused: BaseException | None = None


class _EndsTransactionError(Exception):
    """The cell wants to commit or roll back by itself."""


def locks(notebook: Notebook, line: str, cell: str) -> None:
    """Run the cell under observation, and leave the database as it was."""
    read("%%locks", line, usage=_USAGE)
    perform = _performer(cell)
    database = notebook.database(Dialect.POSTGRES)
    if database is None or notebook.lack(Dialect.POSTGRES, "has_second_session"):
        notebook.publish_answers([notebook.not_run(Dialect.POSTGRES, "has_second_session")])
        return
    observation, note = _observe_and_roll_back(database, perform), _ROLLED_BACK
    if _needs_no_transaction(observation.refused):
        observation, note = _observe_in_copy(notebook, database, perform), _COPIED
    parts = [*_render_steps(observation.steps), *_refusal(notebook, observation.refused), Note(note)]
    sent = [step.statement for step in observation.steps]
    notebook.publish_answers([Answer(Dialect.POSTGRES, tuple(parts))], sent={Dialect.POSTGRES: sent})
    if observation.refused is not None and was_interrupted(observation.refused):
        raise CellError("The statement was interrupted, see above.")
    if observation.refused is not None:
        raise CellFailed("the statement", (Dialect.POSTGRES,), ())


def _performer(cell: str) -> Callable[[sa.Connection], None]:
    """Return a function that runs the cell on a connection: as Python if that uses `op`, else as SQL."""
    with contextlib.suppress(SyntaxError):
        tree = ast.parse(cell)
        if any(isinstance(node, ast.Name) and node.id == "op" for node in ast.walk(tree)):
            code = compile(tree, "<cell>", "exec")
            return lambda connection: _operate(connection, code)
    statements = ipython_sql.statements(cell)
    if not statements:
        raise CookbookError(f"%%locks has nothing to run. {_USAGE}")

    def send(connection: sa.Connection) -> None:
        if not connection.in_transaction():
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            ipython_sql.run(connection, statement)

    return send


def _operate(connection: sa.Connection, code: CodeType) -> None:
    """Run lines of an `upgrade()`, in the caller's transaction or in their own."""
    callers = connection.in_transaction()
    context = MigrationContext.configure(connection)
    if callers:
        context.autocommit_block = _end_transaction  # type: ignore[method-assign]
    with context.begin_transaction(), Operations.context(context):
        exec(code, {"sa": sa, "op": op})


def _end_transaction(*_: Any) -> NoReturn:
    raise _EndsTransactionError


def _observe_and_roll_back(database: Database, perform: Callable[[sa.Connection], None]) -> _Observation:
    with engines.engine(database).connect() as connection:
        transaction = connection.begin()
        with _keep_transaction(connection):
            observation = _observe(connection, database, perform)
        transaction.rollback()
    return observation


@contextlib.contextmanager
def _keep_transaction(connection: sa.Connection) -> Iterator[None]:
    """Refuse everything that would end the transaction."""

    def check(_connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if _ENDS.match(statement):
            _end_transaction()

    listeners: tuple[tuple[str, Callable[..., None]], ...] = (
        ("before_cursor_execute", check),
        ("commit", _end_transaction),
        ("rollback", _end_transaction),
    )
    for name, listener in listeners:
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners:
            event.remove(connection, name, listener)


def _observe_in_copy(
    notebook: Notebook, database: Database, perform: Callable[[sa.Connection], None]
) -> _Observation:
    # A database can't be copied while it has connections.
    notebook.sessions.disconnect_idle(Dialect.POSTGRES)
    with (
        server.attach(notebook.workspace).copied(database) as copy,
        engines.engine(copy).connect() as connection,
    ):
        return _observe(connection, copy, perform)


def _observe(
    connection: sa.Connection, database: Database, perform: Callable[[sa.Connection], None]
) -> _Observation:
    with watch_locks(connection, database.url) as watch:
        try:
            perform(connection)
        except (Exception, KeyboardInterrupt) as error:
            return _Observation(watch.steps, error)
    return _Observation(watch.steps)


def _needs_no_transaction(error: BaseException | None) -> bool:
    return isinstance(error, _EndsTransactionError) or isinstance(
        getattr(error, "orig", None), ActiveSqlTransaction
    )


def _render_steps(steps: Sequence[WatchedStatement]) -> Iterator[Part]:
    holds = False
    for step in steps:
        statement = _in_one_line(step.statement)
        if step.locks:
            rows = tuple(_row(lock) for lock in step.locks)
            yield ResultTable(f"`{statement}`", _HEADERS, rows, row_headers=True)
        elif not step.statement.lstrip().upper().startswith(_ASIDE):
            yield Note(f"`{statement}`")
            yield Note("  no lock on a table" + (" beyond those above" if holds and not step.outside else ""))
        holds = (holds or bool(step.locks)) and not step.outside


def _row(lock: Lock) -> tuple[str, ...]:
    rewritten = "new" if lock.made else "yes" if lock.rewritten else "no"
    return lock.relation, lock.mode, rewritten, ", ".join(lock.waiting) or "nobody"


def _in_one_line(statement: str) -> str:
    line = " ".join(statement.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _refusal(notebook: Notebook, error: BaseException | None) -> tuple[Part, ...]:
    if error is None:
        return ()
    failure = notebook.sandbox.describe(error)
    sql = sent_lines(failure.sql) if failure.sql else ()
    lock = lock_lines(notebook.sessions, Dialect.POSTGRES) if failure.waited_for_a_lock else ()
    return (Lines((*failure.headline(), *sql, *hints.for_failure(failure), *lock)),)


MAGICS = (CellMagic("locks", locks),)
