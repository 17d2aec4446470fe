"""The interface of a kind of exercise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from migration_cookbook.practice.attempt import TrialResult
    from migration_cookbook.practice.exercise import Exercise, Step
    from migration_cookbook.practice.grade import Grade
    from migration_cookbook.practice.trial_projects import TrialResources
    from migration_cookbook.sandbox.sandbox import Sandbox


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
