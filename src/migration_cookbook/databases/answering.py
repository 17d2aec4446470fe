"""The answer of a server of our own: its version, or the reason why nobody can use it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import psycopg

from migration_cookbook.databases import processes
from migration_cookbook.databases.account import server_account
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.server_log import CIRCUMSTANCES
from migration_cookbook.workspace import CookbookError, is_private

if TYPE_CHECKING:
    from migration_cookbook.databases.cluster import Cluster

#: How long a server that lives may take to answer, crash recovery included.
ANSWER_PATIENCE_S = 60.0

#: How long a living server may be without its socket.
SOCKET_PATIENCE_S = 3.0

#: A server says so while it starts, recovers or ends; soon it will say something else.
_TRANSIENT = (
    "starting up",
    "recovery mode",
    "not yet accepting connections",
    "shutting down",
    "too many clients",
    "remaining connection slots",
)

#: A running server says so when files of its catalog are gone or torn.
_DAMAGE = (
    "could not open file",
    "could not read",
    "invalid page",
    "cache lookup failed",
)

#: One session took the whole table of locks: each login needs a few.
_NO_LOCKS_LEFT = "out of shared memory"


class UnusableError(Exception):
    """The server runs, but lets nobody in and never will; says why in words that follow "PostgreSQL's data"."""


def answer(cluster: Cluster) -> str | None:
    """Return the version of the server that answers, as in "18.6"; None if none is running."""
    if os.path.lexists(cluster.sockets) and not is_private(cluster.sockets, server_account().uid):
        return None  # somebody else took the name in the temp folder, and must not learn the password
    began = time.monotonic()
    while True:
        try:
            with connect(cluster.url) as connection:
                number = connection.info.server_version
                return f"{number // 10000}.{number % 10000}"
        except psycopg.OperationalError as error:
            if (reason := _given_up(str(error))) is not None:
                raise UnusableError(reason) from None
            if _NO_LOCKS_LEFT in str(error):
                raise CookbookError(
                    "A session holds so many locks that PostgreSQL lets nobody else in. "
                    "Restart its notebook's kernel, or run `cookbook stop`; the next command starts PostgreSQL again."
                ) from None
            transient = any(words in str(error) for words in _TRANSIENT)
            pid = cluster.pid()
            if not transient and pid is None:
                return None
            waited = time.monotonic() - began
            if pid is not None and waited > SOCKET_PATIENCE_S and not cluster.socket.exists():
                # Somebody tidied the temp folder: nobody can reach this server any more.
                processes.end(pid, cluster.mark)
                return None
            if waited > ANSWER_PATIENCE_S:
                raise CookbookError(
                    "The cookbook's PostgreSQL server runs, but doesn't answer. "
                    "Run `cookbook stop`; the next command starts it again."
                ) from None
        time.sleep(processes.STEP_S)


def _given_up(error: str) -> str | None:
    """Return why the server will never let us in, if the error says that it won't."""
    if "password authentication failed" in error:
        return "doesn't take its password any more"
    if any(words in error for words in CIRCUMSTANCES) or not any(words in error for words in _DAMAGE):
        return None
    return f"is damaged ({error.rpartition('FATAL:')[2].strip().splitlines()[0]})"
