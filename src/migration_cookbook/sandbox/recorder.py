"""A record of the SQL that a block of code really sent to the databases.

SQLite tells by its own trace, so that what the driver adds by itself is seen too.
psycopg sends BEGIN by itself: there SQLAlchemy's events tell.
"""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Questions that SQLAlchemy and Alembic ask about the database itself.
_QUESTIONS = re.compile(
    r"pg_catalog\.|sqlite_master|sqlite_schema|sqlite_temp_master|information_schema\.|^\s*PRAGMA (main\.|temp\.|read_uncommitted)"
    r"|^\s*select (pg_catalog|current_schema|version\(\))|^\s*show (standard_conforming|transaction)"
    # Autogenerate looks for each column's sequence, in no fixed order of the tables.
    r"|^\s*select c\.relname, a\.attname from pg_class"
    r"|^\s*SELECT alembic_version|^\s*SELECT version_num|^\s*ROLLBACK TO SAVEPOINT|^\s*SELECT 1\s*$",
    re.IGNORECASE,
)
_BOUNDARIES = {"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"}


class Recorder:
    """Collects the statements of one run against one database."""

    def __init__(self) -> None:
        self._statements: list[str] = []
        # A background session of the reader's may send statements at the same time.
        self._thread = threading.get_ident()

    @property
    def sent(self) -> tuple[str, ...]:
        """The statements in order, transactions without any left out."""
        return self.since(0)

    def mark(self) -> int:
        """A place in the record, for `since`."""
        return len(self._statements)

    def since(self, mark: int) -> tuple[str, ...]:
        """What was sent after the mark was taken."""
        kept: list[str] = []
        for statement in filter(_is_told, map(_tidy, self._statements[mark:])):
            ends_empty = statement in ("COMMIT", "ROLLBACK") and bool(kept) and kept[-1].startswith("BEGIN")
            if ends_empty:
                kept.pop()
            elif not (statement in ("COMMIT", "ROLLBACK") and not _open(kept)):
                kept.append(statement)
        return tuple(kept)

    def note(self, statement: str) -> None:
        if threading.get_ident() == self._thread:
            self._statements.append(statement)


def _is_told(statement: str) -> bool:
    return bool(statement) and not _QUESTIONS.search(statement)


def _open(statements: list[str]) -> bool:
    """Whether a transaction is open after these statements."""
    for statement in reversed(statements):
        if statement in ("COMMIT", "ROLLBACK"):
            return False
        if statement.startswith("BEGIN"):
            return True
    return False


def _tidy(statement: str) -> str:
    lines = [line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines()]
    text = "\n".join(line for line in lines if line)
    return text.upper() if text.upper().rstrip(" ;") in _BOUNDARIES else text


@contextlib.contextmanager
def recording() -> Iterator[Recorder]:
    """Record what every engine of this process sends within the block."""
    recorder = Recorder()

    def connected(connection: Any, record: Any) -> None:
        trace = getattr(connection, "set_trace_callback", None)
        if trace is not None:
            trace(recorder.note)

    def executing(
        connection: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if not _traced(connection):
            recorder.note(_with_parameters(statement, parameters, many))

    def boundary(word: str) -> Any:
        def listener(connection: sa.Connection) -> None:
            if not _traced(connection) and not _autocommits(connection):
                recorder.note(word)

        return listener

    listeners = [
        (sa.pool.Pool, "connect", connected),
        (sa.Engine, "before_cursor_execute", executing),
        (sa.Engine, "begin", boundary("BEGIN")),
        (sa.Engine, "commit", boundary("COMMIT")),
        (sa.Engine, "rollback", boundary("ROLLBACK")),
    ]
    for target, name, listener in listeners:
        event.listen(target, name, listener)
    try:
        yield recorder
    finally:
        for target, name, listener in listeners:
            event.remove(target, name, listener)


def _traced(connection: sa.Connection) -> bool:
    return hasattr(connection.connection.dbapi_connection, "set_trace_callback")


def _autocommits(connection: sa.Connection) -> bool:
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def _with_parameters(statement: str, parameters: Any, many: bool) -> str:
    if not parameters:
        return statement
    rows = parameters if many else [parameters]
    return statement + "".join(f"\n-- with {_shown(row)}" for row in rows)


def _shown(row: Any) -> str:
    if isinstance(row, dict):
        return ", ".join(f"{name} = {value!r}" for name, value in row.items())
    return ", ".join(repr(value) for value in row)
