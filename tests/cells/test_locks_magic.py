"""`%%locks` shows what others have to bear, and leaves the database as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from notebook_desk import Desk

ROLLED_BACK = "All of it ran in one transaction, which is rolled back: the database is as before."
COPIED = "so it ran outside, in a copy of the database that is gone now: the database is as before."
HEADER = "table or index  lock"


def schema(desk: Desk) -> str:
    return desk.run("%schema books --on postgres").text


def test_each_statement_has_its_table(shop: Desk) -> None:
    before = schema(shop)
    ran = shop.run(
        "%%locks\nCREATE INDEX ix_title ON books (title);\nALTER TABLE books ADD COLUMN isbn text;\n"
        "ALTER TABLE books ADD COLUMN pages integer;\nALTER TABLE books ALTER COLUMN price TYPE float"
    )
    assert ran.below("PostgreSQL") == [
        "CREATE INDEX ix_title ON books (title)",
        "table or index  lock   rewritten  must wait",
        "--------------  -----  ---------  --------------",
        "books           SHARE  no         INSERT, UPDATE",
        "ALTER TABLE books ADD COLUMN isbn text",
        "table or index  lock              rewritten  must wait",
        "--------------  ----------------  ---------  ----------------------",
        "books           ACCESS EXCLUSIVE  no         SELECT, INSERT, UPDATE",
        "ALTER TABLE books ADD COLUMN pages integer",
        "  no lock on a table beyond those above",
        "ALTER TABLE books ALTER COLUMN price TYPE float",
        "table or index  lock              rewritten  must wait",
        "--------------  ----------------  ---------  ----------------------",
        "books           ACCESS EXCLUSIVE  yes        SELECT, INSERT, UPDATE",
        ROLLED_BACK,
    ]
    assert schema(shop) == before
    assert "CREATE INDEX ix_title" in ran.metadata[0]["cookbook"]["sent"]["postgres"][0]


def test_operations_are_run_as_in_an_upgrade(shop: Desk) -> None:
    before = schema(shop)
    ran = shop.run(
        '%%locks\nop.create_table(\n    "reviews",\n    sa.Column("id", sa.Integer, primary_key=True),\n'
        '    sa.Column("book_id", sa.Integer, sa.ForeignKey("books.id")),\n)\nop.execute("SET LOCAL lock_timeout = \'1s\'")'
    )
    lines = ran.below("PostgreSQL")
    assert lines[0].startswith("CREATE TABLE reviews ( id SERIAL NOT NULL,")
    assert "books           SHARE ROW EXCLUSIVE  no         INSERT, UPDATE" in lines
    assert "reviews         ACCESS EXCLUSIVE     new        nobody" in lines
    assert lines[-3:] == [
        "SET LOCAL lock_timeout = '1s'",
        "  no lock on a table beyond those above",
        ROLLED_BACK,
    ]
    assert schema(shop) == before


@pytest.mark.parametrize(
    "cell",
    [
        "CREATE INDEX CONCURRENTLY ix_title ON books (title)",
        'with op.get_context().autocommit_block():\n    op.create_index("ix_title", "books", ["title"],'
        " postgresql_concurrently=True)",
        "COMMIT;\nCREATE INDEX CONCURRENTLY ix_title ON books (title)",
    ],
)
def test_what_refuses_a_transaction_runs_in_a_copy(shop: Desk, cell: str) -> None:
    before = schema(shop)
    lines = shop.run(f"%%locks\n{cell}").below("PostgreSQL")
    assert "books           SHARE UPDATE EXCLUSIVE  no         nobody" in lines
    assert lines[-1].endswith(COPIED)
    assert schema(shop) == before


@pytest.mark.parametrize(
    "cell",
    [
        "DELETE FROM order_lines; COMMIT",
        "DELETE FROM order_lines;\n-- a remark\nEND",
        'op.execute("DELETE FROM order_lines")\nop.execute(" commit")',
        'op.execute("DELETE FROM order_lines")\nop.get_bind().commit()',
        'op.execute("DELETE FROM order_lines")\nwith op.get_context().autocommit_block():\n    pass',
    ],
)
def test_a_commit_reaches_only_the_copy(shop: Desk, cell: str) -> None:
    count = "%%sql --on postgres\nSELECT count(*) AS n FROM order_lines"
    before = shop.run(count).text
    assert shop.attempt(f"%%locks\n{cell}").below("PostgreSQL")[-1].endswith(COPIED)
    assert shop.run(count).text == before


def test_a_refusal_comes_after_what_was_seen(shop: Desk) -> None:
    cell = "%%locks\nALTER TABLE books ADD COLUMN isbn text;\nALTER TABLE bocks ADD COLUMN isbn text"
    assert shop.refused(cell) == "the statement failed on PostgreSQL, see above."
    lines = shop.ran[-1].below("PostgreSQL")
    assert "books           ACCESS EXCLUSIVE  no         SELECT, INSERT, UPDATE" in lines
    assert 'FAILED  UndefinedTable: relation "bocks" does not exist' in lines
    assert lines[-1] == ROLLED_BACK
    assert shop.run(f"%%fails postgres\n{cell}").lines[-1].startswith("As announced:")
    assert "NameError" in shop.attempt("%%locks\nop.drop_table(books)").text


def test_a_session_of_another_cell_is_in_the_way(shop: Desk) -> None:
    shop.run("%%sql --as anna --on postgres\nBEGIN; UPDATE books SET title = title")
    shop.refused("%%locks\nALTER TABLE books ADD COLUMN isbn text")
    assert "Session anna has a transaction open" in shop.ran[-1].text
    shop.run("%%sql --as anna --on postgres\nROLLBACK")


def test_a_copy_needs_the_sessions_to_rest(shop: Desk) -> None:
    shop.run("%%sql --as anna --on postgres\nSELECT 1", "%%locks\nVACUUM books")
    shop.run("%%sql --as anna --on postgres\nBEGIN; SELECT 1")
    assert "session is open" in shop.refused("%%locks\nVACUUM books")
    shop.run("%%sql --as anna --on postgres\nROLLBACK")
    shop.run("%%locks\nVACUUM books")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%locks\n;", "%%locks has nothing to run"),
        ("%%locks\n-- only a remark", "%%locks has nothing to run"),
        ("%%locks --on postgres\nSELECT 1", "no option --on"),
        ("%%locks SELECT 1\nSELECT 1", "does not understand `SELECT`"),
    ],
)
def test_a_mistake_is_one_line(shop: Desk, cell: str, words: str) -> None:
    assert words in shop.refused(cell)
