"""Which pages does the book have? Its chapters and its cheatsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.editions.chapter import Chapter, read_chapters
from migration_cookbook.editions.cheatsheet import read_cheatsheet
from migration_cookbook.editions.sheet import sheet_paths

if TYPE_CHECKING:
    from pathlib import Path


def read_pages(root: Path) -> dict[str, Chapter]:
    """All pages below `root`, by slug."""
    sheets = [read_cheatsheet(path, root) for path in sheet_paths(root)]
    return read_chapters(root) | {sheet.slug: sheet for sheet in sheets}
