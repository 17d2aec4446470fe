"""The book's own cheatsheets: each snippet is as declared, and its mark is what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook import cli
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.marks import marked
from migration_cookbook.editions.reference import differences
from migration_cookbook.editions.sheet import read_sheet, sheet_paths

if TYPE_CHECKING:
    from migration_cookbook.databases.server import Server
    from migration_cookbook.workspace import Workspace

BOOK = this_book()
FEWEST = 80


def test_each_snippet_is_as_declared(
    verify_server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(BOOK.root)
    status = cli.main(["verify", "chapters/cheatsheets"])
    told = capsys.readouterr().out
    assert status == 0, told
    assert int(told.splitlines()[-1].split()[0]) >= FEWEST


@pytest.mark.parametrize("path", sheet_paths(BOOK.chapters), ids=lambda path: path.stem)
def test_the_marks_are_up_to_date(verify_server: Server, verify_workspace: Workspace, path: object) -> None:
    if other := differences(BOOK):
        pytest.skip(f"marks are held to the reference environment: {'; '.join(other)}")
    sheet = read_sheet(path, BOOK.chapters)  # type: ignore[arg-type]
    assert marked(sheet, verify_workspace).text == sheet.text, "Run `cookbook build cheatsheets/…`."
