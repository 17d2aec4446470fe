"""Passages and pieces of a page, whose lines know their places in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from migration_cookbook.printable import one_line, truncate
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.reading.info import Declared
    from migration_cookbook.verify.values.snippet import Form

#: A longer sentence has somebody's text in it that nobody reads to its end.
_LONGEST_SENTENCE = 400
_LINE_END = re.compile(r"\r\n?|\n")


class PageMistake(CookbookError):
    """What is wrong in a page, with the place and the remedy in one line."""

    def __init__(self, file: str, line: int, sentence: str) -> None:
        sentence = one_line(truncate(sentence, _LONGEST_SENTENCE))
        end = "" if sentence.endswith((".", "?", "…")) else "."
        super().__init__(f"{one_line(file)}:{line}: {sentence}{end}")


@dataclass(frozen=True)
class Passage:
    """Lines of a file, each with its number there: taking some away loses no place."""

    lines: tuple[str, ...]
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, text: str, first: int = 1) -> Passage:
        """A text whose lines follow each other in the file."""
        lines = _LINE_END.split(text)
        return cls(tuple(lines), tuple(range(first, first + len(lines))))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.numbers[0] if self.numbers else 0

    @property
    def blank(self) -> bool:
        return not any(line.strip() for line in self.lines)

    def between(self, start: int, end: int | None = None) -> Passage:
        """The lines from `start` up to, but not with, `end`, counted from 0."""
        return Passage(self.lines[start:end], self.numbers[start:end])

    def trimmed(self) -> Passage:
        """Without the blank lines at both ends."""
        filled = [index for index, line in enumerate(self.lines) if line.strip()]
        return self.between(filled[0], filled[-1] + 1) if filled else Passage((), ())

    def dedented(self) -> Passage:
        """Without the white space that all lines begin with."""
        filled = [line for line in self.lines if line.strip()]
        margin = _common_margin(filled)
        return replace(self, lines=tuple(line[len(margin) :] if line.strip() else "" for line in self.lines))


def _common_margin(lines: list[str]) -> str:
    margins = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines]
    # What the first and the last in the order of strings have in common, all have.
    first, last = min(margins, default=""), max(margins, default="")
    same = next(
        (n for n, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first)
    )
    return first[:same]


@dataclass(frozen=True)
class Piece:
    """What may be a snippet, before anybody has asked of what kind."""

    passage: Passage
    #: As the page names it, in lower case.
    language: str
    declared: Declared
    #: Where a magic above it says what it is; None if its text has to say.
    form: Form | None = None
    #: The database that such a magic names; None for all.
    on: Dialect | None = None
    #: What the piece is called where its author named nothing: `cell 3`.
    title: str | None = None


def block_edges(passage: Passage) -> list[tuple[int, int]]:
    """Where the runs of lines between blank lines begin and end."""
    edges = [-1, *(i for i, line in enumerate(passage.lines) if not line.strip()), len(passage.lines)]
    return [(start + 1, end) for start, end in pairwise(edges) if end > start + 1]
