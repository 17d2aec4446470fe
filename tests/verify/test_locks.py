"""The locks of a statement are those that others run into."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from migration_cookbook.databases import engines
from migration_cookbook.locks import Lock, watch_locks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.databases.database import Database
    from migration_cookbook.locks import Watch

EVERYBODY = ("SELECT", "INSERT", "UPDATE")
WRITERS = ("INSERT", "UPDATE")

_WORLD = """
    CREATE SCHEMA "the back";
    CREATE TABLE authors (id integer PRIMARY KEY, name text);
    CREATE TABLE books (id serial PRIMARY KEY, title text NOT NULL, price integer, author_id integer);
    CREATE INDEX ix_title ON books (title);
    INSERT INTO books (title) SELECT 'Emma' FROM generate_series(1, 10);
    CREATE VIEW cheap AS SELECT * FROM books WHERE price < 5;
    CREATE TABLE "the back"."odd %s name" ("odd column" integer);
    CREATE TABLE log (entry text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO log VALUES (TG_OP); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON books FOR EACH STATEMENT EXECUTE FUNCTION note();
"""


@pytest.fixture
def shop(database: Database) -> Database:
    with engines.engine(database).connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.cursor().execute(_WORLD)
        raw.commit()
    return database


@pytest.fixture
def connection(shop: Database) -> Iterator[sa.Connection]:
    with engines.engine(shop).connect() as one:
        yield one


def watched(connection: sa.Connection, database: Database, *statements: str) -> Watch:
    with watch_locks(connection, database.url) as watch:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))
    return watch


@pytest.mark.parametrize(
    ("statement", "locks"),
    [
        ("SELECT * FROM authors", {"authors": ("ACCESS SHARE", ())}),
        ("UPDATE authors SET name = ''", {"authors": ("ROW EXCLUSIVE", ())}),
        ("ALTER TABLE books ADD COLUMN isbn text", {"books": ("ACCESS EXCLUSIVE", EVERYBODY)}),
        ("CREATE INDEX ix_price ON books (price)", {"books": ("SHARE", WRITERS)}),
        (
            "ALTER TABLE books ADD FOREIGN KEY (author_id) REFERENCES authors (id)",
            {"authors": ("SHARE ROW EXCLUSIVE", WRITERS), "books": ("SHARE ROW EXCLUSIVE", WRITERS)},
        ),
        # The index's lock stops even readers, whose plan needs it.
        (
            "REINDEX INDEX ix_title",
            {"books": ("SHARE", EVERYBODY), "ix_title": ("ACCESS EXCLUSIVE", EVERYBODY)},
        ),
        ("ALTER TABLE books RENAME TO volumes", {"books": ("ACCESS EXCLUSIVE", EVERYBODY)}),
        ("ALTER INDEX ix_title RENAME TO ix", {"ix_title": ("SHARE UPDATE EXCLUSIVE", ())}),
        # A foreign key's other side is locked too; what is new nobody can see yet.
        (
            "CREATE TABLE orders (id integer PRIMARY KEY, author_id integer REFERENCES authors)",
            {"authors": ("SHARE ROW EXCLUSIVE", WRITERS), "orders": ("ACCESS EXCLUSIVE", ())},
        ),
        (
            "DROP TABLE books CASCADE",
            {"books": ("ACCESS EXCLUSIVE", EVERYBODY), "cheap": ("ACCESS EXCLUSIVE", EVERYBODY)},
        ),
        (
            'ALTER TABLE "the back"."odd %s name" ADD COLUMN more text',
            {"the back.odd %s name": ("ACCESS EXCLUSIVE", EVERYBODY)},
        ),
        ("SET lock_timeout = '1s'", {}),
        ("CREATE TYPE mood AS ENUM ('fine')", {}),
    ],
)
def test_a_statement_in_a_transaction(
    connection: sa.Connection, shop: Database, statement: str, locks: dict[str, tuple[str, tuple[str, ...]]]
) -> None:
    watch = watched(connection, shop, statement)
    assert {lock.relation: (lock.mode, lock.waiting) for lock in watch.locks} == locks
    assert [step.statement for step in watch.steps] == [statement]
    assert not watch.steps[0].outside
    assert [lock.relation for lock in watch.locks if lock.made] == ["orders"] * ("orders" in locks)


@pytest.mark.parametrize(
    ("statement", "rewritten"),
    [
        ("ALTER TABLE authors ALTER COLUMN id TYPE bigint", True),
        ("ALTER TABLE authors ALTER COLUMN name TYPE varchar", False),
        ("ALTER TABLE authors ADD COLUMN luck float DEFAULT random()", True),
        ("ALTER TABLE authors ADD COLUMN luck float DEFAULT 1", False),
    ],
)
def test_a_rewrite_is_seen(
    connection: sa.Connection, shop: Database, statement: str, rewritten: bool
) -> None:
    watch = watched(connection, shop, statement)
    assert watch.locks == (Lock("authors", "ACCESS EXCLUSIVE", rewritten, EVERYBODY),)


def test_each_statement_is_told_apart(connection: sa.Connection, shop: Database) -> None:
    watch = watched(
        connection,
        shop,
        "CREATE INDEX ix_name ON authors (name)",
        "ALTER TABLE authors ADD COLUMN born integer",
        "ALTER TABLE authors ADD COLUMN died integer",
        "ALTER TABLE authors ALTER COLUMN id TYPE bigint",
        "CREATE TABLE shelves (id integer)",
        "ALTER TABLE shelves ADD COLUMN name text",
    )
    shelves = Lock("shelves", "ACCESS EXCLUSIVE", False, (), made=True)
    assert [step.locks for step in watch.steps] == [
        (Lock("authors", "SHARE", False, WRITERS),),
        (Lock("authors", "ACCESS EXCLUSIVE", False, EVERYBODY),),
        # It holds already what this one needs.
        (),
        (Lock("authors", "ACCESS EXCLUSIVE", True, EVERYBODY),),
        (shelves,),
        (),
    ]
    assert watch.locks == (Lock("authors", "ACCESS EXCLUSIVE", True, EVERYBODY), shelves)


@pytest.mark.parametrize(
    ("statement", "mode", "waiting"),
    [
        ("CREATE INDEX CONCURRENTLY ix_price ON books (price)", "SHARE UPDATE EXCLUSIVE", ()),
        ("DROP INDEX CONCURRENTLY ix_title", "SHARE UPDATE EXCLUSIVE", ()),
        ("REINDEX TABLE CONCURRENTLY books", "SHARE UPDATE EXCLUSIVE", ()),
        ("VACUUM books", "SHARE UPDATE EXCLUSIVE", ()),
        ("CREATE INDEX ix_price ON books (price)", "SHARE", WRITERS),
        ("VACUUM FULL books", "ACCESS EXCLUSIVE", EVERYBODY),
    ],
)
def test_a_statement_outside_a_transaction(
    connection: sa.Connection, shop: Database, statement: str, mode: str, waiting: tuple[str, ...]
) -> None:
    autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
    watch = watched(autocommit, shop, statement)
    assert watch.locks == (Lock("books", mode, "FULL" in statement, waiting),)
    assert watch.steps[0].outside
    # Nobody is in the way any more, and nothing was written.
    autocommit.exec_driver_sql("ALTER TABLE books ADD COLUMN isbn text")
    assert autocommit.exec_driver_sql("SELECT count(*) FROM log").scalar() == 0


def test_outside_a_transaction_what_needs_no_table_is_not_held_up(
    connection: sa.Connection, shop: Database
) -> None:
    autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
    watch = watched(
        autocommit, shop, "SELECT 1", "CREATE TABLE shelves (id integer)", "ALTER TABLE shelves ADD name text"
    )
    assert [len(step.locks) for step in watch.steps] == [0, 0, 1]
    assert watch.locks[0].waiting == EVERYBODY


def test_a_statement_that_is_refused_leaves_nobody_in_the_way(
    connection: sa.Connection, shop: Database
) -> None:
    autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
    with watch_locks(autocommit, shop.url) as watch:
        with pytest.raises(sa.exc.ProgrammingError):
            autocommit.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_nothing ON books (nothing)")
        autocommit.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_price ON books (price)")
    assert [step.statement.split()[3] for step in watch.steps] == ["ix_price"]
    with pytest.raises(sa.exc.ProgrammingError), watch_locks(autocommit, shop.url):
        autocommit.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_nothing ON books (nothing)")
    autocommit.exec_driver_sql("SET lock_timeout = 1")
    autocommit.exec_driver_sql("ALTER TABLE books ADD COLUMN isbn text")


def test_watching_changes_nothing(connection: sa.Connection, shop: Database) -> None:
    watched(connection, shop, "ALTER TABLE books ADD COLUMN isbn text", "UPDATE books SET price = 1")
    assert connection.exec_driver_sql("SELECT string_agg(entry, ' ') FROM log").scalar() == "UPDATE"
    connection.commit()
    assert connection.exec_driver_sql("SELECT string_agg(entry, ' ') FROM log").scalar() == "UPDATE"


def test_it_costs_no_more_than_200_ms(connection: sa.Connection, shop: Database) -> None:
    # The best of three: other tests run beside it.
    times = []
    for number in range(3):
        start = time.monotonic()
        watched(connection, shop, f"ALTER TABLE books ADD COLUMN isbn_{number} text")
        times.append(time.monotonic() - start)
        connection.rollback()
    assert min(times) < 0.2
