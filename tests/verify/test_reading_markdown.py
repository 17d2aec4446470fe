"""Each fence of a page is found, at its file and line, and nothing that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from migration_cookbook.verify.values.snippet import Snippet

    Page = Callable[[str], tuple[Snippet, ...]]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """Reads a text as a page, and holds each snippet's place to the file."""

    def read_page(text: str, newline: str = "\n") -> tuple[Snippet, ...]:
        path = tmp_path / "page.md"
        path.write_bytes(text.replace("\n", newline).encode())
        snippets = read(path)
        lines = text.split("\n")
        for snippet in snippets:
            first = snippet.text.split("\n")[0]
            assert first in lines[snippet.line - 1].expandtabs(4), snippet
            assert snippet.file == path.as_posix()
        return snippets

    return read_page


ADD = 'op.add_column("books", sa.Column("isbn", sa.String(13)))'


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"```python\n{ADD}\n```\n", 2),
        (f"```python\n{ADD}\n```", 2),
        (f"Words.\n```python\n{ADD}\n```\n", 3),
        (f"~~~ python\n{ADD}\n~~~~\n", 2),
        (f"````python\n{ADD}\n````\n", 2),
        (f"   ```python\n   {ADD}\n   ```\n", 2),
        (f"- one\n\n  ```python\n  {ADD}\n  ```\n", 4),
        (f"1. one\n   - two\n     ```python\n     {ADD}\n     ```\n", 4),
        (f"> quoted\n> ```python\n> {ADD}\n> ```\n", 3),
        (f"> - both\n>\n>   ```python\n>   {ADD}\n>   ```\n", 4),
        (f"-\tone\n\n\t```python\n\t{ADD}\n\t```\n", 4),
        (f"```python\n\n\n{ADD}\n\n```\n", 4),
        (f"```python\n    {ADD}\n```\n", 2),
        (f"```python\n\t{ADD}\n```\n", 2),
        (f"---\ntitle: x\nnote: |\n  ```python\n---\n\n```python\n{ADD}\n```\n", 8),
        (f"<details>\n\n```python\n{ADD}\n```\n\n</details>\n", 4),
        (f":::{{note}}\n```python\n{ADD}\n```\n:::\n", 3),
        (f"````{{note}} Look\n```python\n{ADD}\n```\n````\n", 3),
        (f"`````{{tab-set}}\n````{{tab-item}} Python\n```python\n{ADD}\n```\n````\n`````\n", 4),
        (f"```{{code-block}} python\n:linenos:\n:caption: One\n\n{ADD}\n```\n", 5),
        (f"````markdown\n```python\n{ADD}\n```\n````\n", 3),
        (f"!!! note\n    ```python\n    {ADD}\n    ```\n", 3),
        (f'=== "Python"\n\n    Words.\n\n    ```python\n    {ADD}\n    ```\n', 6),
        (f"- one\n\n    ??? tip\n        ```python\n        {ADD}\n        ```\n", 5),
        (f"!!! note\n    !!! tip\n        ```python\n        {ADD}\n\n        # more\n        ```\n", 4),
        ("!!! note\n    Words.\n\n```python\n" + ADD + "\n```\n", 5),
    ],
)
def test_a_fence_is_found_at_its_line(page: Page, text: str, line: int, newline: str) -> None:
    (snippet,) = page(text, newline)
    assert snippet.line == line
    assert snippet.text.split("\n")[0] == ADD
    assert snippet.form is Form.OPERATIONS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# Words only\n\n    op.drop_table('indented code is only shown')\n",
        f"````text\n```python\n{ADD}\n```\n````\n",
        f"    ```python\n    {ADD}\n    ```\n",
        f"<!--\n```python\n{ADD}\n```\n-->\n",
        f"    !!! note\n        ```python\n        {ADD}\n        ```\n",
    ],
)
def test_what_is_only_text_is_no_snippet(page: Page, text: str) -> None:
    assert [snippet for snippet in page(text) if snippet.form is not Form.UNRELATED] == []


def test_snippets_come_in_the_order_of_the_page(page: Page) -> None:
    text = "!!! note\n    ```sql\n    SELECT 1 FROM a\n    ```\n\n```sql\nSELECT 2 FROM b\n```\n\n- ```sql\n  SELECT 3 FROM c\n  ```\n"
    assert [(each.line, each.text) for each in page(text)] == [
        (3, "SELECT 1 FROM a"),
        (7, "SELECT 2 FROM b"),
        (11, "SELECT 3 FROM c"),
    ]


def test_a_snippet_keeps_its_inner_lines(page: Page) -> None:
    (snippet,) = page("- x\n\n  ```python\n  def upgrade():\n\n      op.drop_table('a')\n\n  ```\n")
    assert snippet.text == "def upgrade():\n\n    op.drop_table('a')"
    assert snippet.form is Form.FUNCTIONS


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"Words.\n\n```python\n{ADD}\n", 3),
        (f"```python\n{ADD}\n~~~\n", 1),
        (f"````python\n{ADD}\n```\n", 1),
        (f"- one\n  ```python\n  {ADD}\n\nBehind the list.\n", 2),
        (f"````markdown\n\n```python\n{ADD}\n````\n", 3),
    ],
)
def test_a_fence_that_is_never_closed_is_said(page: Page, text: str, line: int) -> None:
    with pytest.raises(
        PageMistake, match=rf"page\.md:{line}: this fence is never closed; close it with [`~]+\.$"
    ):
        page(text)


@pytest.mark.parametrize(
    ("top", "on"),
    [
        ("databases: [sqlite, postgres]", [Dialect.SQLITE, Dialect.POSTGRES]),
        ("databases: [postgres]", [Dialect.POSTGRES]),
        ("databases:\n  - sqlite\nafter: postgres", [Dialect.SQLITE]),
        ("title: on postgres", [Dialect.SQLITE, Dialect.POSTGRES]),
    ],
)
def test_a_page_may_be_about_one_database(page: Page, top: str, on: list[Dialect]) -> None:
    (snippet,) = page(f"---\n{top}\n---\n\n```python\n{ADD}\n```\n")
    assert list(snippet.on) == on


def cell(page: Page, text: str) -> Snippet:
    (snippet,) = page(f"```{{code-cell}}\n{text}\n```\n")
    return snippet


@pytest.mark.parametrize(
    ("text", "line", "form", "left"),
    [
        (f":name: a\n:tags: [slide]\n%%op\n{ADD}", 5, Form.OPERATIONS, ADD),
        (f"---\nname: a\n---\n\n{ADD}", 6, Form.OPERATIONS, ADD),
        (
            '%%revision 0004 "add isbn"\ndef upgrade():\n    pass',
            3,
            Form.FUNCTIONS,
            "def upgrade():\n    pass",
        ),
        ("%%sql\nSELECT 1", 3, Form.SQL, "SELECT 1"),
        ("%%sql\n\nname", 4, Form.SQL, "name"),
        ("import sqlalchemy", 2, Form.PYTHON, "import sqlalchemy"),
    ],
)
def test_a_cell_becomes_what_stands_behind_its_magic(
    page: Page, text: str, line: int, form: Form, left: str
) -> None:
    snippet = cell(page, text)
    assert (snippet.line, snippet.form, snippet.text) == (line, form, left)


def test_alembic_lines_of_a_cell_are_commands(page: Page, tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text(
        "```{code-cell}\n# Both:\n%alembic --on sqlite upgrade  head\n%alembic current\n```\n"
    )
    (snippet,) = read(tmp_path / "other.md")
    assert (snippet.line, snippet.form) == (3, Form.COMMANDS)
    assert snippet.text == "alembic upgrade  head\nalembic current"
    assert snippet.on == (Dialect.SQLITE,)


@pytest.mark.parametrize(
    ("options", "text", "form", "given"),
    [
        ("--as sql", "VACUUM books", Form.SQL, None),
        ("--as bash --on sqlite", "alembic current", Form.COMMANDS, None),
        ("--as ini", "[alembic]\nscript_location = migrations", Form.INI, None),
        ("--as env", "target_metadata = None", Form.ENVIRONMENT, None),
        ("--given 'CREATE TABLE a (b int)'", ADD, Form.OPERATIONS, "CREATE TABLE a (b int)"),
        ("--given 'unbalanced", ADD, Form.OPERATIONS, None),
    ],
)
def test_a_cell_may_say_what_stands_below_and_what_is_given(
    page: Page, options: str, text: str, form: Form, given: str | None
) -> None:
    snippet = cell(page, f"%%op {options}\n{text}")
    assert (snippet.form, snippet.text, snippet.given) == (form, text, given)
    assert snippet.on == ((Dialect.SQLITE,) if "sqlite" in options else (Dialect.SQLITE, Dialect.POSTGRES))


@pytest.mark.parametrize(
    "text", ["%sandbox a --at 0003\n%schema", f"%%locks\n{ADD}", "%%file models.py\nx = 1", "%practice e07-1"]
)
def test_other_magics_are_foreign(page: Page, text: str) -> None:
    assert cell(page, text).form is Form.UNRELATED


def test_fails_above_a_cell_declares(page: Page) -> None:
    snippet = cell(page, f"%%fails sqlite<3.53\n%%op\n{ADD}")
    assert snippet.line == 4
    assert {dialect: (each.verdict, each.until) for dialect, each in snippet.expected.items()} == {
        Dialect.SQLITE: ("fails", "3.53")
    }
    assert set(cell(page, f"%%fails\n%%op\n{ADD}").expected) == {Dialect.SQLITE, Dialect.POSTGRES}
    with pytest.raises(PageMistake, match=r"page\.md:1: %%fails does not understand `mysql`"):
        cell(page, f"%%fails mysql\n%%op\n{ADD}")


def test_python_beside_line_magics_keeps_its_line(page: Page) -> None:
    snippet = cell(page, f"%load_ext migration_cookbook\n{ADD}")
    assert (snippet.line, snippet.text) == (3, ADD)


def test_a_large_page_is_read_in_a_time_that_grows_with_it(page: Page) -> None:
    text = f"Words.\n\n```python\n{ADD}\n```\n\n" * 5000
    snippets = page(text)
    assert len(snippets) == 5000
    assert snippets[-1].line == 6 * 4999 + 4


@pytest.mark.parametrize(
    "fence",
    [
        "```{code-cell}\n:tags: [x]\n```",
        "```{code-cell}\n\n\n```",
        "```{code-block} python\n:linenos:\n```",
        "```python\n```",
    ],
)
def test_a_fence_with_nothing_in_it_has_a_place(fence: str, page: Page) -> None:
    (found,) = page(f"# Page\n\n{fence}\n")
    assert (found.line, found.form) == (4, Form.UNRELATED)
