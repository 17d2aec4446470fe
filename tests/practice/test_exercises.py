"""The authors' proof: no exercise is solved already, each can be solved, and what is wrong is told so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import practice

if TYPE_CHECKING:
    from migration_cookbook.practice import Exercise
    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.workspace import Workspace

CHAPTERS = Path(__file__).parents[2] / "chapters"
EXERCISES = list(practice.exercises().values())
WRITTEN = [each for each in EXERCISES if each.kind.name != "predict"]
PREDICTED = [each for each in EXERCISES if each.kind.name == "predict"]


def each_of(exercises: list[Exercise]) -> pytest.MarkDecorator:
    """For each exercise; one worker runs all that is about it, and so its solution only once."""
    cases = [pytest.param(each, id=each.id, marks=pytest.mark.xdist_group(each.id)) for each in exercises]
    return pytest.mark.parametrize("exercise", cases)


@pytest.fixture(scope="session")
def some_sandbox(workspace: Workspace) -> Sandbox:
    """For predictions: their check is about a run of its own, and looks at nobody's sandbox."""
    return practice.open_exercise(workspace, PREDICTED[0])[0]


def test_there_are_exercises_of_every_kind_and_question() -> None:
    assert {each.kind.name for each in EXERCISES} == {"revision", "repair", "predict", "rescue"}
    assert {each.question for each in PREDICTED} == {"refuses", "current", "sql"}


@each_of(EXERCISES)
def test_it_belongs_to_a_page_that_shows_it(exercise: Exercise) -> None:
    page = (CHAPTERS / f"{exercise.notebook}.md").read_text(encoding="utf-8")
    assert re.search(rf"(%practice |`){re.escape(exercise.id)}\b", page)


@each_of(EXERCISES)
def test_no_hint_holds_the_solution(exercise: Exercise) -> None:
    lines = {squeezed(line) for step in exercise.solution_steps for line in step.text.splitlines()}
    for hint in exercise.hints:
        assert not any(len(line) > 12 and line in squeezed(hint) for line in lines), hint
    assert len(set(exercise.hints)) == len(exercise.hints)


@each_of(EXERCISES)
def test_it_fails_untouched(exercise: Exercise, workspace: Workspace) -> None:
    sandbox, notices = practice.open_exercise(workspace, exercise)
    assert notices == ()
    grade = practice.check(workspace, exercise, sandbox)
    assert not grade.passed
    assert grade.notices == ()
    assert (
        grade.sentence
        == {
            "revision": f"There is no revision after `{exercise.start}`.",
            "repair": "The files are as you got them.",
            "predict": f"Write your answer behind the check, `%check {exercise.id} ANSWER`.",
            "rescue": "Files and databases are as you found them.",
        }[exercise.kind.name]
    )


@each_of(WRITTEN)
def test_its_solution_passes_and_goes_down_and_up(exercise: Exercise, workspace: Workspace) -> None:
    grade = practice.check_solution(workspace, exercise)
    assert grade.passed, grade


@each_of(WRITTEN)
def test_its_known_wrong_answers_get_their_messages(exercise: Exercise, workspace: Workspace) -> None:
    assert len(exercise.wrongs) >= 2
    for wrong in exercise.wrongs:
        grade = practice.check_steps(workspace, exercise, wrong.steps)
        assert not grade.passed, wrong.title
        assert grade.sentence == wrong.message, wrong.title


@each_of(PREDICTED)
def test_a_known_wrong_prediction_gets_its_message(
    exercise: Exercise, workspace: Workspace, some_sandbox: Sandbox
) -> None:
    for wrong in exercise.wrongs:
        grade = practice.check(workspace, exercise, some_sandbox, wrong.answer)
        assert not grade.passed, wrong.title
        assert grade.sentence == wrong.message


@pytest.mark.parametrize(
    ("name", "answers"),
    (
        ("c00-2", ("0002", " `0002` ")),
        ("c01-2", ("0002",)),
        ("c01-6", ("alter table BOOKS add column stock integer default '0' not null ;",)),
        ("e07-3", ("sqlite", "SQLite")),
        ("e08-1", ("sqlite",)),
        ("e21-1", ("ALTER TABLE members ADD COLUMN newsletter BOOLEAN DEFAULT 0 NOT NULL",)),
    ),
)
def test_predictions_are_compared_with_a_run(
    name: str, answers: tuple[str, ...], workspace: Workspace, some_sandbox: Sandbox
) -> None:
    for answer in answers:
        assert practice.check(workspace, practice.exercise(name), some_sandbox, answer).passed, answer


def squeezed(text: str) -> str:
    return re.sub(r"[\s`]", "", text)
