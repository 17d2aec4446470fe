"""The kit's own connections to a PostgreSQL server: without SQLAlchemy, without a pool."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

DRIVER = "postgresql+psycopg"

#: For so long the administrator waits for another session, and for one statement of its own.
LOCK_LIMIT_S, STATEMENT_LIMIT_S = 30, 180
#: After so long a line says what the wait is for.
NOTICE_S = 3

Connection = psycopg.Connection[tuple[Any, ...]]


class OwnConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection of the kit itself, which the guard leaves alone."""


def connect(url: sa.URL, *, patience: int = 10) -> Connection:
    """Connect in autocommit mode, outside the guard and outside SQLAlchemy's events."""
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    arguments, parameters = dialect.create_connect_args(url)  # type: ignore[no-untyped-call]
    parameters.setdefault("connect_timeout", patience)
    return OwnConnection.connect(*arguments, **parameters, autocommit=True, prepare_threshold=None)


def connect_admin(url: sa.URL) -> Connection:
    """Connect for what only the administrator may do; no wait for another session lasts for ever."""
    connection = connect(url)
    connection.add_notice_handler(_Waits(url, connection.info.backend_pid).announce)
    # Creating a database takes seconds on a slow disk, never minutes.
    limits = f"SET lock_timeout = '{LOCK_LIMIT_S}s'; SET statement_timeout = '{STATEMENT_LIMIT_S}s'"
    connection.execute(limits.encode())
    # The server then tells its client, too, that a statement waits. Only a superuser may set when.
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"SET deadlock_timeout = '{NOTICE_S}s'; SET client_min_messages = 'log'".encode())
    return connection


class _Waits:
    """The long waits of one connection, each announced once."""

    def __init__(self, url: sa.URL, backend: int) -> None:
        self._url, self._backend = url, backend
        self._announced: set[str] = set()

    def announce(self, notice: psycopg.errors.Diagnostic) -> None:
        wait, is_wait, _ = (notice.message_primary or "").partition(" still waiting for ")
        if not is_wait or wait in self._announced:
            return
        self._announced.add(wait)
        held = f", held by {holders}" if (holders := self._holders()) else ""
        print(f"Waiting for a lock in PostgreSQL{held} ...", file=sys.stderr, flush=True)

    def _holders(self) -> str:
        """Return the sessions that hold the lock, asked over another connection: this one waits."""
        with contextlib.suppress(psycopg.Error), connect(self._url, patience=2) as another:
            rows = another.execute(_HOLDERS, [self._backend]).fetchall()
            return " and ".join(
                f"the session {pid} of the role {role} ({state})" for pid, role, state in rows
            )
        return ""


_HOLDERS = """
    SELECT pid, usename, coalesce(state, 'at work') FROM pg_stat_activity
    WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY pid
"""


def socket_url(folder: str, user: str, password: str, database: str) -> sa.URL:
    """Return the URL of a database whose server's Unix socket is in `folder`, with everything in it explicit."""
    return sa.URL.create(
        DRIVER, user, password, database=database, query={"host": folder, "port": str(SOCKET_PORT)}
    )


#: Part of the socket's file name only: nothing listens on the network.
SOCKET_PORT = 5432
