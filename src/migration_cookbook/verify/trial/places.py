"""The database in which a snippet is tried; afterwards it's as it was before."""

from __future__ import annotations

import contextlib
import difflib
import functools
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from migration_cookbook import schema
from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIPE = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace
        WHERE nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')
    LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
    FOR name IN SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'
    LOOP EXECUTE format('DROP EXTENSION %I CASCADE', name); END LOOP;
    CREATE SCHEMA public;
END $$
"""


class SetupError(Exception):
    """A statement that should build the required schema is refused."""

    def __init__(self, statement: str, error: sa.exc.SQLAlchemyError) -> None:
        super().__init__(str(error))
        self.statement, self.error = statement, error


@dataclass(frozen=True)
class TrialDatabase:
    """A connection to a database with the required schema in it."""

    connection: sa.Connection
    #: Whether all of it is one transaction of ours, to be rolled back.
    in_transaction: bool


@contextlib.contextmanager
def in_memory(assumed: Sequence[str]) -> Iterator[TrialDatabase]:
    """SQLite's, gone with the connection."""
    # Without a pool each connection is a database of its own.
    with engine(sa.make_url("sqlite://")).connect() as connection:
        _build(connection, assumed, Dialect.SQLITE)
        connection.commit()
        yield TrialDatabase(connection, in_transaction=False)


@contextlib.contextmanager
def in_transaction(url: sa.URL, assumed: Sequence[str]) -> Iterator[TrialDatabase]:
    """PostgreSQL's, rolled back."""
    connection = kept(url)
    with connection.begin() as transaction:
        try:
            _build(connection, assumed, Dialect.POSTGRES)
            yield TrialDatabase(connection, in_transaction=True)
        finally:
            if connection.in_transaction():
                transaction.rollback()
            _unlock(connection)


def _unlock(connection: sa.Connection) -> None:
    """Give back the advisory locks that a snippet took for the session: no rollback does that."""
    if connection.closed or connection.invalidated:
        return
    try:
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        connection.rollback()
    except sa.exc.SQLAlchemyError:
        # They may be too many for that. They end with the session.
        connection.invalidate()


@contextlib.contextmanager
def in_database(url: sa.URL, assumed: Sequence[str], *, keep: bool) -> Iterator[TrialDatabase]:
    """A database that the snippet has for itself. With `keep` it's empty before, and its work is left in it."""
    try:
        # A connection of its own: what it sets for its session ends with it.
        with engine(url).connect() as connection:
            _build(
                connection,
                assumed,
                Dialect.SQLITE if connection.dialect.name == "sqlite" else Dialect.POSTGRES,
            )
            connection.commit()
            yield TrialDatabase(connection, in_transaction=False)
    finally:
        if not keep:
            wipe(url)


def wipe(url: sa.URL) -> None:
    """Nothing is in the database afterwards."""
    if url.get_backend_name() == "postgresql":
        connection = kept(url, ours=True)
        raw(connection, _WIPE)
        connection.commit()
    elif url.database:
        Path(url.database).unlink(missing_ok=True)


def has_function_like(url: sa.URL, name: str) -> bool:
    """Whether one of the databases has a function of this name, or of one that is a slip of the pen away."""
    connection = kept(url, ours=True)
    names = set(
        connection.exec_driver_sql("SELECT DISTINCT proname FROM pg_proc WHERE oid < 16384").scalars()
    )
    with engine(sa.make_url("sqlite://")).connect() as other:
        names |= set(other.exec_driver_sql("SELECT DISTINCT name FROM pragma_function_list").scalars())
    return bool(difflib.get_close_matches(name, names, 1, 0.8))


_kept: dict[tuple[sa.URL, bool], sa.Connection] = {}


def kept(url: sa.URL, *, ours: bool = False) -> sa.Connection:
    """One connection for all trials in this process, with nothing open on it; `ours` sends no snippet's SQL."""
    known = _kept.get((url, ours))
    if known is None or known.closed or known.invalidated:
        known = _kept[url, ours] = _connected(url, ours=ours)
    if known.in_transaction():
        known.rollback()
    return known


def raw(connection: sa.Connection, statement: str) -> None:
    """Send the text as it is: psycopg would take a percent sign for a parameter."""
    connection.exec_driver_sql(
        statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement
    )


@functools.lru_cache(maxsize=4)
def engine(url: sa.URL, *, ours: bool = False) -> sa.Engine:
    """One engine a database and process, without a pool."""
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        # Nothing that is tried out needs to survive a crash.
        arguments = {"prepare_threshold": None, "options": "-c synchronous_commit=off"}
        if ours:
            # What this module sends by itself is not held to what a snippet may send.
            arguments["cursor_factory"] = psycopg.Cursor
    return sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args=arguments)


def _connected(url: sa.URL, *, ours: bool) -> sa.Connection:
    connection = engine(url, ours=ours).connect()
    schema.prepare(connection)
    connection.rollback()
    return connection


def _build(connection: sa.Connection, assumed: Sequence[str], dialect: Dialect) -> None:
    """All at once; if that is refused, one by one, to see which of them it is."""
    # A comment at the end of one must not hide the next.
    together = ";\n".join((*assumed, "RELEASE SAVEPOINT required_schema"))
    if dialect is Dialect.POSTGRES:
        # By itself: of a text with a syntax error in it, PostgreSQL runs no statement.
        raw(connection, "SAVEPOINT required_schema")
    try:
        if dialect is Dialect.POSTGRES:
            raw(connection, together)
        else:
            _driver(connection).executescript(f"SAVEPOINT required_schema;\n{together}")
    except (sa.exc.SQLAlchemyError, sqlite3.Error):
        raw(connection, "ROLLBACK TO SAVEPOINT required_schema")
        _one_by_one(connection, assumed)


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _one_by_one(connection: sa.Connection, assumed: Sequence[str]) -> None:
    for statement in assumed:
        try:
            raw(connection, statement)
        except sa.exc.SQLAlchemyError as error:
            raise SetupError(statement, error) from None
