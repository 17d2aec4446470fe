"""The options on the line of a magic.

An unknown option is a mistake, and the message names the nearest known one.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.sandbox.command import split
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Options:
    """The words of a line: those without a name, and the values of named options."""

    free: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    @property
    def on(self) -> Dialect | None:
        """The one database that `--on` names."""
        if "--on" not in self.named:
            return None
        return dialect_named(self.named["--on"])


def dialect_named(word: str) -> Dialect:
    """Return the dialect with this name; PostgreSQL may be spelled in several ways."""
    simple = word.lower().strip(",")
    if simple in ("sqlite", "sqlite3"):
        return Dialect.SQLITE
    if simple in ("postgres", "postgresql", "pg"):
        return Dialect.POSTGRES
    raise CookbookError(f"There is no database `{word}` here. Write sqlite or postgres.")


def read(
    magic: str,
    line: str,
    *,
    named: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    free: int | None = 0,
    usage: str = "",
) -> Options:
    """Read the options of a line. `free` is the most words without a name, None for any number."""
    words = split(line)
    unnamed: list[str] = []
    values: dict[str, str] = {}
    present: set[str] = set()
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in named:
            if not equals:
                if not words or words[0].startswith("--"):
                    raise CookbookError(f"{magic}: {name} needs a value. {usage}".strip())
                value = words.pop(0)
            values[name] = value
        elif word in flags:
            present.add(word)
        elif word.startswith("--"):
            raise CookbookError(_unknown(magic, word, (*named, *flags), usage))
        else:
            unnamed.append(word)
    if free is not None and len(unnamed) > free:
        raise CookbookError(f"{magic} does not understand `{unnamed[free]}`. {usage}".strip())
    return Options(tuple(unnamed), values, frozenset(present))


def take_on(line: str) -> tuple[Dialect | None, str]:
    """Take `--on DATABASE` out of a line whose other words the caller reads."""
    words = line.split(" ")
    for position, word in enumerate(words):
        if word == "--on" and position + 1 < len(words):
            dialect = dialect_named(words[position + 1])
            return dialect, " ".join(words[:position] + words[position + 2 :])
        if word.startswith("--on="):
            return dialect_named(word.removeprefix("--on=")), " ".join(
                words[:position] + words[position + 1 :]
            )
        if word == "--on":
            raise CookbookError("--on needs a database: --on sqlite or --on postgres.")
    return None, line


def _unknown(magic: str, word: str, known: tuple[str, ...], usage: str) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"{magic} has no option {word}. Did you mean {near[0]}?"
    listed = f" It takes {', '.join(known)}." if known else ""
    return f"{magic} has no option {word}.{listed} {usage}".strip()
