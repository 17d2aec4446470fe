"""`%%fails`: an announced failure passes, and anything else does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from one_session import EVERY_BACKEND

from migration_cookbook.databases.dialects import BOTH

if TYPE_CHECKING:
    from notebook_desk import Desk

#: Fails on both databases, on SQLite alone, on PostgreSQL alone, on none.
BOTH_FAIL = "%%sql\nSELECT * FROM nowhere"
SQLITE_FAILS = "%%sql\nALTER TABLE books ADD COLUMN at TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
POSTGRES_FAILS = "%%sql\nSELECT group_concat(title) FROM books"
NONE_FAILS = "%%sql\nSELECT title FROM books ORDER BY id"


@pytest.mark.parametrize(
    ("announced", "cell", "said"),
    [
        ("", BOTH_FAIL, "failed on SQLite and PostgreSQL."),
        ("sqlite postgres", BOTH_FAIL, "failed on SQLite and PostgreSQL."),
        ("sqlite, postgresql", BOTH_FAIL, "failed on SQLite and PostgreSQL."),
        ("sqlite", SQLITE_FAILS, "failed on SQLite; on PostgreSQL it worked."),
        ("postgres", POSTGRES_FAILS, "failed on PostgreSQL; on SQLite it worked."),
        ("", BOTH_FAIL.replace("%%sql", "%%sql --on sqlite"), "failed on SQLite."),
        ("postgres", BOTH_FAIL.replace("%%sql", "%%sql --on postgres"), "failed on PostgreSQL."),
        ("sqlite<999", SQLITE_FAILS, "failed on SQLite; on PostgreSQL it worked."),
        ("postgres<999 sqlite<999", BOTH_FAIL, "failed on SQLite and PostgreSQL."),
    ],
)
@EVERY_BACKEND
def test_as_announced(shop: Desk, announced: str, cell: str, said: str) -> None:
    ran = shop.run(f"%%fails {announced}\n{cell}")
    assert ran.lines[-1] == f"As announced: the statement {said}"
    assert "FAILED" in ran.text


@pytest.mark.parametrize(
    ("announced", "cell", "said"),
    [
        ("", NONE_FAILS, "was meant to fail, and it worked"),
        ("sqlite", NONE_FAILS, "was meant to fail on SQLite, and it worked"),
        ("", SQLITE_FAILS, "on PostgreSQL it worked, and should have failed"),
        ("sqlite", BOTH_FAIL, "on PostgreSQL it failed, and should have worked"),
        ("postgres", SQLITE_FAILS, "on SQLite it failed, and should have worked"),
        ("sqlite postgres", POSTGRES_FAILS, "on SQLite it worked, and should have failed"),
        ("postgres<999", NONE_FAILS, "was meant to fail on PostgreSQL, and it worked"),
        ("sqlite<3.30", BOTH_FAIL, "on PostgreSQL it failed, and should have worked"),
        ("", "1 + 1", "was meant to fail, and it worked"),
    ],
)
@EVERY_BACKEND
def test_not_as_announced(shop: Desk, announced: str, cell: str, said: str) -> None:
    line = shop_refuses(shop, f"%%fails {announced}\n{cell}")
    assert line.startswith("Not as announced: ")
    assert said in line


def shop_refuses(desk: Desk, cell: str) -> str:
    """The line of an error whose cell has printed the failure before it."""
    ran = desk.attempt(cell)
    assert type(ran.error).__name__ == "CellError"
    return str(ran.error)


def test_a_newer_version_that_works_is_one_line_and_passes(shop: Desk) -> None:
    ran = shop.run(f"%%fails sqlite<3.30\n{NONE_FAILS}")
    assert ran.lines[-1].startswith("SQLite 3.")
    assert "before 3.30" in ran.lines[-1]
    both = shop.run(f"%%fails sqlite<3.30 postgres<14\n{NONE_FAILS}")
    assert [line.split()[0] for line in both.lines[-2:]] == ["SQLite", "PostgreSQL"]


def test_a_newer_version_excuses_only_its_own_database(shop: Desk) -> None:
    ran = shop.run(f"%%fails sqlite<3.30 postgres\n{POSTGRES_FAILS}")
    assert "before 3.30" in ran.lines[-1]


def test_versions_are_compared_as_numbers(shop: Desk) -> None:
    # As text, "18.…" would come before "9".
    assert "before 9" in shop.run(f"%%fails postgres<9\n{NONE_FAILS}").lines[-1]


@EVERY_BACKEND
def test_alembic_below_it(shop: Desk) -> None:
    ran = shop.run("%%fails\n%alembic upgrade nowhere")
    assert ran.lines[-1] == "As announced: upgrade nowhere failed on SQLite and PostgreSQL."
    files = shop.run('%%fails\n%alembic revision -m "x" --head nowhere')
    assert files.lines[-1].startswith("As announced: revision -m x --head nowhere failed")


def test_a_mistyped_command_may_be_announced(shop: Desk) -> None:
    ran = shop.run("%%fails\n%alembic upgrad head")
    assert "Did you mean `upgrade`?" in ran.text
    assert ran.lines[-1] == "As announced: a mistake in the command, and nothing ran."


def test_plain_python_expects_an_exception(shop: Desk) -> None:
    ran = shop.run("%%fails\nvalues = {}\nvalues['isbn']")
    assert ran.lines == ["KeyError: 'isbn'", "As announced: KeyError."]
    assert shop.shell.user_ns["values"] == {}
    tidy = shop.run("%%fails\nopen(__import__('os').getcwd() + '/nowhere.txt')")
    assert "nowhere.txt" in tidy.lines[0]
    assert "plain Python" in shop.refused("%%fails sqlite\n1 / 0")


def test_a_mistake_in_the_cell_itself_is_not_swallowed(shop: Desk) -> None:
    for cell, words in [
        ("%%fails mysql\n%alembic current", "no database `mysql`"),
        ("%%fails sqlite<new\n%alembic current", "does not understand"),
        ("%%fails\n%sandbox Page", "can't name a sandbox"),
        ("%%fails\n%schema nowhere", "no table nowhere"),
        ("%%fails\n%alembic current --on mysql", "no database `mysql`"),
        ("%%fails\n%%sql --onn sqlite\nSELECT 1", "Did you mean --on?"),
        ("%%fails\n%%revision 0004\nx = 1", "needs a message"),
        ("%%fails\n%%sql\n-- nothing", "no statement to run"),
    ]:
        assert words in shop.refused(cell), cell


@EVERY_BACKEND
def test_nothing_that_failed_as_announced_disturbs_the_next_cell(shop: Desk) -> None:
    shop.run(f"%%fails\n{BOTH_FAIL}", "%alembic downgrade -1", "%alembic upgrade head")
    assert [shop.sandbox.place(dialect) for dialect in BOTH] == [("0003",)] * 2
