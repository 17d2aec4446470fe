"""Opening an exercise, and checking an answer.

What differs between the kinds of exercise is in `kinds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

from migration_cookbook.databases.capabilities import lack
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice import attempt, solutions, trial_projects, trials
from migration_cookbook.practice.grade import Grade
from migration_cookbook.practice.trial_resources import trial_resources
from migration_cookbook.sandbox import files, opening
from migration_cookbook.workspace import CookbookError, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migration_cookbook.practice.exercise import Exercise, Wrong
    from migration_cookbook.practice.step import Step
    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.workspace import Workspace


def open_exercise(workspace: Workspace, exercise: Exercise) -> tuple[Sandbox, tuple[str, ...]]:
    """Open a fresh sandbox for the exercise, as the learner finds it; return it with notices."""
    if not any(lack(dialect, "can_run_processes") for dialect in exercise.databases):
        trials.warm_up()
    sandbox, notices = opening.open_fresh(workspace, trial_projects.start_plan(exercise))
    before = files.snapshot(sandbox.folder)
    databases = {
        dialect: listed[0] for dialect, listed in sandbox.databases.items() if dialect in exercise.databases
    }
    attempt.perform(sandbox.folder, databases, exercise.kind.opening_steps(exercise), exercise.id)
    # The given files weren't made by hand.
    for relative, digest in files.snapshot(sandbox.folder).items():
        if before.get(relative) != digest:
            sandbox.write_file(relative, (sandbox.folder / relative).read_text(encoding="utf-8"))
    with trial_resources(workspace) as resources:
        trial_projects.remove_leftovers(resources)
    return sandbox, notices


def check(workspace: Workspace, exercise: Exercise, sandbox: Sandbox, answer: str | None = None) -> Grade:
    """Grade an answer. Changes nothing of the learner's, and returns every failure as a grade."""
    try:
        with trial_resources(workspace) as resources:
            grade = exercise.kind.check(resources, exercise, sandbox, answer)
            if Dialect.POSTGRES in exercise.databases and resources.unavailable:
                return grade.with_notices(f"Checked on SQLite alone: {resources.unavailable}")
            return grade
    except (trials.Stopped, CookbookError) as error:
        return Grade(False, str(error))
    except OSError as error:
        return Grade(False, explained(error) or f"The check can't read a file: {error}.")
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        words = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return Grade(False, f"The check can't read the sandbox: {words}.")


def check_steps(workspace: Workspace, exercise: Exercise, steps: Sequence[Step]) -> Grade:
    """Grade an answer given as steps."""
    return _check_written(workspace, exercise, steps, "")


def check_wrong(workspace: Workspace, exercise: Exercise, wrong: Wrong) -> Grade:
    """Grade a known-wrong answer."""
    return _check_written(workspace, exercise, wrong.steps, wrong.answer)


def check_solution(workspace: Workspace, exercise: Exercise) -> Grade:
    """Grade the solution: whether it works, goes down and up again, and comes to the same each time."""
    try:
        with trial_resources(workspace) as resources:
            results = solutions.expected_results(resources, exercise)
    except trials.Stopped as error:
        return Grade(False, str(error))
    return exercise.kind.check_solution(exercise, results)


def _check_written(workspace: Workspace, exercise: Exercise, steps: Sequence[Step], answer: str) -> Grade:
    try:
        with trial_resources(workspace) as resources:
            return exercise.kind.check_written(resources, exercise, steps, answer)
    except trials.Stopped as error:
        return Grade(False, str(error))
