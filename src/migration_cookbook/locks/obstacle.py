"""Which locks does a statement take outside a transaction, where they are gone with it?

Somebody stands in its way: first one who holds what no maintenance can share, then a
writer, for whom concurrent index builds wait. Where the statement comes to wait, its
locks can be looked at; then it may go on. What it does too fast to be stopped is not
looked at: that would be seen in one run and not in the next.
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

#: Longer than this no statement is held up. On a quiet computer it is seen at once; a busy one needs its time.
_HOLD_S = 1.0
_STEP_S = 0.002


class BlockingTransaction:
    """A transaction that is in the way, in a thread of its own."""

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
        self._stands, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """It stands in the way when this returns."""
        self._thread.start()
        self._stands.wait()

    def stop(self) -> None:
        """Nobody is in the way when this returns."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        # Without a table to hold, or where one is not to be had, nothing stands in the way.
        with contextlib.suppress(psycopg.Error), connect(self._url) as connection:
            connection.execute(b"SET lock_timeout = 20")
            self._stand(connection)
        self._stands.set()

    def _stand(self, connection: Connection) -> None:
        until = time.monotonic() + _HOLD_S
        with connection.transaction(force_rollback=True):
            self._lock(connection, "ROW EXCLUSIVE")
            with connection.transaction(force_rollback=True):
                self._lock(connection, "SHARE UPDATE EXCLUSIVE")
                self._stands.set()
                self._look(until)
            self._look(until)

    def _lock(self, connection: Connection, mode: str) -> None:
        names = sql.SQL(", ").join(self._tables)
        connection.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(names, sql.SQL(mode)))

    def _look(self, until: float) -> None:
        while time.monotonic() < until and not self._over.wait(_STEP_S):
            if self._waiting():
                self._came_to_wait()
                return
