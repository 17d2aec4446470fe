"""An exercise as frozen values, and the interface of its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.practice.attempt import TrialResult
    from migration_cookbook.practice.grade import Grade
    from migration_cookbook.practice.step import Step
    from migration_cookbook.practice.trial_resources import TrialResources
    from migration_cookbook.sandbox.sandbox import Sandbox


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


@dataclass(frozen=True)
class Question:
    """What an exercise may ask about a run."""

    #: Grades an answer against the result of the run.
    grade: Callable[[Exercise, TrialResult, str], Grade]
    #: Whether it is about one database, which the exercise names as `on`.
    names_database: bool = True
    #: What runs after the given steps, to see the answer.
    steps: tuple[Step, ...] = ()


class Kind(ABC):
    """What differs between the kinds: how a file is read, and how an answer is tried and graded."""

    #: As the front matter names it.
    name: ClassVar[str]
    #: Whether the learner gets a project with something in it, from a section `## Given`.
    has_given: ClassVar[bool] = True
    #: Whether an exercise may say `locks: matter`.
    may_watch_locks: ClassVar[bool] = False
    #: Whether the learner's own databases are part of the answer, and not the files alone.
    includes_databases: ClassVar[bool] = False
    #: What it may ask, by name; a kind that asks nothing is answered by changing the project.
    questions: ClassVar[Mapping[str, Question]] = {}

    @property
    def takes_answer(self) -> bool:
        """Whether the answer is written after the check, as in `%check c00-2 0002`."""
        return bool(self.questions)

    def opening_steps(self, exercise: Exercise) -> Sequence[Step]:
        """Return what is done in the learner's sandbox before the learner begins."""
        return exercise.given

    @abstractmethod
    def perform(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step]
    ) -> tuple[TrialResult, ...]:
        """Do everything that a check of this answer would, and return the results."""

    @abstractmethod
    def check(
        self, resources: TrialResources, exercise: Exercise, sandbox: Sandbox, answer: str | None
    ) -> Grade:
        """Grade what the learner did, or wrote."""

    @abstractmethod
    def check_written(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step], answer: str
    ) -> Grade:
        """Grade an answer as an exercise's file has it: as steps, or as text for a kind that takes that."""

    @abstractmethod
    def check_solution(self, exercise: Exercise, results: tuple[TrialResult, ...]) -> Grade:
        """Grade the solution by its own results."""
