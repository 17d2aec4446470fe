"""Each statement is one change with the right words, and its inverse leaves no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.schema import difference, fingerprint, read

if TYPE_CHECKING:
    import sqlalchemy as sa

WORLD = """
CREATE TABLE authors (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL);
CREATE TABLE books (
    id INTEGER PRIMARY KEY,
    title VARCHAR(100) NOT NULL,
    price NUMERIC(8, 2),
    author_id INTEGER,
    CONSTRAINT ck_books_price CHECK (price > 0)
);
CREATE INDEX ix_books_price ON books (price);
CREATE VIEW cheap AS SELECT id, title FROM books WHERE price < 5
"""

SQLITE_WORLD = """
CREATE TRIGGER dear AFTER UPDATE OF price ON books WHEN NEW.price > 50
BEGIN UPDATE books SET title = title || ' (dear)' WHERE id = NEW.id; END
"""

POSTGRES_WORLD = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN isbn AS text CHECK (length(VALUE) = 13);
CREATE SEQUENCE orders_number;
CREATE TABLE sales (id SERIAL PRIMARY KEY, sold_on DATE, amount NUMERIC, mood mood DEFAULT 'good', number INTEGER);
CREATE FUNCTION twice(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x * 2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE MATERIALIZED VIEW totals AS SELECT sold_on, sum(amount) AS amount FROM sales GROUP BY sold_on
"""

#: the statement, its inverse, the change in words
BOTH = [
    (
        "ALTER TABLE books ADD COLUMN language VARCHAR(2) DEFAULT 'en' NOT NULL",
        "ALTER TABLE books DROP COLUMN language",
        "+ books.language: VARCHAR(2) NOT NULL, default 'en'",
    ),
    (
        "ALTER TABLE books ADD COLUMN copies INTEGER DEFAULT '0'",
        "ALTER TABLE books DROP COLUMN copies",
        "+ books.copies: INTEGER, default 0",
    ),
    (
        "ALTER TABLE books DROP COLUMN author_id",
        "ALTER TABLE books ADD COLUMN author_id INTEGER",
        "- books.author_id: INTEGER",
    ),
    (
        "CREATE INDEX ix_books_title ON books (title)",
        "DROP INDEX ix_books_title",
        "+ index ix_books_title on books: (title)",
    ),
    (
        "CREATE UNIQUE INDEX ix_lower ON books (lower(title), price DESC) WHERE price > 5",
        "DROP INDEX ix_lower",
        "+ index ix_lower on books: UNIQUE (lower(title), price DESC) WHERE price > 5",
    ),
    (
        "DROP INDEX ix_books_price",
        "CREATE INDEX ix_books_price ON books (price)",
        "- index ix_books_price on books: (price)",
    ),
    (
        "DROP VIEW cheap; CREATE VIEW cheap AS SELECT id, title FROM books WHERE price < 3",
        "DROP VIEW cheap; CREATE VIEW cheap AS SELECT id, title FROM books WHERE price < 5",
        "~ view cheap: ",
    ),
    (
        "CREATE VIEW prices AS SELECT id, price FROM books",
        "DROP VIEW prices",
        "+ view prices: id INTEGER, price NUMERIC",
    ),
    (
        "CREATE TABLE tags (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE, book_id INTEGER REFERENCES books (id))",
        "DROP TABLE tags",
        "+ table tags: id INTEGER, name VARCHAR(20), book_id INTEGER",
    ),
]

SQLITE = [
    (
        "CREATE TRIGGER keep BEFORE DELETE ON books BEGIN SELECT RAISE(ABORT, 'no; never'); END",
        "DROP TRIGGER keep",
        "+ trigger keep on books: CREATE TRIGGER keep BEFORE DELETE ON books BEGIN",
    ),
    (
        "ALTER TABLE books ADD COLUMN gross NUMERIC GENERATED ALWAYS AS (price * 1.2) VIRTUAL",
        "ALTER TABLE books DROP COLUMN gross",
        "+ books.gross: NUMERIC, generated as (price * 1.2) VIRTUAL",
    ),
    (
        "ALTER TABLE books ADD COLUMN shelf TEXT COLLATE NOCASE",
        "ALTER TABLE books DROP COLUMN shelf",
        "+ books.shelf: TEXT, collation NOCASE",
    ),
    ("ALTER TABLE books RENAME TO volumes", "ALTER TABLE volumes RENAME TO books", None),
    ("ALTER TABLE books RENAME COLUMN price TO cost", "ALTER TABLE books RENAME COLUMN cost TO price", None),
    ("ALTER TABLE authors RENAME TO writers", "ALTER TABLE writers RENAME TO authors", None),
    (
        "ALTER TABLE authors RENAME COLUMN name TO full_name",
        "ALTER TABLE authors RENAME COLUMN full_name TO name",
        None,
    ),
]

POSTGRES = [
    (
        "ALTER TABLE books ALTER COLUMN title TYPE text",
        "ALTER TABLE books ALTER COLUMN title TYPE varchar(100)",
        "~ books.title: VARCHAR(100) -> TEXT",
        "DROP VIEW cheap",
    ),
    (
        "ALTER TABLE books ALTER COLUMN title DROP NOT NULL",
        "ALTER TABLE books ALTER COLUMN title SET NOT NULL",
        "~ books.title: NOT NULL -> NULL",
    ),
    (
        "ALTER TABLE books ALTER COLUMN title SET DEFAULT 'none'",
        "ALTER TABLE books ALTER COLUMN title DROP DEFAULT",
        "~ books.title: no default -> default 'none'",
    ),
    (
        "ALTER TABLE books ADD CONSTRAINT uq_title UNIQUE (title)",
        "ALTER TABLE books DROP CONSTRAINT uq_title",
        "+ unique uq_title on books: UNIQUE (title)",
    ),
    (
        "ALTER TABLE books ADD CONSTRAINT fk_author FOREIGN KEY (author_id) REFERENCES authors (id)"
        " ON DELETE SET NULL NOT VALID",
        "ALTER TABLE books DROP CONSTRAINT fk_author",
        "+ foreign key fk_author on books: FOREIGN KEY (author_id) REFERENCES authors(id) ON DELETE SET NULL NOT VALID",
    ),
    (
        "ALTER TABLE books DROP CONSTRAINT ck_books_price, ADD CONSTRAINT ck_books_price CHECK (price > 1 OR price IS NULL)",
        "ALTER TABLE books DROP CONSTRAINT ck_books_price, ADD CONSTRAINT ck_books_price CHECK (price > 0)",
        "~ check ck_books_price on books: CHECK (price > 0) -> CHECK (price > 1 OR price IS NULL)",
    ),
    (
        "ALTER TABLE authors DROP CONSTRAINT authors_pkey",
        "ALTER TABLE authors ADD PRIMARY KEY (id)",
        "- primary key authors_pkey on authors: PRIMARY KEY (id)",
    ),
    (
        "ALTER TABLE books ADD EXCLUDE USING gist (int4range(id, id, '[]') WITH &&)",
        "ALTER TABLE books DROP CONSTRAINT books_int4range_excl",
        "+ exclusion books_int4range_excl on books: EXCLUDE USING gist (int4range(id, id, '[]') WITH &&)",
    ),
    (
        "CREATE INDEX ix_gin ON books USING gin (to_tsvector('english', title))",
        "DROP INDEX ix_gin",
        "+ index ix_gin on books: USING gin (to_tsvector('english', title))",
    ),
    ("ALTER TYPE mood RENAME VALUE 'bad' TO 'sad'", "ALTER TYPE mood RENAME VALUE 'sad' TO 'bad'",
     "~ type mood: 'good', 'bad' -> 'good', 'sad'"),
    ("CREATE TYPE size AS ENUM ('S', 'L')", "DROP TYPE size", "+ type size: enum ('S', 'L')"),
    ("CREATE TYPE point3 AS (x integer, note varchar(5))", "DROP TYPE point3",
     "+ type point3: composite (x INTEGER, note VARCHAR(5))"),
    ("ALTER DOMAIN isbn SET NOT NULL", "ALTER DOMAIN isbn DROP NOT NULL", "~ type isbn: "),
    ("CREATE SEQUENCE invoices START 100", "DROP SEQUENCE invoices", "+ sequence invoices: BIGINT START 100 "),
    ("ALTER SEQUENCE orders_number INCREMENT 5", "ALTER SEQUENCE orders_number INCREMENT 1", "~ sequence orders_number: "),
    ("ALTER SEQUENCE sales_id_seq INCREMENT 5", "ALTER SEQUENCE sales_id_seq INCREMENT 1", "~ sequence sales_id_seq: "),
    ("ALTER SEQUENCE sales_id_seq RENAME TO s; ALTER SEQUENCE s RENAME TO sales_id_seq; CREATE SCHEMA shop",
     "DROP SCHEMA shop", "+ schema shop"),
    ("ALTER TABLE sales ALTER COLUMN number SET DEFAULT nextval('orders_number')",
     "ALTER TABLE sales ALTER COLUMN number DROP DEFAULT",
     "~ sales.number: not automatic -> automatic, no default -> default nextval('orders_number')"),
    ("ALTER TABLE sales ALTER COLUMN number SET NOT NULL, ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY",
     "ALTER TABLE sales ALTER COLUMN number DROP IDENTITY, ALTER COLUMN number DROP NOT NULL",
     "~ sales.number: NULL -> NOT NULL, not automatic -> automatic (ALWAYS)"),
    ("ALTER TABLE sales ADD COLUMN line BIGSERIAL", "ALTER TABLE sales DROP COLUMN line",
     "+ sales.line: BIGINT NOT NULL, automatic"),
    ("ALTER TABLE sales ADD COLUMN double NUMERIC GENERATED ALWAYS AS (amount * 2) STORED",
     "ALTER TABLE sales DROP COLUMN double", "+ sales.double: NUMERIC, generated as (amount * 2) STORED"),
    ("CREATE OR REPLACE FUNCTION twice(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x + x'",
     "CREATE OR REPLACE FUNCTION twice(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x * 2'",
     "~ function twice(x integer): another definition"),
    ("CREATE FUNCTION twice(x numeric) RETURNS numeric LANGUAGE sql AS 'SELECT x * 2'", "DROP FUNCTION twice(numeric)",
     "+ function twice(x numeric)"),
    ("CREATE TRIGGER touch BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION touch()", "DROP TRIGGER touch ON books",
     "+ trigger touch on books: CREATE TRIGGER touch BEFORE UPDATE ON books"),
    ("CREATE INDEX ix_totals ON totals (sold_on)", "DROP INDEX ix_totals", "+ index ix_totals on totals: (sold_on)"),
    ("COMMENT ON TABLE books IS 'for sale'", "COMMENT ON TABLE books IS NULL",
     "~ table books: no comment -> comment for sale"),
    ("COMMENT ON COLUMN books.title IS 'short'", "COMMENT ON COLUMN books.title IS NULL",
     "~ books.title: no comment -> comment short"),
    ("ALTER TABLE books ENABLE ROW LEVEL SECURITY", "ALTER TABLE books DISABLE ROW LEVEL SECURITY",
     "~ table books: options none -> ROW LEVEL SECURITY"),
    ("CREATE POLICY mine ON books FOR SELECT USING (price > 1)", "DROP POLICY mine ON books",
     "+ policy mine on books: PERMISSIVE FOR SELECT TO PUBLIC USING (price > 1::numeric)"),
    ("ALTER TABLE books SET (fillfactor = 70)", "ALTER TABLE books RESET (fillfactor)",
     "~ table books: options none -> fillfactor=70"),
    ("CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm", "+ extension pg_trgm: version 1."),
    ("ALTER TABLE books DISABLE RULE keep", "ALTER TABLE books ENABLE RULE keep", "~ trigger keep on books: ",
     "CREATE RULE keep AS ON DELETE TO books DO INSTEAD NOTHING"),
]  # fmt: skip


def run(connection: sa.Connection, statements: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    if connection.dialect.name == "sqlite":
        driver.executescript(statements)
    else:
        driver.execute(statements)


def check(connection: sa.Connection, there: str, back: str, words: str | None) -> None:
    before = read(connection)

    run(connection, there)
    after = read(connection)
    run(connection, back)
    again = read(connection)

    changes = difference(before, after)
    if words is not None:
        assert len(changes) == 1, [str(change) for change in changes]
        assert str(changes[0]).startswith(words)
        assert "\n" not in str(changes[0])
    assert changes != ()
    assert [change.sign for change in difference(after, before)].count("+") == [
        c.sign for c in changes
    ].count("-")
    assert fingerprint(after) != fingerprint(before)
    assert difference(before, again) == ()
    assert fingerprint(again) == fingerprint(before)


@pytest.mark.parametrize(("there", "back", "words"), BOTH, ids=[case[0][:40] for case in BOTH])
def test_on_both_databases(connection: sa.Connection, there: str, back: str, words: str) -> None:
    run(connection, WORLD)
    check(connection, there, back, words)


@pytest.mark.parametrize(("there", "back", "words"), SQLITE, ids=[case[0][:40] for case in SQLITE])
def test_on_sqlite(sqlite: sa.Connection, there: str, back: str, words: str | None) -> None:
    run(sqlite, ";".join([WORLD, SQLITE_WORLD]))
    check(sqlite, there, back, words)


@pytest.mark.parametrize("case", POSTGRES, ids=[case[0][:40] for case in POSTGRES])
def test_on_postgres(postgres: sa.Connection, case: tuple[str, ...]) -> None:
    there, back, words, *first = case
    run(postgres, ";".join([WORLD, POSTGRES_WORLD, *first]))
    check(postgres, there, back, words)


def test_a_new_label_of_an_enum(postgres: sa.Connection) -> None:
    run(postgres, POSTGRES_WORLD)
    before = read(postgres)

    run(postgres, "ALTER TYPE mood ADD VALUE 'fair' BEFORE 'bad'")

    assert [str(change) for change in difference(before, read(postgres))] == [
        "~ type mood: 'good', 'bad' -> 'good', 'fair', 'bad'"
    ]


def test_a_renamed_table_takes_its_sequence_with_it(postgres: sa.Connection) -> None:
    run(postgres, POSTGRES_WORLD)
    before = read(postgres)

    run(postgres, "DROP MATERIALIZED VIEW totals; ALTER TABLE sales RENAME TO receipts")

    assert [str(change).partition(":")[0] for change in difference(before, read(postgres))] == [
        "- table sales",
        "+ table receipts",
        "- materialized view totals",
    ]


def test_not_null_that_is_not_yet_valid(postgres: sa.Connection) -> None:
    if postgres.dialect.server_version_info < (18,):
        pytest.skip("NOT NULL … NOT VALID came with PostgreSQL 18")
    run(postgres, WORLD)
    plain = read(postgres)

    run(postgres, "ALTER TABLE books ADD CONSTRAINT priced NOT NULL price NOT VALID")
    waiting = read(postgres)
    run(postgres, "ALTER TABLE books VALIDATE CONSTRAINT priced")
    valid = read(postgres)

    assert [str(change) for change in difference(plain, waiting)] == [
        "+ check priced on books: NOT NULL price NOT VALID"
    ]
    assert [str(change) for change in difference(plain, valid)] == ["~ books.price: NULL -> NOT NULL"]


def test_columns_that_changed_places(sqlite: sa.Connection) -> None:
    run(sqlite, "CREATE TABLE t (a INTEGER, b INTEGER)")
    before = read(sqlite)

    run(sqlite, "DROP TABLE t; CREATE TABLE t (b INTEGER, a INTEGER)")

    assert [str(change) for change in difference(before, read(sqlite))] == [
        "~ order of columns in t: a, b -> b, a"
    ]


def test_alembics_own_table_is_no_change(connection: sa.Connection) -> None:
    before = read(connection)

    run(connection, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    after = read(connection)

    assert difference(before, after) == ()
    assert fingerprint(after) == fingerprint(before)
