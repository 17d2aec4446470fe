"""A file that is one snippet in the language that its suffix names: SQL, or settings."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from migration_cookbook.verify.reading.format import PageFormat
from migration_cookbook.verify.reading.info import Declared
from migration_cookbook.verify.reading.page import Passage, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator


def pieces(file: str, text: str) -> Iterator[Piece]:
    """Yield the file as a piece."""
    yield Piece(Passage.of(text), PurePath(file).suffix.lower()[1:], Declared())


FORMAT = PageFormat((".sql", ".ini", ".cfg", ".toml"), pieces, in_folders=False, in_tests=False)
