"""The registry of the file formats in which snippets are found: each is one `PageFormat` in its own module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.verify.reading import markdown, notebook, python_file, whole_file

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.verify.reading.format import PageFormat

PAGE_FORMATS: tuple[PageFormat, ...] = (
    markdown.FORMAT,
    notebook.FORMAT,
    python_file.FORMAT,
    whole_file.FORMAT,
)

#: Every suffix that's read, as messages list them.
SUFFIXES = tuple(suffix for known in PAGE_FORMATS for suffix in known.suffixes)


def is_readable(path: Path) -> bool:
    """Whether a file of this name has one of the formats."""
    return path.suffix.lower() in SUFFIXES


def format_of(path: Path) -> PageFormat:
    """Return the format of a file by its name; one without a format of its own is a single snippet."""
    suffix = path.suffix.lower()
    return next((known for known in PAGE_FORMATS if suffix in known.suffixes), whole_file.FORMAT)
