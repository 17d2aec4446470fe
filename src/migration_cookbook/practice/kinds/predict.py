"""The kind `predict`: the learner writes what a run will do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice import solutions, trial_projects, trials
from migration_cookbook.practice.exercise import Kind, Question
from migration_cookbook.practice.grade import Grade, correct
from migration_cookbook.practice.step import Step
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migration_cookbook.practice.attempt import Execution, TrialResult
    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.trial_resources import TrialResources
    from migration_cookbook.sandbox.sandbox import Sandbox


_DATABASES = {
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgresql": "postgres",
    "both": "both",
    "neither": "neither",
    "none": "neither",
    "nobody": "neither",
}


def _grade_refuses(exercise: Exercise, result: TrialResult, answer: str) -> Grade:
    given = _DATABASES.get(_normalize(answer))
    if given is None:
        return Grade(False, "The answer is one of `sqlite`, `postgres`, `both` or `neither`.")
    refused = [
        dialect
        for dialect, executions in result.executions.items()
        if any(each.failure for each in executions)
    ]
    right = "both" if len(refused) == 2 else str(refused[0]) if refused else "neither"
    return correct() if given == right else Grade(False, f"Not `{given}`: run it in the sandbox, and look.")


def _grade_current(exercise: Exercise, result: TrialResult, answer: str) -> Grade:
    printed = [_normalize(line) for line in _last_execution(exercise, result).lines if line.strip()]
    given = (
        []
        if _normalize(answer) in ("", "nothing", "empty")
        else [_normalize(line) for line in answer.split(",")]
    )
    if given == printed or given == [line.removesuffix("(head)").strip() for line in printed]:
        return correct()
    if [line.removesuffix("(head)").strip() for line in given] == printed:
        return Grade(False, "The revision is right. Is it the head?")
    return Grade(False, f"It does not print `{answer.strip()}`: run it in the sandbox, and look.")


def _grade_sql(exercise: Exercise, result: TrialResult, answer: str) -> Grade:
    sent = [
        _normalize_sql(each)
        for each in _last_execution(exercise, result).sent
        if not _BOOKKEEPING.match(each)
    ]
    given = [_normalize_sql(each) for each in answer.split(";") if each.strip()]
    if given == sent:
        return correct()
    if len(given) != len(sent):
        return Grade(
            False, f"That is {_count_statements(len(given))}; it sends {_count_statements(len(sent))}."
        )
    return Grade(False, "That is not what it sends: run it in the sandbox, and look with `%sent`.")


_BOOKKEEPING = re.compile(
    r"(BEGIN|COMMIT|ROLLBACK|PRAGMA|SAVEPOINT|RELEASE)\b|.*\balembic_version\b", re.IGNORECASE
)


def _count_statements(count: int) -> str:
    return f"{count} statement{'' if count == 1 else 's'}"


def _normalize_sql(statement: str) -> str:
    """Return a statement without blanks, capitals outside of quotes, and quotes around names."""
    pieces = re.split(r"('(?:[^']|'')*')", statement.strip().rstrip(";"))
    plain = [piece if i % 2 else piece.lower().replace('"', "") for i, piece in enumerate(pieces)]
    return re.sub(r"\s*([(),=])\s*", r"\1", " ".join("".join(plain).split()))


def _last_execution(exercise: Exercise, result: TrialResult) -> Execution:
    return result.executions[exercise.on or Dialect.SQLITE][-1]


def _normalize(text: str) -> str:
    return " ".join(text.lower().replace("`", "").rstrip(".;").split())


class Predict(Kind):
    """An exercise that asks what the given steps come to; its result is their run."""

    name = "predict"
    questions = {  # noqa: RUF012
        "refuses": Question(_grade_refuses, names_database=False),
        "current": Question(_grade_current, steps=(Step("console", "current"),)),
        "sql": Question(_grade_sql),
    }

    def opening_steps(self, exercise: Exercise) -> Sequence[Step]:
        """Return the steps that write files: the others are what the learner predicts."""
        return trials.file_steps(exercise.given)

    def perform(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step]
    ) -> tuple[TrialResult, ...]:
        """Run what is given, and what shows the answer."""
        with trial_projects.trial_project(resources, exercise) as project:
            trial_projects.write_start(project.folder, exercise)
            shown = self.questions[exercise.question].steps
            return (trials.perform(exercise, project, [*exercise.given, *steps, *shown]),)

    def check(
        self, resources: TrialResources, exercise: Exercise, sandbox: Sandbox, answer: str | None
    ) -> Grade:
        """Grade the learner's text."""
        # Half of the databases would give another answer than both.
        if (
            resources.unavailable
            and exercise.on is not Dialect.SQLITE
            and Dialect.POSTGRES in exercise.databases
        ):
            raise CookbookError(f"This question is about PostgreSQL. {resources.unavailable}")
        if not (answer or "").strip():
            return Grade(False, f"Write your answer behind the check, `%check {exercise.id} ANSWER`.")
        return self.check_written(resources, exercise, (), answer or "")

    def check_written(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step], answer: str
    ) -> Grade:
        """Grade the text against a run."""
        (result,) = solutions.expected_results(resources, exercise)
        grade = self.questions[exercise.question].grade(exercise, result, answer)
        known = [wrong for wrong in exercise.wrongs if _normalize(wrong.answer) == _normalize(answer)]
        return replace(grade, sentence=known[0].message) if known and not grade.passed else grade

    def check_solution(self, exercise: Exercise, results: tuple[TrialResult, ...]) -> Grade:
        """Return a passed grade: the answer is whatever the run comes to."""
        return correct()
