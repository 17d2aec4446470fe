"""A transaction that blocks a statement, so that its locks can be read while it waits.

Outside a transaction, a statement's locks are gone when it ends. So it's blocked twice: first by
a lock that no maintenance can share, then by a writer's, for which concurrent index builds wait.
Where the statement waits, its locks are read; then it may go on. What it does too fast to be
blocked isn't read, because that would be seen in one run and not in the next.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from migration_cookbook.databases.connections import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import sqlalchemy as sa

    from migration_cookbook.databases.connections import Connection
    from migration_cookbook.locks.relations import Relation

#: No statement is blocked for longer. On an idle computer it's seen waiting at once; a busy one needs its time.
_HOLD_S = 1.0
_STEP_S = 0.002


class BlockingTransaction:
    """A transaction that holds locks, in its own thread."""

    def __init__(
        self,
        url: sa.URL,
        tables: Iterable[Relation],
        waiting: Callable[[], bool],
        came_to_wait: Callable[[], None],
    ) -> None:
        self._url = url
        self._tables = [sql.Identifier(table.schema, table.bare_name) for table in tables]
        self._waiting, self._came_to_wait = waiting, came_to_wait
        self._is_ready, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to block: the locks are held when this returns."""
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """Stop blocking: the locks are released when this returns."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        # Without a table to lock, or where one can't be locked, nothing is blocked.
        with contextlib.suppress(psycopg.Error), connect(self._url) as connection:
            connection.execute(b"SET lock_timeout = 20")
            self._block(connection)
        self._is_ready.set()

    def _block(self, connection: Connection) -> None:
        until = time.monotonic() + _HOLD_S
        with connection.transaction(force_rollback=True):
            self._lock(connection, "ROW EXCLUSIVE")
            with connection.transaction(force_rollback=True):
                self._lock(connection, "SHARE UPDATE EXCLUSIVE")
                self._is_ready.set()
                self._wait_for_statement(until)
            self._wait_for_statement(until)

    def _lock(self, connection: Connection, mode: str) -> None:
        names = sql.SQL(", ").join(self._tables)
        connection.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(names, sql.SQL(mode)))

    def _wait_for_statement(self, until: float) -> None:
        while time.monotonic() < until and not self._stopped.wait(_STEP_S):
            if self._waiting():
                self._came_to_wait()
                return
