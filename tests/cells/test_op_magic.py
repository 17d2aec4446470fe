"""`%%op`: one snippet in a world of its own, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.verify.process import checking
from migration_cookbook.worker import Limits

if TYPE_CHECKING:
    from notebook_desk import Desk

ADD = 'op.add_column("books", sa.Column("isbn", sa.String(13)))'
ALTER = 'op.alter_column("books", "title", type_=sa.Text())'
CONCURRENTLY = 'op.execute("CREATE INDEX CONCURRENTLY i ON books (title)")'


def test_what_works_is_shown_once_with_its_sql(desk: Desk) -> None:
    assert desk.run(f"%%op\n{ADD}").lines == [
        "SQLite and PostgreSQL:",
        "    works",
        "    ALTER TABLE books ADD COLUMN isbn VARCHAR(13);",
        "    Assumed: books (id).",
    ]


def test_a_refusal_is_shown_beside_what_works(desk: Desk) -> None:
    ran = desk.attempt(f"%%op\n{ALTER}")
    assert str(ran.error) == f"{ALTER} failed on SQLite, see above."
    assert ran.below("SQLite")[0] == 'FAILED  OperationalError: near "ALTER": syntax error'
    assert any(line.startswith("Better: with op.batch_alter_table") for line in ran.below("SQLite"))
    assert ran.below("PostgreSQL")[:2] == ["works", "ALTER TABLE books ALTER COLUMN title TYPE TEXT;"]


def test_functions_go_up_and_down(desk: Desk) -> None:
    code = f"def upgrade():\n    {ADD}\n\n\ndef downgrade():\n    op.drop_column('books', 'isbn')"
    lines = desk.run(f"%%op --on postgres\n{code}").lines
    assert lines[:4] == [
        "PostgreSQL:",
        "    works",
        "    ALTER TABLE books ADD COLUMN isbn VARCHAR(13);",
        "    On the way down:",
    ]
    assert lines[4].strip() == "ALTER TABLE books DROP COLUMN isbn;"


def test_one_database_alone(desk: Desk) -> None:
    assert desk.run(f"%%op --on sqlite\n{ADD}").lines[0] == "SQLite:"
    assert str(desk.attempt(f"%%op --on sqlite\n{ALTER}").error) == f"{ALTER} failed on SQLite, see above."


def test_what_was_sent_is_recorded_for_the_facts(desk: Desk) -> None:
    (metadata,) = desk.run(f"%%op\n{ADD}").metadata
    sent = ["ALTER TABLE books ADD COLUMN isbn VARCHAR(13)"]
    assert metadata == {"cookbook": {"sent": {"sqlite": sent, "postgres": sent}}}


def test_a_warning_says_what_it_does_instead(desk: Desk) -> None:
    ran = desk.run('%%op --on sqlite\nop.create_index("i", "books", ["title"], postgresql_using="hash")')
    assert any(line.strip().startswith("But: postgresql_using is ignored") for line in ran.lines)


@pytest.mark.parametrize("announced", ["sqlite", "sqlite<99"])
def test_fails_above_it_announces(desk: Desk, announced: str) -> None:
    ran = desk.run(f"%%fails {announced}\n%%op\n{ALTER}")
    assert ran.lines[-1] == f"As announced: `{ALTER}` failed on SQLite; on PostgreSQL it worked.".replace(
        "`", ""
    )


def test_outside_a_transaction_is_a_failure_that_can_be_announced(desk: Desk) -> None:
    ran = desk.run(f"%%fails\n%%op\n{CONCURRENTLY}")
    assert "works only outside a transaction" in ran.below("PostgreSQL")[0]
    assert ran.lines[-1].endswith("failed on SQLite and PostgreSQL.")


def test_another_version_than_the_announced_one_is_said(desk: Desk) -> None:
    ran = desk.run(f"%%fails postgres<9\n%%op --on postgres\n{ADD}")
    assert "does this. The text is about versions before 9, which refuse." in ran.lines[-1]
    assert "Not as announced: on SQLite it failed" in desk.refused(f"%%fails postgres<9\n%%op\n{ALTER}")


def test_what_works_is_not_as_announced(desk: Desk) -> None:
    assert "was meant to fail on SQLite, and it worked" in desk.refused(f"%%fails sqlite\n%%op\n{ADD}")


@pytest.mark.parametrize("above", ["", "%%fails\n"])
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%op\ndef helper():\n    op.drop_table('a')", "SQLite: nothing ran"),
        (
            "%%op\nop.create_table('<your table>', sa.Column('id', sa.Integer))",
            "SQLite: placeholder: <your table>",
        ),
        ("%%op\n\nop.drop_table('a'", "The code has a syntax error in line 3: "),
        ("%%op\nop.drop_table('b')\nop.drop_table('a') +", "The code has a syntax error in line 3: "),
        ("%%op\nSELECT 1 FROM books", "The code has a syntax error in line 2: "),
        ("%%op\nx = 1", "SQLite: nothing ran"),
        ("%%op\n# nothing", "SQLite: nothing ran"),
        ("%%op\n\n", "%%op takes what stands in an upgrade()."),
        ("%%op\ntarget_metadata = None", "%%op takes what stands in an upgrade()."),
        (f"%%op --as yaml\n{ADD}", "%%op: --as takes one of sql, bash"),
        (f"%%op --onn sqlite\n{ADD}", "Did you mean --on?"),
        (f"%%op --on mysql\n{ADD}", "no database `mysql`"),
        (f"%%op now\n{ADD}", "does not understand `now`"),
    ],
)
def test_a_mistake_is_one_line_and_no_failure_to_announce(
    desk: Desk, above: str, cell: str, said: str
) -> None:
    assert said in desk.refused(above + cell)


def test_the_sandbox_is_left_alone(shop: Desk) -> None:
    before = shop.run("%schema books").text
    folder = shop.sandbox.folder
    shop.run("%%op\nop.drop_table('books')", f"%%op\n{ADD}")
    assert shop.run("%schema books").text == before
    assert shop.sandbox.folder == folder
    assert "%sent shows" in shop.refused("%sent")


def test_it_leaves_no_database_behind(desk: Desk) -> None:
    from migration_cookbook.databases import server

    host = server.attach(desk.workspace)
    before = host.names()
    desk.run(f"%%op\n{ADD}")
    desk.attempt(f"%%op\n{ALTER}")
    assert host.names() == before


def test_an_endless_snippet_is_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_LIMITS", Limits(seconds=2))
    line = desk.refused("%%op --on sqlite\nop.drop_table('a')\nwhile True:\n    pass")
    assert line.startswith("SQLite: not decided: ")
    assert desk.run(f"%%op --on sqlite\n{ADD}").lines[1] == "    works"


def test_the_same_cell_says_the_same(desk: Desk) -> None:
    cell = "%%op\nop.create_table('a', sa.Column('id', sa.Integer, primary_key=True))"
    assert desk.run(cell).outputs == desk.run(cell).outputs
