"""The steps of which exercises, solutions and trials consist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from migration_cookbook.databases.dialects import Dialect


@dataclass(frozen=True)
class Step:
    """An action in a project: what a fence, or a line of a console, says."""

    does: Literal["revision", "console", "sql", "file", "remove", "look", "snapshot"]
    #: The code, the command, the statement, or the file's content.
    text: str
    #: The databases it is for; None is all of the exercise.
    on: Dialect | None = None
    #: Of a file, below the project's folder.
    path: str = ""
    #: Of a revision: its id, the one before it (None is base), and its message.
    revision: str = ""
    after: str | None = None
    message: str = ""
    #: Whether to look at what it locks.
    watched: bool = False

    @property
    def needs_database(self) -> bool:
        """Whether it runs on databases, and not on files alone."""
        return self.does in ("console", "sql")
