"""An exercise as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.practice.kinds.kind import Kind


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


@dataclass(frozen=True)
class Wrong:
    """An answer that is known to be wrong, and the message for it."""

    title: str
    steps: tuple[Step, ...]
    #: Of a prediction.
    answer: str
    message: str


@dataclass(frozen=True)
class Exercise:
    """One exercise, as its author wrote it."""

    path: Path
    id: str
    title: str
    #: The slug of the page that shows it.
    notebook: str
    kind: Kind
    #: The revision of files and databases at the start, or `base` or `bare`.
    start: str
    databases: tuple[Dialect, ...]
    minutes: int
    #: Of a prediction: what is asked, and of which database.
    question: str
    on: Dialect | None
    #: How many new revisions it takes, where that is the point.
    revisions: int | None
    #: Whether the point is what must wait for it on PostgreSQL.
    locks: bool
    prompt: str
    given: tuple[Step, ...]
    hints: tuple[str, ...]
    #: As the learner reads it, and as it runs.
    solution: str
    solution_steps: tuple[Step, ...]
    wrongs: tuple[Wrong, ...]

    @property
    def downgrade_target(self) -> str:
        """The revision to which a trial downgrades: below the first revision that an answer writes.

        Where that is a given one, going further would hide what the downgrade leaves behind.
        """
        given = {step.revision for step in self.given if step.does == "revision"}
        written = [step.after for step in self.solution_steps if step.does == "revision"]
        below = written[0] if written else None
        return below if below is not None and below in given else self.start

    @property
    def place(self) -> str:
        """The name of the file in messages."""
        return f"chapters/exercises/{self.path.name}"
