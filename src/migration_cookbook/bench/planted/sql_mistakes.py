"""The small mistakes that can be made in a snippet of SQL."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from migration_cookbook.bench.planted.mistakes import MistakeType, misspell

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Words that no statement can do without. UNIQUE and COLUMN are not among them: to SQLite,
#: a misspelled one is a part of a column's name or type.
_KEYWORD = re.compile(
    r"\b(CREATE|ALTER|DROP|TABLE|INDEX|INSERT|INTO|VALUES|UPDATE|DELETE|FROM|WHERE|SELECT|EXISTS)\b", re.I
)

#: Quoted text, comments and the bodies of functions, in which no mistake is made.
_APART = re.compile(r"'[^']*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1", re.S)

#: Types that other databases have.
_FOREIGN = {"VARCHAR": "STRING", "INTEGER": "NUMBER", "TIMESTAMP": "DATETIME", "BOOLEAN": "LOGICAL"}

_ADDED = re.compile(r"\bADD\s+COLUMN\s+\w+[^;]*", re.I)
_DEFAULT = re.compile(r"\s+DEFAULT\s+('[^']*'|[^\s,;]+)", re.I)
_NOT_NULL = re.compile(r"\s+NOT\s+NULL\b", re.I)

#: What a statement makes, and what it takes away.
_MADE = re.compile(r"\b(?:CREATE\s+TABLE|ADD\s+COLUMN|RENAME(?:\s+COLUMN\s+\w+)?\s+TO)\s+(\w+)", re.I)
_DROPPED = re.compile(r"\bDROP\s+(?:TABLE|COLUMN)\s+(\w+)", re.I)


def mistakes(text: str) -> Iterator[tuple[MistakeType, str]]:
    for other in typos(text):
        yield MistakeType.SQL_TYPO, other
    for other in _wrong_types(text):
        yield MistakeType.WRONG_TYPE, other
    for other in _not_null(text):
        yield MistakeType.NOT_NULL, other
    for other in _swapped(text):
        yield MistakeType.SWAPPED, other


def typos(text: str) -> Iterator[str]:
    """Yield the text with one of its keywords misspelled."""
    for found in _KEYWORD.finditer(_blank(text)):
        for word in misspell(found[0]):
            yield _replace(text, found, word)


def makes(statement: str) -> set[str]:
    """Return the tables and columns that weren't there before this statement."""
    return set(_MADE.findall(_blank(statement)))


def drops(statement: str) -> set[str]:
    """Return the tables and columns that are gone after it."""
    return set(_DROPPED.findall(_blank(statement)))


def changes_schema(statement: str) -> bool:
    return re.match(r"\s*(ALTER|CREATE|DROP)\b", statement, re.I) is not None


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _wrong_types(text: str) -> Iterator[str]:
    for found in re.finditer(r"\b(" + "|".join(_FOREIGN) + r")\b", _blank(text), re.I):
        yield _replace(text, found, _FOREIGN[found[0].upper()])


def _not_null(text: str) -> Iterator[str]:
    for found in _ADDED.finditer(text):
        if not found[0].upper().count("GENERATED"):
            column = _NOT_NULL.sub("", _DEFAULT.sub("", found[0])).rstrip()
            yield _replace(text, found, f"{column} NOT NULL")


def _swapped(text: str) -> Iterator[str]:
    """Swap two statements of which one needs what the other makes or takes away."""
    if ";" not in text or "$$" in text:
        return
    statements = [each.strip() for each in text.rstrip().rstrip(";").split(";")]
    for position, (first, second) in enumerate(itertools.pairwise(statements)):
        if makes(first) & words(second) or drops(second) & words(first):
            order = [*statements[:position], second, first, *statements[position + 2 :]]
            yield ";\n".join(order) + ";\n"


def _blank(text: str) -> str:
    """Return a text of the same length, with nothing in it that isn't SQL."""
    return _APART.sub(lambda found: " " * len(found[0]), text)


def _replace(text: str, found: re.Match[str], other: str) -> str:
    return text[: found.start()] + other + text[found.end() :]
