"""A file format in which snippets are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import BOTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.reading.page import Piece


def _both(text: str) -> tuple[Dialect, ...]:
    return BOTH


@dataclass(frozen=True)
class PageFormat:
    """How the files with certain suffixes are found and read."""

    suffixes: tuple[str, ...]
    #: Finds the pieces of a page, given the name of its file and its text.
    pieces: Callable[[str, str], Iterable[Piece]]
    #: Finds the databases that the page says it's for.
    databases: Callable[[str], tuple[Dialect, ...]] = _both
    #: Whether it's read when its folder is named: its author can declare something in it, or it's a migration.
    in_folders: bool = True
    #: Whether pytest reads it wherever it's met. Another file is only read if it's named: it may be a test.
    in_tests: bool = True
    #: The largest file that's read.
    megabytes: int = 2
    #: Whether the file says in which encoding it is; else it's UTF-8.
    names_encoding: bool = False
