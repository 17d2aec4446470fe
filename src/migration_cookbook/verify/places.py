"""Where is a snippet tried out? In a database that is as it was before afterwards."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migration_cookbook import schema
from migration_cookbook.databases.kinds import Kind

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


class WorldFails(Exception):
    """A statement that should build the world is refused."""

    def __init__(self, statement: str, error: sa.exc.SQLAlchemyError) -> None:
        super().__init__(str(error))
        self.statement, self.error = statement, error


@dataclass(frozen=True)
class Ground:
    """A connection to a database with the world in it."""

    connection: sa.Connection
    #: Whether all of it is one transaction of ours, to be rolled back.
    in_transaction: bool


@contextlib.contextmanager
def in_memory(world: Sequence[str]) -> Iterator[Ground]:
    """SQLite's, gone with the connection."""
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    with engine.connect() as connection:
        _build(connection, world, Kind.SQLITE)
        connection.commit()
        yield Ground(connection, in_transaction=False)
    engine.dispose()


@contextlib.contextmanager
def in_transaction(connection: sa.Connection, world: Sequence[str]) -> Iterator[Ground]:
    """PostgreSQL's, rolled back."""
    with connection.begin() as transaction:
        try:
            _build(connection, world, Kind.POSTGRES)
            yield Ground(connection, in_transaction=True)
        finally:
            if connection.in_transaction():
                transaction.rollback()


@contextlib.contextmanager
def in_database(database: sa.Engine, world: Sequence[str], *, keep: bool) -> Iterator[Ground]:
    """A database that the snippet has for itself. With `keep` its work stands in it afterwards."""
    kind = Kind.SQLITE if database.dialect.name == "sqlite" else Kind.POSTGRES
    wipe(database)
    try:
        with database.connect() as connection:
            _build(connection, world, kind)
            connection.commit()
            yield Ground(connection, in_transaction=False)
    finally:
        if not keep:
            wipe(database)


def wipe(database: sa.Engine) -> None:
    """Nothing is in the database afterwards."""
    if database.dialect.name == "postgresql":
        with database.begin() as connection:
            raw(connection, _WIPE)
    elif database.url.database:
        Path(database.url.database).unlink(missing_ok=True)


def raw(connection: sa.Connection, statement: str) -> None:
    """Send the text as it is: psycopg would take a percent sign for a parameter."""
    connection.exec_driver_sql(
        statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement
    )


@functools.lru_cache(maxsize=4)
def engine(url: sa.URL) -> sa.Engine:
    """One engine a database and process, without a pool."""
    arguments = {"prepare_threshold": None} if url.get_backend_name() == "postgresql" else {}
    return sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args=arguments)


def connected(url: sa.URL) -> sa.Connection:
    """A connection that stays, for one trial after the other."""
    connection = engine(url).connect()
    schema.prepare(connection)
    connection.rollback()
    return connection


def _build(connection: sa.Connection, world: Sequence[str], kind: Kind) -> None:
    if kind is Kind.POSTGRES and world:
        try:
            with connection.begin_nested():
                raw(connection, "; ".join(world))
        except sa.exc.SQLAlchemyError:
            # Once more, to see which of them it is.
            _one_by_one(connection, world)
    else:
        _one_by_one(connection, world)


def _one_by_one(connection: sa.Connection, world: Sequence[str]) -> None:
    for statement in world:
        try:
            raw(connection, statement)
        except sa.exc.SQLAlchemyError as error:
            raise WorldFails(statement, error) from None
