"""The ledger is made of trials, and its table says since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from migration_cookbook.editions.ledger import Ledger, make_ledger, read_ledger, render_table, write_ledger

if TYPE_CHECKING:
    from pathlib import Path

ADD = 'op.add_column("books", …)'
RENAME = "op.rename_table(\n    'a', 'b'\n)"


def answer(alembic: str, postgres: str = "18.6", sqlalchemy: str = "2.0.58", **found: Any) -> dict[str, Any]:
    """What `verify.check_sheets` says; of each text, by database, a verdict and SQL."""
    texts = {ADD: found.get("add", {}), RENAME: found.get("rename", {})}
    snippets = [
        {
            "text": text,
            "findings": {
                dialect: {"verdict": verdict, "sent": sent} for dialect, (verdict, *sent) in by.items()
            },
        }
        for text, by in texts.items()
        if by
    ]
    return {
        "alembic": alembic, "sqlalchemy": sqlalchemy, "sqlite": "3.40.1", "postgres": postgres,
        "files": {"sheet": snippets},
    }  # fmt: skip


def rows(told: Ledger) -> dict[str, list[str]]:
    lines = render_table(told, "sheet").split("\n")[4:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {first: more for first, *more in cells}


def test_what_never_changed_holds_for_all() -> None:
    found = {"add": {"sqlite": ["works", "ALTER"], "postgres": ["fails"]}}
    told = make_ledger([[answer("1.13.3", **found)], [answer("1.16.5", **found)]])
    assert rows(told) == {f"`{ADD}`": ["works", "fails", "the same"]}
    assert render_table(told, "sheet").split("\n")[0] == (
        "Each snippet was tried with Alembic 1.13.3 and 1.16.5 with SQLAlchemy 2.0.58; "
        "on SQLite 3.40.1 and PostgreSQL 18.6. 1 of 1 stand in all of these as they do today, and send the same."
    )
    assert render_table(told, "another") == ""


def test_since_when_and_where_the_sql_changed() -> None:
    told = make_ledger(
        [
            [answer("1.13.3", add={"sqlite": ["fails"], "postgres": ["works", "OLD", "same"]})],
            [answer("1.16.5", add={"sqlite": ["works", "ALTER"], "postgres": ["works", "OLD", "same"]})],
            [
                answer(
                    "1.20.1",
                    sqlalchemy="2.1.9",
                    add={"sqlite": ["works", "ALTER"], "postgres": ["works", "NEW", "same"]},
                    rename={"sqlite": ["works", "a | b"], "postgres": ["works"]},
                )
            ],
        ]
    )
    assert rows(told) == {
        f"`{ADD}`": [
            "works since 1.16",
            "works",
            "PostgreSQL, since 1.20 with SQLAlchemy 2.1: `NEW` instead of `OLD`",
        ],
        # A new snippet of the sheet, which the older pairs have not tried.
        "`op.rename_table( 'a', 'b' )`": ["works since 1.20 with SQLAlchemy 2.1"] * 2 + ["the same"],
    }
    assert "0 of 2 stand" in render_table(told, "sheet")


def test_what_came_and_went_counts_from_the_last_change() -> None:
    verdicts = ("works", "fails", "works only outside a transaction", "works only outside a transaction")
    told = make_ledger([[answer(f"1.{13 + n}.0", add={"sqlite": [one]})] for n, one in enumerate(verdicts)])
    assert rows(told)[f"`{ADD}`"][0] == "outside a transaction only since 1.15"


@pytest.mark.parametrize(
    ("older", "cell"), [("works", "works"), ("fails", "15: fails; 18: works")], ids=["alike", "other"]
)
def test_two_servers_are_told_apart_where_they_differ(older: str, cell: str) -> None:
    trial = [
        answer("1.20.1", add={"sqlite": ["works"], "postgres": ["works"]}),
        answer("1.20.1", "15.18", add={"postgres": [older]}),
    ]
    told = make_ledger([trial])
    assert told.databases == ("SQLite 3.40.1", "PostgreSQL 15.18", "PostgreSQL 18.6")
    assert rows(told)[f"`{ADD}`"][1] == cell


def test_a_ledger_comes_back_from_its_file(tmp_path: Path) -> None:
    told = make_ledger([[answer("1.13.3", add={"sqlite": ["works", "ALTER"]})]])
    path = tmp_path / "versions.json"
    assert read_ledger(path) is None
    path.write_text(write_ledger(told), encoding="utf-8")
    assert read_ledger(path) == told
