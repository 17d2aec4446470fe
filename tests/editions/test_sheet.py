"""A cheatsheet is taken apart without a loss, and what is the machine's is told from what is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.editions.cheatsheet import read_cheatsheet
from migration_cookbook.editions.sheet import read_sheet
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from edition_desk import Desk

    from migration_cookbook.editions.sheet import Sheet

FRONT = '---\ntitle: "A sheet"\ndatabases: [sqlite, postgres]\n---\n\n# A sheet\n\n'
DROP = '```python\nop.drop_column("books", "isbn")\n```\n'
TEXT = f"""{FRONT}One sentence.

{DROP}<sub>SQLite ✓</sub>

<sub>not below a fence</sub>

```text
no snippet
```
<sub>below none</sub>

```python {{sqlite="fails: syntax error" sqlite_until=3.53}}
op.alter_column("books", "title", nullable=False)
```
"""


def sheet_of(desk: Desk, text: str) -> Sheet:
    return read_sheet(desk.write_text("cheatsheets/one", text), desk.book.chapters)


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip("\n"), FRONT, f"{FRONT}{DROP}{DROP}", FRONT + TEXT])
def test_nothing_is_lost(desk: Desk, text: str) -> None:
    assert sheet_of(desk, text).text == text


def test_the_marks_below_the_fences_are_replaced_and_nothing_else(desk: Desk) -> None:
    sheet = sheet_of(desk, TEXT)
    assert [part.mark for part in sheet.parts if part.snippet] == ["SQLite ✓", ""]
    first, second = (part.snippet.line for part in sheet.parts if part.snippet)
    marked = sheet.with_marks({first: "new", second: "newer"}).text
    assert marked == TEXT.replace("SQLite ✓", "new").removesuffix("\n") + "\n<sub>newer</sub>\n"
    assert sheet_of(desk, marked).with_marks({}).text == TEXT.replace("<sub>SQLite ✓</sub>\n", "")


def test_in_the_notebook_the_output_says_it(desk: Desk) -> None:
    path = sheet_of(desk, TEXT).path
    cells = read_cheatsheet(path, desk.book.chapters).cells
    assert [cell.kind for cell in cells] == ["code", "markdown", "code", "markdown", "code"]
    assert cells[2].source == '%%op\nop.drop_column("books", "isbn")'
    assert cells[3].source.startswith("<sub>not below a fence</sub>\n\n```text")
    assert cells[4].source.startswith("%%fails sqlite<3.53\n%%op\n")
    assert TEXT.split("\n")[cells[4].line - 1].startswith("```python {sqlite=")


def test_a_snippet_where_no_mark_can_stand_is_refused(desk: Desk) -> None:
    with pytest.raises(CookbookError, match=r"one\.md:9: in a cheatsheet each fence stands at column 0"):
        sheet_of(desk, FRONT + "- a list\n" + DROP.replace("```", "  ```").replace("op.", "  op."))


@pytest.mark.parametrize("text", ["# No front matter\n", FRONT.replace("title", "name"), "---\n- a\n---\n"])
def test_front_matter_of_another_form_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(CookbookError, match=r"chapters/cheatsheets/one\.md:1: "):
        sheet_of(desk, text)
