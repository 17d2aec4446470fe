"""The answers of two databases, shown as one.

Equal answers stand once under both names. Else what they begin with in common
stands once, and the rest side by side, never woven line by line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.display.parts import Lines, MergedAnswer, Part, SideBySide

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Told apart by color-blind readers too; the names stand beside them.
COLORS = {Dialect.SQLITE: "#0173B2", Dialect.POSTGRES: "#DE8F05"}


@dataclass(frozen=True)
class Answer:
    """What one database answered."""

    dialect: Dialect
    parts: tuple[Part, ...]


def combine(answers: Sequence[Answer]) -> list[Part]:
    """Return the answers as parts to show under the databases' names."""
    titles = tuple((answer.dialect.title, COLORS[answer.dialect]) for answer in answers)
    contents = [_spread(answer.parts) for answer in answers]
    common = _common_beginning(contents)
    rests = [content[len(common) :] for content in contents]
    shown: list[Part] = []
    if common or not any(rests):
        shown.append(MergedAnswer(titles, _gather(common)))
    if any(rests):
        columns = tuple(
            (title, color, _gather(rest) or (Lines(("(nothing more)",)),))
            for (title, color), rest in zip(titles, rests, strict=True)
        )
        shown.append(SideBySide(columns) if len(columns) > 1 else MergedAnswer(titles, columns[0][2]))
    return shown


def _spread(parts: Sequence[Part]) -> list[Part]:
    """Return parts with each line on its own, so that a common beginning can end between two lines."""
    spread: list[Part] = []
    for part in parts:
        spread += [Lines((line,)) for line in part.lines] if isinstance(part, Lines) else [part]
    return spread


def _gather(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Reverse `_spread`: join neighboring lines in one block again."""
    gathered: list[Part] = []
    for part in parts:
        if isinstance(part, Lines) and gathered and isinstance(gathered[-1], Lines):
            gathered[-1] = Lines(gathered[-1].lines + part.lines)
        else:
            gathered.append(part)
    return tuple(gathered)


def _common_beginning(contents: Sequence[list[Part]]) -> list[Part]:
    common: list[Part] = []
    for parts in zip(*contents, strict=False):
        if any(not _look_alike(part, parts[0]) for part in parts):
            break
        common.append(parts[0])
    return common


def _look_alike(one: Part, other: Part) -> bool:
    """Whether a reader sees the same: 9.95 may be a float here and a Decimal there."""
    return type(one) is type(other) and one.plain() == other.plain() and one.html() == other.html()
