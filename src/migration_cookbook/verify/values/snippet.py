"""A snippet as a value.

A reader makes it from a file; everything after the reader sees only this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import BOTH
from migration_cookbook.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.values.verdict import Verdict


class Form(StrEnum):
    """What kind of text it is, and so what is done with it."""

    #: Lines of the body of an `upgrade()`: `op.add_column(…)`.
    OPERATIONS = "operations"
    #: Definitions of `upgrade()`, `downgrade()` or both, with their imports and helpers.
    FUNCTIONS = "functions"
    #: A whole revision file, with `revision = …`.
    REVISION = "revision file"
    #: `alembic …` lines; the outputs of a console transcript are in `answers`.
    COMMANDS = "command lines"
    INI = "alembic.ini"
    PYPROJECT = "pyproject.toml"
    #: A fragment of env.py, or a whole one.
    ENVIRONMENT = "env.py"
    SQL = "SQL"
    #: Python that is neither migration nor environment: models, a test.
    PYTHON = "Python"
    #: Nothing that Alembic or a database could run.
    UNRELATED = "unrelated"


@dataclass(frozen=True)
class Expected:
    """What its author says will happen on one database."""

    verdict: Verdict
    #: A part of the message that must be seen.
    message: str = ""
    #: The first version of the database for which it no longer holds: `3.53`.
    until: str | None = None


@dataclass(frozen=True)
class Snippet:
    """A piece of somebody's page."""

    file: str
    #: Of the first line of its text, from 1.
    line: int
    #: The fence's first word, in lower case: `python`, `sql`, or empty.
    language: str
    form: Form
    text: str
    name: str | None = None
    #: For the databases that the author speaks of; the others are expected to work.
    expected: Mapping[Dialect, Expected] = field(default_factory=dict)
    #: Why it is not run.
    skip: str | None = None
    #: The required schema as its author states it: SQL, `;` between the statements.
    given: str | None = None
    #: Facts that it shows.
    shows: tuple[str, ...] = ()
    #: The databases that its page, or the magic above it, is about.
    on: tuple[Dialect, ...] = BOTH
    #: Earlier snippets of the same page that it depends on, also by way of others, oldest first.
    #: These hold none of their own.
    depends_on: tuple[Snippet, ...] = ()
    #: For a transcript: what the page says each command prints, in order.
    answers: tuple[str, ...] = ()
    #: Whether it's your own code. Whoever makes a snippet of your own says so; anybody else's is contained.
    trusted: bool = False
    #: Of somebody else's snippet, found out where it was read: what in it isn't meant literally.
    placeholder: str = ""
    #: And whether it changes a library for whoever comes next in the same process.
    alone: bool = False

    @property
    def place(self) -> str:
        """File and line, safe to print."""
        return f"{one_line(self.file)}:{self.line}"

    @property
    def needs_own_process(self) -> bool:
        """Whether others in the same process may feel that it ran."""
        return changes_libraries(self.text, *(one.text for one in self.depends_on))


_EXTENSION_MADE = re.compile(r"\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?\"?([\w-]+)", re.IGNORECASE)


def extensions_made(text: str) -> list[str]:
    """The extensions of PostgreSQL that a snippet makes."""
    return _EXTENSION_MADE.findall(text)


#: What changes a library for whoever comes next in the same process.
_CHANGES_LIBRARIES = re.compile(
    r"\bevent\s*\.\s*listen|\blistens?_for\b|sqlalchemy\.event|import event\b|@\w*\.?compiles\b"
    r"|\bregister_operation\b|\bimplementation_for\b|\bregister_comparator\b|\bsetattr\("
)


#: Imports of what migrations ordinarily use. Whoever uses more may reach further than its own database.
_ORDINARY_IMPORT = re.compile(
    r"(?:alembic|sqlalchemy|typing|typing_extensions|__future__|collections|csv|dataclasses|datetime|decimal|enum"
    r"|functools|hashlib|itertools|json|logging|math|pathlib|re|secrets|string|textwrap|time|uuid|zoneinfo)(?![\w])"
)
_IMPORT = re.compile(r"(?:^|[;:])[ \t]*(?:from|import)[ \t]+(?P<name>[\w.]+)", re.MULTILINE)


def changes_libraries(*texts: str) -> bool:
    """Whether others may feel that one of these ran, so that it needs a process of its own."""
    return any(
        _CHANGES_LIBRARIES.search(text)
        or any(not _ORDINARY_IMPORT.match(one["name"]) for one in _IMPORT.finditer(text))
        for text in texts
    )
