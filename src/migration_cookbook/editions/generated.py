"""The pages that `cookbook build` generates, and the only place where they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.editions.examples import examples_table
from migration_cookbook.editions.index import book_index

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from migration_cookbook.editions.book import Book


@dataclass(frozen=True)
class GeneratedPage:
    """A page that is made from other pages, and no notebook."""

    #: Below `chapters/`.
    name: str
    text: Callable[[Book], str]

    @property
    def from_notebooks(self) -> str:
        """The path by which a notebook links to it; learners have it in the same place."""
        return f"../chapters/{self.name}"

    def path(self, book: Book) -> Path:
        """Return where the page is in a book."""
        return book.chapters / self.name


GENERATED_PAGES = (
    GeneratedPage("INDEX.md", book_index),
    GeneratedPage("examples/README.md", examples_table),
)
