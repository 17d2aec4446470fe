"""What only SQLite's kept statements tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.schema import Table, read

if TYPE_CHECKING:
    import sqlalchemy as sa


def table(connection: sa.Connection, statements: str, name: str = "t") -> Table:
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.executescript(statements)
    found = read(connection).table(name)
    assert found is not None
    return found


def constraints(found: Table) -> list[tuple[str | None, str]]:
    every = [found.primary_key, *found.uniques, *found.foreign_keys, *found.checks]
    return [(one.name, one.text) for one in every if one]


def test_names_and_texts_of_every_way_to_write_a_constraint(sqlite: sa.Connection) -> None:
    found = table(
        sqlite,
        """
        CREATE TABLE parent (code TEXT PRIMARY KEY);
        CREATE TABLE t (
            id INTEGER CONSTRAINT pk PRIMARY KEY ASC AUTOINCREMENT, -- a comment, with (
            "full name" VARCHAR(20) NOT NULL CONSTRAINT uq UNIQUE /* and ) another */,
            price NUMERIC(8,2) DEFAULT (1 + 2) CHECK (price > 0) CHECK (price < 9),
            [odd] TEXT DEFAULT 'a, (b' COLLATE NOCASE CONSTRAINT fk REFERENCES parent ON DELETE SET NULL
                DEFERRABLE INITIALLY DEFERRED,
            CONSTRAINT uq2 UNIQUE ("full name", odd) ON CONFLICT IGNORE,
            CONSTRAINT ck CHECK ("price" <> 3 AND odd NOT IN ('x', 'it''s')),
            FOREIGN KEY (odd) REFERENCES parent (code) ON DELETE NO ACTION ON UPDATE CASCADE
        )
        """,
    )

    assert [f"{column.name}: {column.description}" for column in found.columns] == [
        "id: INTEGER NOT NULL, automatic (AUTOINCREMENT)",
        "full name: VARCHAR(20) NOT NULL",
        "price: NUMERIC(8, 2), default 1 + 2",
        "odd: TEXT, default 'a, (b', collation NOCASE",
    ]
    assert constraints(found) == [
        ("pk", "PRIMARY KEY (id)"),
        ("uq", 'UNIQUE ("full name")'),
        ("uq2", 'UNIQUE ("full name", odd) ON CONFLICT IGNORE'),
        (None, "FOREIGN KEY (odd) REFERENCES parent(code) ON UPDATE CASCADE"),
        ("fk", "FOREIGN KEY (odd) REFERENCES parent(code) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED"),
        (None, "CHECK (price < 9)"),
        (None, "CHECK (price > 0)"),
        ("ck", "CHECK (price <> 3 AND odd NOT IN ('x', 'it''s'))"),
    ]


def test_only_a_rowid_counts_by_itself(sqlite: sa.Connection) -> None:
    table(sqlite, "CREATE TABLE a (id INTEGER, PRIMARY KEY (id)); CREATE TABLE b (id INT PRIMARY KEY)", "a")
    table(sqlite, "CREATE TABLE c (id INTEGER PRIMARY KEY) WITHOUT ROWID", "c")
    table(sqlite, "CREATE TABLE d (x INTEGER, y INTEGER, PRIMARY KEY (x, y))", "d")

    counting = {one.name: [column.automatic for column in one.columns] for one in read(sqlite).tables}

    assert counting == {"a": [True], "b": [False], "c": [False], "d": [False, False]}


def test_options_of_tables(sqlite: sa.Connection) -> None:
    assert table(sqlite, "CREATE TABLE t (id TEXT PRIMARY KEY) without rowid, STRICT").options == (
        "WITHOUT ROWID",
        "STRICT",
    )


def test_generated_columns(sqlite: sa.Connection) -> None:
    found = table(
        sqlite,
        "CREATE TABLE t (a INTEGER, b INTEGER AS (a * 2), c TEXT GENERATED ALWAYS AS (a || ')') STORED)",
    )

    assert [column.generated for column in found.columns] == [None, "(a * 2) VIRTUAL", "(a || ')') STORED"]
    assert [column.type for column in found.columns] == ["INTEGER", "INTEGER", "TEXT"]


def test_sqlites_own_renaming_leaves_no_quotes(sqlite: sa.Connection) -> None:
    found = table(
        sqlite,
        """
        CREATE TABLE old (a INTEGER, CONSTRAINT ck CHECK (a > 0));
        CREATE INDEX ix ON old ("a") WHERE "a" > 3;
        ALTER TABLE old RENAME TO t;
        ALTER TABLE t RENAME COLUMN a TO amount
        """,
    )

    assert constraints(found) == [("ck", "CHECK (amount > 0)")]
    assert [one.description for one in found.indexes] == ["(amount) WHERE amount > 3"]


def test_a_table_made_from_a_select_and_a_type_less_column(sqlite: sa.Connection) -> None:
    found = table(sqlite, "CREATE TABLE s (a, b TEXT); CREATE TABLE t AS SELECT * FROM s")

    assert [(column.name, column.type) for column in found.columns] == [("a", ""), ("b", "TEXT")]


def test_a_broken_view_is_still_read(sqlite: sa.Connection) -> None:
    table(
        sqlite,
        "CREATE TABLE t (a INTEGER); CREATE TABLE u (a INTEGER); CREATE VIEW v AS SELECT a FROM u; DROP TABLE u",
    )

    view = read(sqlite).view("v")

    assert view is not None
    assert (view.columns, view.text) == ((), "SELECT a FROM u")


def test_triggers_stand_with_what_they_are_on(sqlite: sa.Connection) -> None:
    found = table(
        sqlite,
        """
        CREATE TABLE t (a INTEGER);
        CREATE VIEW v AS SELECT a FROM t;
        CREATE TRIGGER one AFTER INSERT ON t BEGIN DELETE FROM t; END;
        CREATE TRIGGER two INSTEAD OF DELETE ON v BEGIN DELETE FROM t; END
        """,
    )
    view = read(sqlite).view("v")

    assert [one.name for one in found.triggers] == ["one"]
    assert view is not None
    assert [one.name for one in view.triggers] == ["two"]


def test_virtual_tables(sqlite: sa.Connection) -> None:
    if "fts5" not in sqlite.exec_driver_sql("SELECT name FROM pragma_module_list").scalars().all():
        pytest.skip("this SQLite was built without full-text search")
    found = table(sqlite, "CREATE VIRTUAL TABLE t USING fts5(title, body)")

    assert found.options == ("VIRTUAL USING fts5(title, body)",)
    assert [column.name for column in found.columns] == ["title", "body"]


def test_reserved_words_keep_their_quotes(sqlite: sa.Connection) -> None:
    found = table(
        sqlite, 'CREATE TABLE t ("order" INTEGER, CONSTRAINT ck CHECK ("order" > 0), UNIQUE ("order"))'
    )

    assert constraints(found) == [(None, 'UNIQUE ("order")'), ("ck", 'CHECK ("order" > 0)')]
