"""The table of the beginner examples, made from the pages' front matter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.editions.chapter import read_chapter
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.chapter import Chapter

_FOLDER = "examples"
_SLUG = re.compile(rf"{_FOLDER}/(\d\d)-[a-z0-9-]+")
_TITLE = re.compile(r"Example (\d+): (.+)")
_HEAD = """\
# The beginner examples

Made by `cookbook build` from the pages' front matter; don't edit it by hand.

One idea each, on both databases, and every one can be opened first. The minutes are those for reading and running, plus those for the exercises.

| example | title | what you can do afterwards | minutes | databases |
|---:|---|---|---:|---|
"""


def write_table(examples: Iterable[Chapter]) -> str:
    """Return the text of the page."""
    return _HEAD + "".join(_row(example) for example in examples)


def examples_table(book: Book) -> str:
    """Return what the page should say, from the examples as they are."""
    paths = sorted((book.chapters / _FOLDER).glob("*.md"))
    return write_table(
        read_chapter(path, book.chapters) for path in paths if _SLUG.fullmatch(f"{_FOLDER}/{path.stem}")
    )


def _row(example: Chapter) -> str:
    number, title = _number_and_title(example)
    cells = (
        f"[{number}](../../notebooks/{example.slug}.ipynb)",
        title,
        "; ".join(example.outcomes),
        f"{example.minutes.teach} + {example.minutes.practice}",
        ", ".join(Dialect(name).title for name in example.databases),
    )
    row = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {row} |\n"


def _number_and_title(example: Chapter) -> tuple[int, str]:
    slug, title = _SLUG.fullmatch(example.slug), _TITLE.fullmatch(example.title)
    if slug is None or title is None or int(slug[1]) != int(title[1]):
        expected = f"Example {int(slug[1])}: …" if slug else "Example 1: …"
        raise CookbookError(f"{example.place}: an example's title says its number, as in `{expected}`.")
    return int(title[1]), title[2]
