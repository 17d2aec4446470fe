"""The way of an interrupt to a statement that's running.

psycopg cancels by itself. SQLite computes without ever looking at Python, where the
interrupt waits, so a handler makes it look from time to time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Steps of SQLite's machine between two looks: some milliseconds at most.
_STEPS = 20_000


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within, every new connection of SQLAlchemy heeds an interrupt."""

    def connected(connection: Any, _record: Any) -> None:
        install_interrupt_check(connection)

    event.listen(sa.pool.Pool, "connect", connected)
    try:
        yield
    finally:
        event.remove(sa.pool.Pool, "connect", connected)


def install_interrupt_check(connection: Any) -> None:
    """Let an interrupt end what this connection computes, if it is one of SQLite's."""
    if isinstance(connection, sqlite3.Connection):
        # Called in the main thread, where Python raises a waiting KeyboardInterrupt; SQLite then gives up.
        connection.set_progress_handler(lambda: 0, _STEPS)


def was_interrupted(error: BaseException) -> bool:
    """Whether the reader stopped it, rather than a database refused."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt) or _gave_up(seen):
            return True
        # The end of a `with` may have failed afterwards, on a connection that is no more.
        seen = seen.__context__
    return False


def _gave_up(error: BaseException) -> bool:
    refused = error.orig if isinstance(error, DBAPIError) else error
    return getattr(refused, "sqlite_errorname", None) == "SQLITE_INTERRUPT"
