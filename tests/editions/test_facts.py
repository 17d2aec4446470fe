"""A fact must be seen where the book says it is, on the database it is said of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from recordings import cell, recorded

from migration_cookbook.editions import facts as facts_module
from migration_cookbook.editions.facts import Fact, check_facts, load_facts
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "examples/07-add-a-column"
REFUSED = """\
SQLite and PostgreSQL:
    INFO  Running upgrade 0004 -> 0005
SQLite:
    FAILED  OperationalError: Cannot add a NOT NULL
      column with default value NULL
PostgreSQL:
    FAILED  NotNullViolation: column "language" contains null values
As announced: upgrade head failed on both."""


def fact(seen_sqlite: str = "", seen_postgres: str = "", home: str = PAGE, id: str = "A-1") -> Fact:
    return Fact(id, "columns", "NOT NULL needs a value.", home, seen_sqlite, seen_postgres)


@pytest.mark.parametrize(
    ("seen_sqlite", "seen_postgres", "problem"),
    [
        pytest.param(
            "Cannot add a NOT NULL column", "contains null values", None, id="each in its own words"
        ),
        pytest.param("Running upgrade", "Running upgrade", None, id="in the common part"),
        pytest.param("As announced", "", None, id="in the closing line"),
        pytest.param(
            "contains null values", "", "'contains null values' is not seen on sqlite", id="wrong database"
        ),
        pytest.param(
            "", "Cannot add", "'Cannot add' is not seen on postgres", id="wrong database the other way"
        ),
        pytest.param(
            "Cannot add", "no such text", "'no such text' is not seen on postgres", id="only one of two"
        ),
        pytest.param("", "", "does not say what is to be seen", id="nothing to be seen"),
    ],
)
def test_the_text_must_stand_in_the_output(seen_sqlite: str, seen_postgres: str, problem: str | None) -> None:
    notebooks = {PAGE: recorded(cell(REFUSED, shows=["A-1"]))}
    report = check_facts([fact(seen_sqlite, seen_postgres)], notebooks)
    assert [problem in found for found in report.problems] == ([True] if problem else [])


def test_the_sql_that_was_sent_counts_for_its_database() -> None:
    sent = {"sqlite": ["ALTER TABLE books\n\tADD COLUMN isbn"], "postgres": ["SELECT 1"]}
    notebooks = {PAGE: recorded(cell("worked", shows=["A-1"], sent=sent))}
    assert check_facts([fact("books ADD COLUMN isbn", "SELECT 1")], notebooks).problems == ()
    (problem,) = check_facts([fact("SELECT 1", "")], notebooks).problems
    assert (
        problem == f"notebooks/{PAGE}.ipynb, cell here does not show A-1: 'SELECT 1' is not seen on sqlite."
    )


def test_another_page_may_show_it() -> None:
    notebooks = {PAGE: recorded(cell("x")), "02-b": recorded(cell("seen", shows=["A-1"]))}
    report = check_facts([fact("seen")], notebooks)
    assert report.problems == ()
    assert [shown.page for shown in report.shown["A-1"]] == ["02-b"]


def test_a_home_that_exists_must_show_it_and_others_are_planned() -> None:
    report = check_facts([fact("x"), fact("y", home="09-later", id="A-2")], {PAGE: recorded(cell("x"))})
    assert report.problems == (f"A-1 is shown nowhere, and its home {PAGE} exists: NOT NULL needs a value.",)
    assert report.planned == ("A-2",)


def test_two_cells_may_show_it_one_for_each_database() -> None:
    on_sqlite, on_postgres = (
        cell("SQLite:\n    yes", shows=["A-1"]),
        cell("PostgreSQL:\n    oui", shows=["A-1"], name="b2"),
    )
    notebooks = {PAGE: recorded(on_sqlite, on_postgres)}
    assert check_facts([fact("yes", "oui")], notebooks).problems == ()
    (problem,) = check_facts([fact("oui", "oui")], notebooks).problems
    assert problem.endswith("cell b2 does not show A-1: 'oui' is not seen on sqlite.")


def test_an_unknown_id_is_an_error() -> None:
    report = check_facts([], {PAGE: recorded(cell("x", shows=["A-9"]))})
    assert report.problems == (
        f"notebooks/{PAGE}.ipynb, cell here shows A-9, which is no fact of facts.csv.",
    )


def test_only_the_closed_list_may_go_unshown(monkeypatch: pytest.MonkeyPatch) -> None:
    unshown = fact("", "", home="not shown: needs a superuser")
    assert "may not go unshown" in check_facts([unshown], {}).problems[0]
    monkeypatch.setattr(facts_module, "UNSHOWN", frozenset({"A-1"}))
    report = check_facts([unshown], {})
    assert (report.problems, report.not_shown) == ((), ("A-1",))
    assert check_facts([fact(home="not shown:")], {}).problems != ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,fact\n", "facts.csv:1: the columns"),
        ("id,topic,fact,home,seen_sqlite,seen_postgres\nA-1,t,f,,,\n", "row 2 needs"),
        ("id,topic,fact,home,seen_sqlite,seen_postgres\nA-1,t,f,h\n", "row 2 needs"),
        (
            "id,topic,fact,home,seen_sqlite,seen_postgres\nA-1,t,f,h,,\nA-1,t,f,h,,\n",
            "row 3 repeats the fact A-1",
        ),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CookbookError, match=message):
        load_facts(path)
