"""The kinds of pages that become notebooks, and the only place where they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from migration_cookbook.editions import cheatsheet, sheet
from migration_cookbook.editions.chapter import read_chapter
from migration_cookbook.editions.generated import GENERATED_PAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.chapter import Chapter
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class PageKind:
    """Pages that are read and built in one way."""

    #: Below `chapters/`; None for every folder that isn't listed.
    folder: str | None
    read: Callable[[Path, Path], Chapter]
    #: The files that a build writes besides the notebooks, from all pages of the kind and those chosen.
    other_files: Callable[[Book, Workspace, Collection[Path]], dict[Path, str]] | None = None

    def paths(self, root: Path) -> list[Path]:
        """Return the files of these pages below `root`, in the book's order."""
        return [path for path in _markdown_files(root) if self is _kind(path.relative_to(root).parts[0])]


CHAPTERS = PageKind(None, read_chapter)
CHEATSHEETS = PageKind(sheet.FOLDER, cheatsheet.read_cheatsheet, cheatsheet.other_files)
PAGE_KINDS = (CHAPTERS, CHEATSHEETS)
#: Folders whose files aren't pages.
_OTHER_FOLDERS = ("exercises",)


def read_pages(root: Path, kinds: Collection[PageKind] = PAGE_KINDS) -> dict[str, Chapter]:
    """Return the pages of these kinds below `root`, by slug."""
    pages = [kind.read(path, root) for kind in kinds for path in kind.paths(root)]
    return {page.slug: page for page in pages}


def _kind(folder: str) -> PageKind | None:
    if folder in _OTHER_FOLDERS:
        return None
    return next((kind for kind in PAGE_KINDS if kind.folder == folder), CHAPTERS)


def _markdown_files(root: Path) -> list[Path]:
    generated = {PurePosixPath(page.name).name for page in GENERATED_PAGES}
    return sorted(
        path
        for path in root.rglob("*.md")
        if path.name not in generated
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
