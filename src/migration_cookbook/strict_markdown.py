"""Strict reading of the book's Markdown files: front matter, fences, and errors with file and line.

A reader that guesses loses a fence now and then without a word. So whatever is ambiguous is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<marks>`{3,}|~{3,})(?P<info>.*)")
_DASHES = "---"


@dataclass(frozen=True)
class FrontMatter:
    """The values at the top of a file."""

    values: dict[str, Any]
    #: The index of the first line after it.
    end: int


@dataclass(frozen=True)
class Fence:
    """A fence at column 0, by the indexes of its opening and its closing line."""

    marks: str
    #: What follows the marks in the opening line.
    info: str
    start: int
    end: int


@dataclass(frozen=True)
class MarkdownFile:
    """The lines of one file, and how messages name it."""

    place: str
    lines: tuple[str, ...]

    def error(self, index: int, message: str) -> CookbookError:
        """Return an error about the line with this index."""
        return CookbookError(f"{self.place}:{index + 1}: {message}")

    def front_matter(self, loader: Any = yaml.SafeLoader) -> FrontMatter:
        """Return what is between the two lines of ---; without keys where that is no mapping."""
        if self.lines[0] != _DASHES:
            raise self.error(0, "the file must start with front matter between two lines of ---.")
        if _DASHES not in self.lines[1:]:
            raise self.error(0, "the front matter has no closing line of ---.")
        end = self.lines.index(_DASHES, 1)
        try:
            values = yaml.load("\n".join(self.lines[1:end]), Loader=loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            words = " ".join(str(error).split())
            raise self.error(mark.line + 1 if mark else 0, f"the front matter is no YAML: {words}") from None
        return FrontMatter(values if isinstance(values, dict) else {}, end + 1)

    def is_indented_fence(self, index: int) -> bool:
        """Whether the line looks like a fence and doesn't start at column 0."""
        found = _FENCE.fullmatch(self.lines[index])
        return found is not None and bool(found["indent"])

    def fence(self, index: int) -> Fence | None:
        """Return the fence that opens at column 0 of this line, if one does."""
        opening = _FENCE.fullmatch(self.lines[index])
        if opening is None or opening["indent"]:
            return None
        marks = opening["marks"]
        for end in range(index + 1, len(self.lines)):
            closing = _FENCE.fullmatch(self.lines[end])
            if not closing or closing["info"].strip() or not closing["marks"].startswith(marks):
                continue
            if closing["indent"]:
                raise self.error(end, "a closing fence must start at column 0.")
            return Fence(marks, opening["info"].strip(), index, end)
        raise self.error(index, "the fence is never closed.")

    def fences(self, start: int) -> Iterator[Fence]:
        """Yield every fence from this line on; one within another is only text."""
        index = start
        while index < len(self.lines):
            fence = self.fence(index)
            if fence is not None:
                yield fence
            index = fence.end + 1 if fence else index + 1


def read_markdown_file(path: Path, place: str) -> MarkdownFile:
    """Read a file that messages call `place`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CookbookError(f"{place} can't be read as UTF-8 text: {error}") from None
    return MarkdownFile(place, tuple(text.split("\n")))
