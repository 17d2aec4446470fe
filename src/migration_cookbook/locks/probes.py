"""Probes of who must wait while another session holds a lock on a relation.

This is a proof, not a table of modes: each probe sends a SELECT, an INSERT or an UPDATE
that touches no row, and the server says whether it had to wait.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from migration_cookbook.databases.connections import Connection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from migration_cookbook.locks.relations import Relation

#: A lock that's free takes less on an idle database.
_LOCK_TIMEOUT_MS = 20

_PROBES = {
    "SELECT": "SELECT FROM {table} WHERE false",
    "INSERT": "INSERT INTO {table} SELECT WHERE false",
    "UPDATE": "UPDATE {table} SET {column} = {column} WHERE false",
}

VERBS = tuple(_PROBES)


class LockProbes:
    """Three connections that need locks on the same relations."""

    def __init__(self, connections: dict[str, Connection], threads: ThreadPoolExecutor) -> None:
        self._connections = connections
        self._threads = threads

    @property
    def observer(self) -> Connection:
        """One of the connections, to ask the server something while no probe runs."""
        return self._connections["SELECT"]

    def waiting(self, table: Relation) -> tuple[str, ...]:
        """Return which of SELECT, INSERT and UPDATE have to wait for this table at this moment."""
        words = [word for word in _PROBES if word == "SELECT" or (table.takes_rows and table.column)]
        waited = self._threads.map(lambda word: self._waits(word, table), words)
        return tuple(word for word, waits in zip(words, waited, strict=True) if waits)

    def _waits(self, word: str, table: Relation) -> bool:
        connection = self._connections[word]
        names = {"table": sql.Identifier(table.schema, table.bare_name)}
        names["column"] = sql.Identifier(table.column or "")
        try:
            # Rolled back, because a trigger of the whole statement fires for no row, too.
            with connection.transaction(force_rollback=True):
                connection.execute(sql.SQL(_PROBES[word]).format(**names))
        except psycopg.errors.LockNotAvailable:
            return True
        except psycopg.Error:
            # It got as far as the statement itself, which a view, say, refuses.
            return False
        return False


@contextlib.contextmanager
def lock_probes(url: sa.URL) -> Iterator[LockProbes]:
    """Connect three probes to the database at `url` for the block."""
    with contextlib.ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(len(_PROBES)))
        opened = dict(zip(_PROBES, threads.map(lambda _: connect(url), _PROBES), strict=True))
        for connection in opened.values():
            stack.enter_context(connection)
            connection.execute(f"SET lock_timeout = {_LOCK_TIMEOUT_MS}".encode())
        yield LockProbes(opened, threads)
