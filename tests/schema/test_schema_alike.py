"""One MetaData, created on both databases, reads the same wherever it is the same."""

from __future__ import annotations

import sqlalchemy as sa

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.schema import Schema, Table, read

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


def shop() -> sa.MetaData:
    metadata = sa.MetaData(naming_convention=CONVENTION)
    sa.Table(
        "authors",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
    )
    in_stock = sa.text("price > 10 AND status <> 'sold'")
    sa.Table(
        "books",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.String(200), nullable=False, index=True),
        sa.Column("price", sa.Numeric(8, 2), sa.CheckConstraint("price > 0", "price"), server_default="0"),
        sa.Column("language", sa.String(2), server_default="en", nullable=False),
        sa.Column(
            "status", sa.Enum("new", "used", "sold", native_enum=False, create_constraint=True, name="status")
        ),
        sa.Column("sold", sa.Boolean, nullable=False),
        sa.Column("sold_on", sa.Date),
        sa.Column("note", sa.Text, server_default="it's new"),
        sa.Column("copies", sa.BigInteger, server_default=sa.text("-1")),
        sa.Column(
            "author_id", sa.ForeignKey("authors.id", ondelete="CASCADE", onupdate="SET NULL"), index=True
        ),
        sa.CheckConstraint("language = 'en' OR length(title) > 3 AND price IS NOT NULL", "language"),
        sa.UniqueConstraint("title", "language"),
        sa.Index("ix_books_lower", sa.text("lower(title)"), unique=True),
        sa.Index("ix_books_price", "price", sqlite_where=in_stock, postgresql_where=in_stock),
    )
    return metadata


def created(connection: sa.Connection) -> Schema:
    shop().create_all(connection)
    return read(connection)


def lines(table: Table) -> list[str]:
    constraints = [table.primary_key, *table.uniques, *table.foreign_keys, *table.checks]
    return [
        *(f"{column.name} {column.description}" for column in table.columns),
        *(f"{one.name}: {one.text}" for one in constraints if one),
        *(f"{one.name}: {one.description}" for one in table.indexes),
    ]


def test_what_both_databases_have_reads_the_same(sqlite: sa.Connection, postgres: sa.Connection) -> None:
    left, right = created(sqlite), created(postgres)

    assert (left.dialect, right.dialect) == (Dialect.SQLITE, Dialect.POSTGRES)
    assert [lines(table) for table in left.tables] == [lines(table) for table in right.tables]


def test_the_spelling_is_the_one_of_the_book(connection: sa.Connection) -> None:
    books = created(connection).table("books")

    assert books is not None
    assert lines(books) == [
        "id INTEGER NOT NULL, automatic",
        "title VARCHAR(200) NOT NULL",
        "price NUMERIC(8, 2), default 0",
        "language VARCHAR(2) NOT NULL, default 'en'",
        "status VARCHAR(4)",
        "sold BOOLEAN NOT NULL",
        "sold_on DATE",
        "note TEXT, default 'it''s new'",
        "copies BIGINT, default -1",
        "author_id INTEGER",
        "pk_books: PRIMARY KEY (id)",
        "uq_books_title: UNIQUE (title, language)",
        "fk_books_author_id: FOREIGN KEY (author_id) REFERENCES authors(id) ON UPDATE SET NULL ON DELETE CASCADE",
        "ck_books_language: CHECK (language = 'en' OR length(title) > 3 AND price IS NOT NULL)",
        "ck_books_price: CHECK (price > 0)",
        "ck_books_status: CHECK (status IN ('new', 'used', 'sold'))",
        "ix_books_author_id: (author_id)",
        "ix_books_lower: UNIQUE (lower(title))",
        "ix_books_price: (price) WHERE price > 10 AND status <> 'sold'",
        "ix_books_title: (title)",
    ]


def test_alembics_own_table_is_kept_apart(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")

    schema = read(connection)

    assert schema.tables == ()
    found = schema.table("alembic_version")
    assert found is not None
    assert [column.name for column in found.columns] == ["version_num"]


def test_columns_know_their_constraints_columns(connection: sa.Connection) -> None:
    books = created(connection).table("books")

    assert books is not None
    assert books.primary_key is not None
    assert books.primary_key.columns == ("id",)
    assert [one.columns for one in books.uniques] == [("title", "language")]
    assert [one.columns for one in books.foreign_keys] == [("author_id",)]


def test_an_empty_database_is_an_empty_schema(connection: sa.Connection) -> None:
    assert read(connection) == Schema(Dialect(connection.dialect.name.removesuffix("ql")))
