"""How does the kit itself talk to a PostgreSQL server? Without SQLAlchemy, without a pool."""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

DRIVER = "postgresql+psycopg"

Connection = psycopg.Connection[tuple[Any, ...]]


class OwnConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection of the kit itself, which the guard leaves alone."""


def connect(url: sa.URL, *, patience: int = 10) -> Connection:
    """A connection in autocommit mode, outside the guard and outside SQLAlchemy's events."""
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    arguments, parameters = dialect.create_connect_args(url)  # type: ignore[no-untyped-call]
    parameters.setdefault("connect_timeout", patience)
    return OwnConnection.connect(*arguments, **parameters, autocommit=True, prepare_threshold=None)


def socket_url(folder: str, user: str, password: str, database: str) -> sa.URL:
    """The URL of a database behind the Unix socket in `folder`, everything in it explicit."""
    return sa.URL.create(
        DRIVER, user, password, database=database, query={"host": folder, "port": str(SOCKET_PORT)}
    )


#: Part of the socket's file name only: nothing listens on the network.
SOCKET_PORT = 5432
