"""A small book of plain Python cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.editions.book import Book
from migration_cookbook.editions.reference import write_reference
from migration_cookbook.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from pathlib import Path

FRONT = """\
---
title: "A page"
minutes: {teach: 8, practice: 5}
outcomes:
  - read a page
before: []
databases: [sqlite, postgres]
---
"""


def page(*cells: str, front: str = FRONT) -> str:
    """A chapter of these code cells, each with a line of prose before it."""
    body = "\n".join(
        f"Prose {number}.\n\n```{{code-cell}}\n{cell}\n```\n" for number, cell in enumerate(cells, 1)
    )
    return f"{front}\n# A page\n\n{body}"


@dataclass(frozen=True)
class Desk:
    """An author's desk: a book and a workspace."""

    book: Book
    workspace: Workspace

    def write(self, slug: str, *cells: str, front: str = FRONT) -> Path:
        return self.write_text(slug, page(*cells, front=front))

    def write_text(self, slug: str, text: str) -> Path:
        path = self.book.chapters / f"{slug}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def make_desk(folder: Path) -> Desk:
    book = Book(folder / "book")
    book.chapters.mkdir(parents=True)
    book.notebooks.mkdir()
    book.lock.write_text("", encoding="utf-8")
    write_reference(book)
    return Desk(book, open_workspace(folder / "workspace"))
