"""The paths of the book's own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.editions.ledger import LEDGER
from migration_cookbook.editions.sheet import FOLDER
from migration_cookbook.workspace import CookbookError, checkout

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Book:
    """The folder that holds the chapters and the notebooks made from them."""

    root: Path

    @property
    def chapters(self) -> Path:
        return self.root / "chapters"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def facts(self) -> Path:
        return self.chapters / "facts.csv"

    @property
    def ledger(self) -> Path:
        """The file that says since when each snippet of the cheatsheets works."""
        return self.chapters / FOLDER / LEDGER

    @property
    def reference(self) -> Path:
        return self.chapters / "reference-environment.toml"

    @property
    def lock(self) -> Path:
        return self.root / "requirements.lock"

    def notebook(self, slug: str) -> Path:
        return self.notebooks / f"{slug}.ipynb"

    def printed_page(self, slug: str) -> Path:
        """Return the path of the page for paper; the PDF is next to it."""
        return self.notebooks / f"{slug}.html"


def this_book() -> Book:
    """Return the book of the checkout this package is run from."""
    root = checkout()
    if root is None:
        raise CookbookError(
            "The chapters are in the cookbook's repository: clone it and run the command there."
        )
    return Book(root)
