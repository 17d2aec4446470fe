"""A chapter is read strictly: whatever would be lost is an error with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from edition_desk import FRONT, Desk, page
from markdown_it import MarkdownIt

from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.chapter import Chapter, read_chapter
from migration_cookbook.editions.pages import CHAPTERS
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path


def read(desk: Desk, text: str) -> Chapter:
    return read_chapter(desk.write_text("examples/07-x", text), desk.book.chapters)


def body(text: str) -> str:
    """A chapter that goes on with this text in line 10, and has a cell in any case."""
    return f"{FRONT}\n{text}\n\n```{{code-cell}}\n1\n```\n"


def test_a_chapter_is_read_whole(desk: Desk) -> None:
    chapter = read(
        desk,
        FRONT
        + """
# Title

```{code-cell}
:name: not-null
:shows: 002-E07-1, X-E18
:tags: [slide]
%%fails
print(1)

print(2)
```

Before.

:::{teacher}
Ask them.
:::

After.

```python
op.add_column()  # not run
```

````{code-cell}
%%file a.md
```python
```
````

```{code-cell}
:tags: [teacher]
1 + 1
```
""",
    )
    assert chapter.slug == "examples/07-x"
    assert (chapter.title, chapter.minutes.teach, chapter.minutes.practice) == ("A page", 8, 5)
    assert chapter.outcomes == ("read a page",)
    assert chapter.databases == ("sqlite", "postgres")
    title, first, prose, second, third = chapter.cells
    assert title.source == "# Title"
    assert (first.name, first.shows, first.tags) == ("not-null", ("002-E07-1", "X-E18"), ("slide",))
    assert first.source == "%%fails\nprint(1)\n\nprint(2)"
    assert first.line == 12
    assert prose.source == "Before.\n\nAfter.\n\n```python\nop.add_column()  # not run\n```"
    assert second.source == "%%file a.md\n```python\n```"
    assert third not in chapter.learners_cells
    (note,) = chapter.teacher_notes
    assert (note.text, note.after, note.line) == ("Ask them.", 3, 24)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("# no front matter", 1, "must start with front matter", id="no front matter"),
        pytest.param("---\ntitle: x\n", 1, "no closing line", id="front matter open"),
        pytest.param(
            page("1", front=FRONT.replace("title", "titel")), 2, "unknown front-matter key `titel`", id="key"
        ),
        pytest.param(
            page("1", front=FRONT.replace("before: []\n", "")), 1, "lacks `before`", id="missing key"
        ),
        pytest.param(
            page("1", front=FRONT.replace("before: []", "before: []\nbefore: []")), 7, "twice", id="key twice"
        ),
        pytest.param(
            page("1", front=FRONT.replace("practice: 5", "x: 5")), 3, "`minutes` must be", id="minutes"
        ),
        pytest.param(page("1", front=FRONT.replace("8", "eight")), 3, "whole numbers", id="minutes as words"),
        pytest.param(
            page("1", front=FRONT.replace("sqlite", "oracle")), 7, "`databases` must", id="databases"
        ),
        pytest.param(page("1", front=FRONT.replace("[]", "[")), 7, "no YAML", id="no YAML"),
        pytest.param(page("1", front=FRONT.replace("[]", "none")), 6, "must be a list", id="no list"),
        pytest.param(body("```{code-cell} python\n1\n```"), 10, "nothing else in the line", id="language"),
        pytest.param(
            body("> ```{code-cell}\n> 1\n> ```"), 10, "not read as a cell", id="cell in a quotation"
        ),
        pytest.param(body("- a list\n\n  ```{code-cell}\n  1\n  ```"), 12, "column 0", id="indented cell"),
        pytest.param(body("  ```python\n  1\n  ```"), 10, "column 0", id="indented fence"),
        pytest.param(body("```{code-cell}\n1\n  ```"), 12, "column 0", id="indented closing fence"),
        pytest.param(body("```{code-cell}\n```"), 10, "empty", id="empty cell"),
        pytest.param(body("````{code-cell}\n1"), 10, "never closed", id="open fence"),
        pytest.param(
            body("```{code-cell}\n:name: aa\n:name: bb\n1\n```"), 12, "given twice", id="option twice"
        ),
        pytest.param(
            body("```{code-cell}\n:shows: A-1\n:shows: A-2\n1\n```"), 12, "given twice", id="shows twice"
        ),
        pytest.param(body("```{code-cell}\n:nmae: aa\n1\n```"), 11, "unknown option `:nmae:`", id="option"),
        pytest.param(
            body("```{code-cell}\n---\ntags: []\n---\n1\n```"), 11, "options are written", id="YAML options"
        ),
        pytest.param(body("```{code-cell}\n:name: Big\n1\n```"), 11, "bad name", id="capital in a name"),
        pytest.param(body("```{code-cell}\n:name: x\n1\n```"), 11, "bad name", id="name of one letter"),
        pytest.param(
            body("```{code-cell}\n:name: aa\n1\n```\n\n```{code-cell}\n:name: aa\n1\n```"),
            16,
            "taken",
            id="name taken",
        ),
        pytest.param(body("```{code-cell}\n:tags: slide\n1\n```"), 11, "as a list", id="tags"),
        pytest.param(body("```{code-cell}\n:tags: [sldie]\n1\n```"), 11, "unknown tag `sldie`", id="tag"),
        pytest.param(body("```{code-cell}\n:shows: a fact\n1\n```"), 11, "no fact's id", id="no id"),
        pytest.param(body("```{code-cell}\n:shows: A-1, A-1\n1\n```"), 11, "twice", id="fact twice"),
        pytest.param(
            body("```{code-cell}\n:shows: A, B, C, D\n1\n```"), 10, "at most 3 facts", id="four facts"
        ),
        pytest.param(
            body("```{code-cell}\n1  # NBVAL_SKIP\n```"), 10, "NBVAL_SKIP would keep", id="nbval marker"
        ),
        pytest.param(body(":::{teacher}\nnever closed"), 10, "never closed", id="open block"),
        pytest.param(body(":::"), 10, "closes nothing", id="block closed only"),
        pytest.param(body(":::{note}\nx\n:::"), 10, "unknown block", id="block"),
        pytest.param(body(" :::{teacher}\nx\n:::"), 10, "column 0", id="indented block"),
        pytest.param(body(":::{teacher}\n:::{teacher}\n:::\n:::"), 11, "opens inside", id="block in a block"),
        pytest.param(
            body(":::{teacher}\n```{code-cell}\n1\n```\n:::"), 11, "prose only", id="cell in a block"
        ),
        pytest.param(body("+++\n\ntext"), 10, "+++", id="cell starts with +++"),
        pytest.param(FRONT + "\n# No cell\n", 1, "has no cell", id="no cell"),
    ],
)
def test_what_would_be_lost_is_an_error_with_its_line(desk: Desk, text: str, line: int, message: str) -> None:
    with pytest.raises(CookbookError) as caught:
        read(desk, text)
    assert str(caught.value).startswith(f"chapters/examples/07-x.md:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_computed_table_may_show_many_facts(desk: Desk) -> None:
    chapter = read(desk, body("```{code-cell}\n:shows: A, B, C, D\n:tags: [table]\n1\n```"))
    assert chapter.cells[0].shows == ("A", "B", "C", "D")


def test_other_files_are_no_chapters(desk: Desk) -> None:
    for slug in ("INDEX", "cheatsheets/op-api", "exercises/e07", "examples/01-a", "00-start"):
        desk.write(slug, "1")
    slugs = [path.relative_to(desk.book.chapters).as_posix() for path in CHAPTERS.paths(desk.book.chapters)]
    assert slugs == ["00-start.md", "examples/01-a.md"]


def as_markdown(path: Path) -> list[str]:
    """The cells, options and all, as any reader of CommonMark finds them."""
    tokens = MarkdownIt().parse(path.read_text(encoding="utf-8").partition("\n---\n")[2])
    return [token.content for token in tokens if token.type == "fence" and token.info == "{code-cell}"]


def test_other_readers_of_markdown_find_the_same_cells(desk: Desk) -> None:
    desk.write("a", ":name: aa\n:tags: [slide]\n%%fails\nx = 1\n\n\ny = 2", "%alembic upgrade head")
    for root in (desk.book.chapters, this_book().chapters):
        for path in CHAPTERS.paths(root):
            ours = [cell.source for cell in read_chapter(path, root).cells if cell.kind == "code"]
            theirs = as_markdown(path)
            assert len(ours) == len(theirs)
            assert all(whole.endswith(f"{source}\n") for source, whole in zip(ours, theirs, strict=True))
