"""The types of mistakes that are planted, and misspelled words."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class MistakeType(enum.StrEnum):
    MISSPELLED = "misspelled operation or argument"
    LOST_ARGUMENT = "lost argument"
    WRONG_TYPE = "wrong type"
    SQL_TYPO = "SQL typo"
    WRONG_NAME = "wrong name in the downgrade"
    INCOMPLETE = "incomplete downgrade"
    NOT_NULL = "NOT NULL without default"
    WRONG_TABLE = "wrong table"
    SWAPPED = "swapped order"


def misspell(word: str) -> Iterator[str]:
    """Yield the word without a letter in its middle, and with two of them swapped."""
    middle = len(word) // 2
    yield word[:middle] + word[middle + 1 :]
    if word[middle - 1] != word[middle]:
        yield word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]


def similar_name(name: str) -> str:
    """Return another name that's easily taken for this one."""
    return name[:-1] if name.endswith("s") else name + "s"
