"""What `cookbook build` says, and the code it ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.editions.command import build_command, check_command

if TYPE_CHECKING:
    from edition_desk import Desk

FACTS = "id,topic,fact,home,seen_sqlite,seen_postgres\nA-1,columns,One and one is two.,a,2,\n"


@pytest.fixture
def author(desk: Desk) -> Desk:
    desk.book.facts.write_text(FACTS, encoding="utf-8")
    desk.write("a", ":shows: A-1\n1 + 1")
    return desk


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_build_then_check(author: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_command(author.book, author.workspace) == 0
    assert said(capsys) == ["Notebooks written: 1, unchanged: 0."]
    assert "One and one is two. ([a](../notebooks/a.ipynb))" in (author.book.chapters / "INDEX.md").read_text(
        encoding="utf-8"
    )
    assert check_command(author.book, author.workspace) == 0
    assert said(capsys) == ["Everything is as a fresh build makes it."]
    (author.book.chapters / "INDEX.md").write_text("", encoding="utf-8")
    (author.book.chapters / "examples/README.md").unlink()
    assert check_command(author.book, author.workspace) == 1
    assert said(capsys) == [
        "chapters/INDEX.md is not what the facts and pages say.",
        "chapters/examples/README.md is not what the facts and pages say.",
        "Run `cookbook build`.",
    ]


def test_a_failed_cell_writes_nothing(author: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    author.write("a", "1 / 0")
    assert build_command(author.book, author.workspace) == 1
    assert said(capsys) == ["chapters/a.md:14: ZeroDivisionError: division by zero", "Nothing was written."]
    assert not (author.book.chapters / "INDEX.md").exists()


def test_a_fact_that_is_not_seen_is_said_after_writing(
    author: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    author.write("a", ":shows: A-1\n1 + 2")
    assert build_command(author.book, author.workspace) == 1
    assert "does not show A-1: '2' is not seen on sqlite." in said(capsys)[0]
    assert author.book.notebook("a").exists()


def test_the_marks_of_a_cheatsheet_are_made(author: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = author.write_text(
        "cheatsheets/one",
        '---\ntitle: "One"\ndatabases: [sqlite]\n---\n\n# One\n\n'
        '```python\nop.add_column("books", sa.Column("isbn", sa.String(13)))\n```\n',
    )
    written = sheet.read_text(encoding="utf-8")
    assert build_command(author.book, author.workspace, ["a"]) == 0
    assert sheet.read_text(encoding="utf-8") == written, "the build of another page does not ask a database"
    assert build_command(author.book, author.workspace, ["one"]) == 0
    assert sheet.read_text(encoding="utf-8") == f"{written}<sub>SQLite ✓</sub>\n"
    assert check_command(author.book, author.workspace, ["one"]) == 0
    sheet.write_text(f"{written}<sub>SQLite ✗ fails</sub>\n", encoding="utf-8")
    capsys.readouterr()
    assert check_command(author.book, author.workspace, ["one"]) == 1
    assert said(capsys)[0] == "chapters/cheatsheets/one.md is not what the facts and pages say."
