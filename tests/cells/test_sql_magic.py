"""`%%sql` and `%wait`: statements as psql would run them, and the traps of ipython-sql closed."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from one_session import EVERY_BACKEND

from migration_cookbook.databases.dialects import BOTH

if TYPE_CHECKING:
    from notebook_desk import Desk

BOTH_TITLES = "SQLite and PostgreSQL"
DATABASES = ("SQLite", "PostgreSQL")
#: Nobody who waits for such a statement is done before a test gives up.
LONG_S = 600
GIVEN_UP = "After 3 seconds the wait was given up."
OPEN = "BEGIN;\nUPDATE books SET title = 'open' WHERE id = 1"


def titles(desk: Desk, name: str) -> list[str]:
    with desk.shell.user_ns[name].connect() as connection:
        return list(connection.scalars(sa.text("SELECT title FROM books ORDER BY id")))


def open_transactions(desk: Desk) -> int:
    """How many there are on PostgreSQL; on SQLite it is asked for the right to write, without waiting."""
    writer = sqlite3.connect(desk.shell.user_ns["sqlite"].url.database, timeout=0, isolation_level=None)
    with contextlib.closing(writer):
        writer.execute("BEGIN IMMEDIATE")
    with desk.shell.user_ns["postgres"].connect() as connection:
        return connection.execute(
            sa.text(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            )
        ).rowcount


def patience(desk: Desk) -> list[str]:
    """How long a statement waits for a lock, in each database's words."""
    asked = ("%%sql --on sqlite\nPRAGMA busy_timeout", "%%sql --on postgres\nSHOW lock_timeout")
    return [desk.run(cell).below(title)[-2].strip() for cell, title in zip(asked, DATABASES, strict=True)]


@EVERY_BACKEND
def test_a_select_is_a_table(shop: Desk) -> None:
    ran = shop.run("%%sql\nSELECT id, title FROM books ORDER BY id")
    assert ran.below(BOTH_TITLES)[:3] == [
        "id  title",
        "--  -------------------------",
        " 1  The Left Hand of Darkness",
    ]
    assert 'scope="col"' in ran.html


@EVERY_BACKEND
def test_what_returns_no_rows_says_what_it_did(shop: Desk) -> None:
    ran = shop.run(
        "%%sql\nUPDATE books SET title = title;\nDELETE FROM order_lines WHERE quantity < 0;\n"
        "INSERT INTO books (title, author) VALUES ('a', 'b');\nCREATE TABLE shelves (id INTEGER);\n"
        "SELECT title FROM books WHERE id = -1"
    )
    assert ran.below(BOTH_TITLES) == [
        "UPDATE: 3 rows",
        "DELETE: 0 rows",
        "INSERT: 1 row",
        "CREATE TABLE: done",
        "no rows (title)",
    ]


@pytest.mark.parametrize("begin", ["BEGIN", "begin", "BEGIN TRANSACTION", "-- first\nBEGIN"])
@EVERY_BACKEND
def test_a_rollback_really_rolls_back_on_both(shop: Desk, begin: str) -> None:
    before = titles(shop, "sqlite")
    ran = shop.run(f"%%sql\n{begin};\nUPDATE books SET title = 'changed';\nROLLBACK")
    assert ran.below(BOTH_TITLES) == ["BEGIN: done", "UPDATE: 3 rows", "ROLLBACK: done"]
    assert titles(shop, "sqlite") == titles(shop, "postgres") == before


@EVERY_BACKEND
def test_a_commit_commits(shop: Desk) -> None:
    shop.run("%%sql\nBEGIN; UPDATE books SET title = 'changed'; COMMIT")
    assert set(titles(shop, "sqlite") + titles(shop, "postgres")) == {"changed"}


def test_begin_with_options_is_a_statement_of_its_own(shop: Desk) -> None:
    ran = shop.run(
        "%%sql --on postgres\nBEGIN ISOLATION LEVEL SERIALIZABLE; SHOW transaction_isolation; COMMIT"
    )
    assert "serializable" in ran.text
    assert "COMMIT: done" in ran.text
    shop.run("%%sql --on sqlite\nBEGIN IMMEDIATE; UPDATE books SET title = 'x'; ROLLBACK")
    assert "x" not in titles(shop, "sqlite")


@EVERY_BACKEND
def test_an_unfinished_transaction_is_rolled_back_and_said(shop: Desk) -> None:
    ran = shop.run(f"%%sql\n{OPEN}")
    assert "still open at the end of the cell and is rolled back" in ran.text
    assert "open" not in titles(shop, "sqlite") + titles(shop, "postgres")
    shop.run("%alembic downgrade -1")


@EVERY_BACKEND
def test_an_error_raises_and_leaves_no_lock(shop: Desk) -> None:
    ran = shop.attempt("%%sql\nUPDATE books SET title = 'kept' WHERE id = 1;\nBEGIN;\nSELECT * FROM nowhere")
    assert str(ran.error) == "the statement failed on SQLite and PostgreSQL, see above."
    assert "FAILED  OperationalError: no such table: nowhere" in ran.text
    assert 'FAILED  UndefinedTable: relation "nowhere" does not exist' in ran.text
    assert "SQL sent: SELECT * FROM nowhere" in ran.text
    # What came before the BEGIN was committed, as in psql.
    assert titles(shop, "sqlite")[0] == titles(shop, "postgres")[0] == "kept"
    assert open_transactions(shop) == 0
    shop.run("%alembic downgrade -1", "%%sql\nCREATE TABLE t (id INTEGER)")


@EVERY_BACKEND
def test_the_second_database_runs_even_if_the_first_fails(shop: Desk) -> None:
    ran = shop.attempt("%%sql\nSELECT to_char(id, '9') AS n FROM books ORDER BY id")
    assert str(ran.error) == "the statement failed on SQLite, see above."
    assert any(line.strip() == "3" for line in ran.below("PostgreSQL"))


AWKWARD = "12:30:45 :word ::x {1,2} {a} $name $1 % %s %(x)s ?"


def test_nothing_in_a_literal_is_a_variable(shop: Desk) -> None:
    shop.shell.user_ns.update(word="WRONG", a="WRONG", name="WRONG", x="WRONG")
    shown = shop.run(f"%%sql\nCREATE TABLE t (v TEXT);\nINSERT INTO t VALUES ('{AWKWARD}');\nSELECT v FROM t")
    assert shown.below(BOTH_TITLES)[-2:] == [AWKWARD, "(1 row)"]


def test_json_arrays_casts_and_operators_on_postgresql(shop: Desk) -> None:
    shop.shell.user_ns["b"] = "WRONG"
    ran = shop.run(
        "%%sql --on postgres\n"
        """SELECT '{"a":true,"b": [1]}'::jsonb ->> 'b' AS j, ('{10,20}'::int[])[1:2] AS a, 7 % 4 AS m,\n"""
        """       '{"b": 1}'::jsonb ? 'b' AS q, $$it's$$ AS d"""
    )
    assert ran.below("PostgreSQL")[-2].split() == ["[1]", "[10,", "20]", "3", "True", "it's"]


def test_no_variables_of_the_notebook_are_sent(shop: Desk) -> None:
    shop.shell.user_ns["title"] = "WRONG"
    ran = shop.attempt("%%sql\nSELECT author FROM books WHERE title = :title")
    assert ran.error is not None
    assert "WRONG" not in ran.text + ran.stream


def test_bodies_with_semicolons_stay_whole(shop: Desk) -> None:
    postgres = shop.run(
        "%%sql --on postgres\n"
        "DO $$ BEGIN PERFORM 1; PERFORM 2; END $$;\n"
        "CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $body$\nBEGIN\n  RETURN 1;\nEND;\n$body$;\n"
        "SELECT one() AS n"
    )
    assert postgres.below("PostgreSQL") == ["DO: done", "CREATE FUNCTION: done", "n", "-", "1", "(1 row)"]
    sqlite = shop.run(
        "%%sql --on sqlite\nCREATE TRIGGER quiet AFTER INSERT ON books BEGIN\n"
        "  UPDATE books SET title = CASE WHEN 1 THEN 'a' ELSE 'b' END WHERE id = -1;\n"
        "  DELETE FROM books WHERE id = -1;\nEND;\nSELECT 'it''s; fine' AS v; -- the end; really"
    )
    assert sqlite.below("SQLite") == ["CREATE TRIGGER: done", "v", "----------", "it's; fine", "(1 row)"]


@EVERY_BACKEND
def test_what_refuses_a_transaction_runs(shop: Desk) -> None:
    shop.run(
        "%%sql --on postgres\nCREATE INDEX CONCURRENTLY ix ON books (title)", "%%sql --on sqlite\nVACUUM"
    )


@EVERY_BACKEND
def test_the_same_query_before_and_after_a_change_of_its_table(shop: Desk) -> None:
    for _ in range(7):
        shop.run("%%sql --as anna --on postgres\nSELECT * FROM books")
    shop.run("%alembic downgrade -1")
    assert "price" not in shop.run("%%sql --as anna --on postgres\nSELECT * FROM books").text


@EVERY_BACKEND
def test_a_frame_of_both_databases_names_them(shop: Desk) -> None:
    ran = shop.run("%%sql\nfound << SELECT id, title FROM books ORDER BY id")
    assert "3 rows in found, a pandas DataFrame" in ran.text
    frame = shop.shell.user_ns["found"]
    assert list(frame.columns) == ["database", "id", "title"]
    assert list(frame["database"]) == ["SQLite"] * 3 + ["PostgreSQL"] * 3


def test_a_frame_of_one_database_has_its_columns_alone(shop: Desk) -> None:
    shop.run("%%sql --on postgres\nfound << SELECT id FROM books ORDER BY id")
    assert shop.shell.user_ns["found"].to_dict("list") == {"id": [1, 2, 3]}
    assert "keeps the rows of a SELECT" in shop.refused("%%sql\nfound << UPDATE books SET title = title")


def test_many_rows_are_counted_unless_asked_for(shop: Desk) -> None:
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25) SELECT i FROM n"
    short = shop.run(f"%%sql\n{series}")
    assert short.lines[-1].strip() == "(10 of 25 rows; %%sql --rows all shows all)"
    assert "25" not in short.below(BOTH_TITLES)[:-1]
    assert shop.run(f"%%sql --rows all\n{series}").lines[-2].strip() == "25"
    assert shop.run(f"%%sql --rows 2\n{series}").lines[-2].strip() == "2"


def test_null_is_told_from_the_empty_string(shop: Desk) -> None:
    ran = shop.run("%%sql\nSELECT NULL AS a, '' AS b, 'NULL' AS c")
    assert ran.below(BOTH_TITLES)[-2].split() == ["NULL", "NULL"]
    assert ran.html.count("<i>NULL</i>") == 1


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%sql\n-- only a comment", "no statement to run"),
        ("%%sql\n;", "no statement to run"),
        ("%%sql\n\\d books", "command of psql"),
        ("%%sql --rows many\nSELECT 1", "--rows takes a number"),
        ("%%sql --background\nSELECT 1", "--background needs a session"),
        ("%%sql --onn sqlite\nSELECT 1", "Did you mean --on?"),
        ("%%sql --on mysql\nSELECT 1", "no database `mysql`"),
        ("%wait", "name of an open session"),
        ("%wait nobody", "name of an open session"),
    ],
)
def test_a_mistake_is_one_line(shop: Desk, cell: str, words: str) -> None:
    assert words in shop.refused(cell)


def test_a_session_is_a_second_connection(shop: Desk) -> None:
    shop.run(f"%%sql --as anna --on postgres\n{OPEN}")
    assert "open" not in shop.run("%%sql --on postgres\nSELECT title FROM books").text
    assert "open" in shop.run("%%sql --as anna --on postgres\nSELECT title FROM books").text
    shop.run("%%sql --as anna --on postgres\nCOMMIT")
    assert "open" in titles(shop, "postgres")


def test_waiting_in_the_background(shop: Desk) -> None:
    shop.run(f"%%sql --as anna --on postgres\n{OPEN}")
    started = shop.run(
        "%%sql --as bert --on postgres --background\nUPDATE books SET title = 'bert' WHERE id = 1"
    )
    assert "%wait bert" in started.text
    assert "is still busy" in shop.refused("%%sql --as bert --on postgres\nSELECT 1")
    shop.run("%%sql --as anna --on postgres\nCOMMIT")
    assert shop.run("%wait bert").below("PostgreSQL") == ["UPDATE: 1 row"]
    assert "bert" in titles(shop, "postgres")


@pytest.mark.parametrize("dialect", BOTH)
def test_a_lock_wait_ends_soon_and_names_the_session(shop: Desk, dialect: str) -> None:
    shop.run(f"%%sql --as anna --on {dialect}\n{OPEN}")
    began = time.monotonic()
    ran = shop.attempt(f"%%sql --on {dialect}\nUPDATE books SET title = 'me' WHERE id = 1")
    # It did wait, once, as long as is said; how much longer a busy computer takes is not ours.
    assert time.monotonic() - began > 2.5
    assert ran.text.count(GIVEN_UP) == 1
    assert patience(shop) == ["3000", "3s"]
    assert str(ran.error).startswith("the statement failed")
    assert "holds a lock" in ran.text
    assert "Session anna has a transaction open" in ran.text
    assert "tuple" not in ran.text
    shop.run(
        f"%%sql --as anna --on {dialect}\nROLLBACK", f"%%sql --on {dialect}\nUPDATE books SET title = 'me'"
    )


def test_a_migration_that_waits_for_a_lock_says_who_holds_it(shop: Desk) -> None:
    shop.run(f"%%sql --as anna\n{OPEN}")
    ran = shop.attempt("%alembic downgrade -1")
    assert ran.text.count(GIVEN_UP) == 2
    for title in ("SQLite", "PostgreSQL"):
        assert any("Session anna has a transaction open" in line for line in ran.lines), title
    assert [shop.sandbox.place(dialect) for dialect in BOTH] == [("0003",)] * 2
    shop.run("%%sql --as anna\nROLLBACK", "%alembic downgrade -1")


def test_a_deadlock_reads_the_same_each_time(shop: Desk) -> None:
    shop.run(f"%%sql --as anna --on postgres\n{OPEN}")
    shop.run("%%sql --as bert --on postgres\nBEGIN;\nUPDATE books SET title = 'b' WHERE id = 2")
    shop.run("%%sql --as bert --on postgres --background\nUPDATE books SET title = 'b' WHERE id = 1")
    first = shop.attempt("%%sql --as anna --on postgres\nUPDATE books SET title = 'a' WHERE id = 2")
    second = shop.attempt("%wait bert")
    failed = [ran for ran in (first, second) if ran.error is not None]
    assert len(failed) == 1
    assert "DeadlockDetected: deadlock detected" in failed[0].text
    assert "Process" not in failed[0].text
    assert "tuple" not in failed[0].text


def test_a_fresh_sandbox_ends_the_sessions(shop: Desk) -> None:
    shop.run(f"%%sql --as anna\n{OPEN}")
    shop.run(f"%%sql --as bert --on postgres --background\nSELECT pg_sleep({LONG_S})")
    began = time.monotonic()
    shop.run("%sandbox page --at 0003")
    # Nobody waited for the statement's own end.
    assert time.monotonic() - began < LONG_S
    assert open_transactions(shop) == 0
    assert "open" not in titles(shop, "sqlite") + titles(shop, "postgres")
    assert "name of an open session" in shop.refused("%wait anna")


def test_the_statements_stand_in_the_metadata(shop: Desk) -> None:
    ran = shop.run("%%sql --on sqlite\nSELECT 1 AS n")
    assert ran.metadata[0]["cookbook"]["sent"] == {"sqlite": ["SELECT 1 AS n"]}
