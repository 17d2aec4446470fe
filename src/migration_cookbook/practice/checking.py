"""How does an exercise begin, and is an answer right?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

from migration_cookbook.databases.capabilities import lack
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice import attempt, solutions, trials, worlds
from migration_cookbook.practice.attempt import Outcome
from migration_cookbook.practice.grade import (
    Grade,
    grade_answer,
    grade_files,
    grade_rescue,
    grade_rescued_files,
    grade_trial,
)
from migration_cookbook.sandbox import files, opening
from migration_cookbook.workspace import CookbookError, explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.practice.exercise import Exercise, Step
    from migration_cookbook.practice.worlds import TrialResources, World
    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.workspace import Workspace


def open_exercise(workspace: Workspace, exercise: Exercise) -> tuple[Sandbox, tuple[str, ...]]:
    """A fresh sandbox for the exercise, with what is given; of a prediction only the files."""
    if not any(lack(dialect, "can_run_processes") for dialect in exercise.databases):
        trials.warm_up()
    sandbox, notices = opening.open_fresh(workspace, worlds.start_plan(exercise))
    before = files.snapshot(sandbox.folder)
    databases = {
        dialect: listed[0] for dialect, listed in sandbox.databases.items() if dialect in exercise.databases
    }
    predicts = exercise.kind == "predict"
    given = trials.without_database(exercise.given) if predicts else exercise.given
    attempt.perform(sandbox.folder, databases, given, exercise.id)
    # What is given was not made by hand.
    for relative, digest in files.snapshot(sandbox.folder).items():
        if before.get(relative) != digest:
            sandbox.write_file(relative, (sandbox.folder / relative).read_text(encoding="utf-8"))
    with worlds.ground(workspace) as ground:
        worlds.tidy(ground)
    return sandbox, notices


def check(workspace: Workspace, exercise: Exercise, sandbox: Sandbox, answer: str | None = None) -> Grade:
    """Whether the answer is right. Changes nothing of the learner's, and says every failure as a grade."""
    try:
        with worlds.ground(workspace) as ground:
            grade = _check(ground, exercise, sandbox, answer)
            if Dialect.POSTGRES in exercise.databases and ground.unavailable:
                return grade.noting(f"Checked on SQLite alone: {ground.unavailable}")
            return grade
    except (trials.Stopped, CookbookError) as error:
        return Grade(False, str(error))
    except OSError as error:
        return Grade(False, explained(error) or f"The check can't read a file: {error}.")
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        words = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return Grade(False, f"The check can't read the sandbox: {words}.")


def check_steps(workspace: Workspace, exercise: Exercise, steps: Sequence[Step]) -> Grade:
    """The grade of an answer given as steps: how solutions and known-wrong answers are proved."""
    try:
        with worlds.ground(workspace) as ground, worlds.world(ground, exercise) as world:
            if exercise.kind == "rescue":
                found = solutions.rescue(ground, exercise, world, steps)
                return _grade_rescue(ground, exercise, found, world)
            before, _ = solutions.prepare(ground, exercise, world, steps)
            return _grade_trial(ground, exercise, world, before)
    except trials.Stopped as error:
        return Grade(False, str(error))


def check_solution(workspace: Workspace, exercise: Exercise) -> Grade:
    """Whether the solution works, goes down and up again, and comes to the same each time."""
    try:
        with worlds.ground(workspace) as ground:
            wanted = solutions.wanted(ground, exercise)
    except trials.Stopped as error:
        return Grade(False, str(error))
    trial = wanted[-1]
    if exercise.kind == "rescue":
        grade = grade_files(wanted[0]) or grade_rescue(exercise, wanted[0], wanted[0])
        grade = grade_rescued_files(exercise, wanted[0], trial, trial) if grade.passed else grade
    else:
        grade = grade_trial(exercise, trial, trial)
    if grade.passed and any(states[0] != states[2] for states in trial.states.values()):
        return Grade(False, "The second upgrade comes to something else than the first.")
    return grade


def _check(ground: TrialResources, exercise: Exercise, sandbox: Sandbox, answer: str | None) -> Grade:
    if exercise.kind == "predict":
        # Half of the databases would give another answer than both.
        if (
            ground.unavailable
            and exercise.on is not Dialect.SQLITE
            and Dialect.POSTGRES in exercise.databases
        ):
            raise CookbookError(f"This question is about PostgreSQL. {ground.unavailable}")
        if not (answer or "").strip():
            return Grade(False, f"Write your answer behind the check, `%check {exercise.id} ANSWER`.")
        return grade_answer(exercise, solutions.wanted(ground, exercise)[0], answer or "")
    if not sandbox.folder.is_dir():
        raise CookbookError(f"The sandbox's folder is gone. Run `%practice {exercise.id}` again.")
    snapshot = files.snapshot(sandbox.folder)
    if exercise.kind == "rescue":
        return _check_rescue(ground, exercise, sandbox, snapshot)
    given = solutions.wanted(ground, exercise)[0].files[0]
    if exercise.kind == "repair" and snapshot == given:
        return Grade(False, "The files are as you got them.")
    if exercise.kind == "revision" and not _revision_files(snapshot) - _revision_files(given):
        after = f"after `{exercise.start}`" if exercise.start not in ("base", "bare") else "here"
        return Grade(False, f"There is no revision {after}.")
    with worlds.world(ground, exercise) as world:
        trials.copy(sandbox.folder, world.folder)
        return _grade_trial(ground, exercise, world)


def _grade_trial(
    ground: TrialResources, exercise: Exercise, world: World, before: Sequence[Step] = ()
) -> Grade:
    """First the way up: what goes wrong there need not come down."""
    wanted = solutions.wanted(ground, exercise)[0]
    found = trials.up(exercise, world, before)
    grade = grade_trial(exercise, wanted, found)
    if not grade.passed:
        return grade
    return grade_trial(exercise, wanted, found.then(trials.down_and_up(exercise, world)))


def _check_rescue(
    ground: TrialResources, exercise: Exercise, sandbox: Sandbox, snapshot: Mapping[str, str]
) -> Grade:
    states = {
        dialect: (attempt.look(listed[0]),)
        for dialect, listed in sandbox.databases.items()
        if dialect in ground.dialects(exercise)
    }
    wanted = solutions.wanted(ground, exercise)[0]
    untouched = all(state == wanted.states[dialect][0] for dialect, (state,) in states.items())
    if untouched and snapshot == wanted.files[0]:
        return Grade(False, "Files and databases are as you found them.")
    with worlds.world(ground, exercise, empty=True) as world:
        trials.copy(sandbox.folder, world.folder)
        read = trials.perform(exercise, world, ())
        found = Outcome({}, states, (), read.revisions, read.unreadable)
        return _grade_rescue(ground, exercise, found, world)


def _grade_rescue(ground: TrialResources, exercise: Exercise, found: Outcome, world: World) -> Grade:
    """First the databases as they are, then what the project in `world` makes of empty ones."""
    wanted, wanted_from_nothing = solutions.wanted(ground, exercise)
    grade = grade_files(found) or grade_rescue(exercise, wanted, found)
    if not grade.passed:
        return grade
    with worlds.world(ground, exercise, empty=True) as empty:
        trials.copy(world.folder, empty.folder)
        tried = trials.up(exercise, empty)
        grade = grade_rescued_files(exercise, wanted, wanted_from_nothing, tried)
        if not grade.passed:
            return grade
        tried = tried.then(trials.down_and_up(exercise, empty))
        return grade_rescued_files(exercise, wanted, wanted_from_nothing, tried)


def _revision_files(snapshot: Mapping[str, str]) -> set[str]:
    return {name for name in snapshot if "/versions/" in name and name.endswith(".py")}
