"""The sessions that stay open between cells, named by `%%sql --as NAME`.

Each has its own thread: a statement may wait for a lock there while the
notebook goes on.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases.engines import cancel_statement, in_transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from migration_cookbook.databases.dialects import Dialect


@dataclass
class NamedSession:
    """One open connection under a name, and what it is running."""

    name: str
    dialect: Dialect
    engine: sa.Engine
    running: Future[Any] | None = None
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _connection: sa.Connection | None = None

    def submit(self, work: Callable[[sa.Connection], Any]) -> Future[Any]:
        self.running = self._thread.submit(lambda: work(self._open()))
        return self.running

    def in_transaction(self) -> bool:
        if self._connection is None or self._is_lost(self._connection):
            return False
        return in_transaction(self._connection)

    def _cancel(self) -> None:
        if self._connection is None:
            return
        with contextlib.suppress(Exception):
            cancel_statement(self._connection)

    def is_idle(self) -> bool:
        return (self.running is None or self.running.done()) and not self.in_transaction()

    def disconnect(self) -> None:
        """Close the connection; the next statement opens another."""
        self._thread.submit(self._close_connection).result()

    def stop(self) -> None:
        """Stop the statement that runs, and wait for its end."""
        # Repeatedly: a statement submitted a moment ago may not have begun yet.
        while self.running is not None and not self.running.done():
            self._cancel()
            wait([self.running], timeout=0.1)

    def close(self) -> None:
        self.stop()
        self._thread.submit(self._close_connection)
        self._thread.shutdown(wait=True)

    def _open(self) -> sa.Connection:
        if self._connection is None or self._is_lost(self._connection):
            self._connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._connection

    @staticmethod
    def _is_lost(connection: sa.Connection) -> bool:
        """Whether the server went away under an open session."""
        return connection.invalidated or bool(
            getattr(connection.connection.dbapi_connection, "closed", False)
        )

    def _close_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None


class Sessions:
    """The open sessions of one notebook, by name and database."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Dialect], NamedSession] = {}

    def get(self, name: str, dialect: Dialect, engine: sa.Engine) -> NamedSession:
        return self._open.setdefault((name, dialect), NamedSession(name, dialect, engine))

    def named(self, name: str) -> list[NamedSession]:
        return [session for (known, _), session in self._open.items() if known == name]

    def names(self) -> list[str]:
        return sorted({name for name, _ in self._open})

    def in_transaction(self, dialect: Dialect) -> list[str]:
        """Return the names of the sessions with an open transaction on this database."""
        return sorted(s.name for s in self._open.values() if s.dialect is dialect and s.in_transaction())

    def disconnect_idle(self, dialect: Dialect) -> None:
        """Close the idle connections to this database."""
        for session in self._open.values():
            if session.dialect is dialect and session.is_idle():
                session.disconnect()

    def close(self) -> None:
        for session in self._open.values():
            session.close()
        self._open.clear()


def lock_lines(sessions: Sessions, dialect: Dialect) -> tuple[str, ...]:
    """Return lines about what to do after a wait for a lock timed out."""
    lines = ["  Another transaction holds a lock that is needed here. After 3 seconds the wait was given up."]
    holders = sessions.in_transaction(dialect)
    for name in holders:
        lines.append(
            f"  Session {name} has a transaction open: end it with COMMIT or ROLLBACK in %%sql --as {name}."
        )
    if not holders:
        lines.append("  End that transaction (in another notebook or a terminal?) and run this again.")
    return tuple(lines)
