"""How does an exercise begin, and is an answer right?"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

import migration_cookbook
from migration_cookbook.databases.kinds import Kind
from migration_cookbook.practice import attempt, worlds
from migration_cookbook.practice.attempt import LOOK, SNAPSHOT, Outcome
from migration_cookbook.practice.encoding import decode, encode
from migration_cookbook.practice.exercise import Exercise, Step
from migration_cookbook.practice.grade import Grade, grade_answer, grade_rescue, grade_trial
from migration_cookbook.sandbox import files, opening, project
from migration_cookbook.worker import Ended, Limits, Worker
from migration_cookbook.workspace import CookbookError, explained, read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migration_cookbook.practice.worlds import Ground, World
    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.workspace import Workspace

_LIMITS = Limits()
_worker = Worker(attempt.__name__)

_UP = Step("console", "upgrade heads")


class Stopped(Exception):
    """The answer ran into a limit or ended its own process; the message is for the learner."""


def open_exercise(workspace: Workspace, exercise: Exercise) -> tuple[Sandbox, tuple[str, ...]]:
    """A fresh sandbox for the exercise, with what is given; of a prediction only the files."""
    _worker.start()
    sandbox, notices = opening.open_fresh(workspace, worlds.start_plan(exercise))
    before = files.snapshot(sandbox.folder)
    databases = {kind: listed[0] for kind, listed in sandbox.databases.items() if kind in exercise.databases}
    attempt.perform(sandbox.folder, databases, _given(exercise), exercise.id)
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
            if Kind.POSTGRES in exercise.databases and ground.unavailable:
                return grade.noting(f"Checked on SQLite alone: {ground.unavailable}")
            return grade
    except (Stopped, CookbookError) as error:
        return Grade(False, str(error))
    except OSError as error:
        return Grade(False, explained(error) or f"The check can't read a file: {error}.")
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        words = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return Grade(False, f"The check can't read the sandbox: {words}.")


def check_steps(workspace: Workspace, exercise: Exercise, steps: Sequence[Step]) -> Grade:
    """The grade of an answer given as steps: how solutions and known-wrong answers are proved."""
    with worlds.ground(workspace) as ground:
        try:
            if exercise.kind == "rescue":
                return _grade_rescue(ground, exercise, *_rescue_steps(ground, exercise, steps))
            return grade_trial(exercise, _wanted(ground, exercise)[0], _trial_steps(ground, exercise, steps))
        except Stopped as error:
            return Grade(False, str(error))


def _check(ground: Ground, exercise: Exercise, sandbox: Sandbox, answer: str | None) -> Grade:
    if exercise.kind == "predict":
        if not (answer or "").strip():
            return Grade(False, f"Write your answer behind the check, `%check {exercise.id} ANSWER`.")
        return grade_answer(exercise, _wanted(ground, exercise)[0], answer or "")
    if not sandbox.folder.is_dir():
        raise CookbookError(f"The sandbox's folder is gone. Run `%practice {exercise.id}` again.")
    if exercise.kind == "rescue":
        return _check_rescue(ground, exercise, sandbox)
    wanted = _wanted(ground, exercise)
    with worlds.world(ground, exercise) as world:
        _copy(sandbox.folder, world.folder)
        found = _perform(exercise, world, [SNAPSHOT, *_trial(exercise)])
    return _not_yet(exercise, wanted, found) or grade_trial(exercise, wanted[0], found)


def _check_rescue(ground: Ground, exercise: Exercise, sandbox: Sandbox) -> Grade:
    fresh = _from_nothing(ground, exercise, sandbox.folder)
    states = {
        kind: (attempt.look(listed[0]),)
        for kind, listed in sandbox.databases.items()
        if kind in ground.kinds(exercise)
    }
    found = Outcome({}, states, (files.snapshot(sandbox.folder),), fresh.revisions, fresh.unreadable)
    return _not_yet(exercise, _wanted(ground, exercise), found) or _grade_rescue(
        ground, exercise, found, fresh
    )


def _grade_rescue(ground: Ground, exercise: Exercise, found: Outcome, fresh: Outcome) -> Grade:
    wanted, wanted_fresh = _wanted(ground, exercise)
    return grade_rescue(exercise, wanted, found, fresh, wanted_fresh)


def _not_yet(exercise: Exercise, wanted: tuple[Outcome, ...], found: Outcome) -> Grade | None:
    """Nothing has been done yet: that is no mistake, but how an exercise begins."""
    given = wanted[0].files[0]
    if exercise.kind == "revision":
        if found.files and not _revision_files(found.files[0]) - _revision_files(given):
            after = f"after `{exercise.start}`" if exercise.start not in ("base", "bare") else "here"
            return Grade(False, f"There is no revision {after}.")
    elif found.files and found.files[-1] == given:
        if exercise.kind == "repair":
            return Grade(False, "The files are as you got them.")
        if all(states[-1] == wanted[0].states[kind][0] for kind, states in found.states.items()):
            return Grade(False, "Files and databases are as you found them.")
    return None


def _revision_files(snapshot: object) -> set[str]:
    assert isinstance(snapshot, dict)
    return {name for name in snapshot if "/versions/" in name and name.endswith(".py")}


def _given(exercise: Exercise) -> list[Step]:
    return _files_of(exercise.given) if exercise.kind == "predict" else list(exercise.given)


def _trial(exercise: Exercise) -> list[Step]:
    """Up, down and up again, with a look after each."""
    start = "base" if exercise.start == "bare" else exercise.start
    return [_UP, LOOK, Step("console", f"downgrade {start}"), LOOK, _UP, LOOK]


def _wanted(ground: Ground, exercise: Exercise) -> tuple[Outcome, ...]:
    """What the solution comes to, remembered until exercise, project or kit change."""
    path = ground.workspace.root / "practice" / "solutions" / f"{exercise.id}.json"
    key = _key(ground, exercise)
    known = read_json(path)
    if known and known["key"] == key:
        return decode(tuple[Outcome, ...], known["outcomes"])  # type: ignore[no-any-return]
    outcomes = _run_solution(ground, exercise)
    write_atomically(path, json.dumps({"key": key, "outcomes": encode(outcomes)}))
    return outcomes


def _run_solution(ground: Ground, exercise: Exercise) -> tuple[Outcome, ...]:
    if exercise.kind == "predict":
        asked = [Step("console", "current")] if exercise.question == "current" else []
        with worlds.world(ground, exercise) as world:
            worlds.write_start(world.folder, exercise)
            return (_perform(exercise, world, [*exercise.given, *asked]),)
    if exercise.kind == "rescue":
        return _rescue_steps(ground, exercise, exercise.solution_steps)
    return (_trial_steps(ground, exercise, exercise.solution_steps),)


def _trial_steps(ground: Ground, exercise: Exercise, steps: Sequence[Step]) -> Outcome:
    """The trial of an answer that is given as steps."""
    with worlds.world(ground, exercise) as world:
        worlds.write_start(world.folder, exercise)
        before = [*_files_of(exercise.given), SNAPSHOT, *steps]
        if not any(step.needs_database for step in steps):
            return _perform(exercise, world, [*before, *_trial(exercise)])
        prepared = _perform(exercise, world, before)
        with worlds.world(ground, exercise) as another:
            _copy(world.folder, another.folder)
            tried = _perform(exercise, another, _trial(exercise))
    return replace(tried, files=prepared.files)


def _rescue_steps(ground: Ground, exercise: Exercise, steps: Sequence[Step]) -> tuple[Outcome, Outcome]:
    """What a rescue given as steps comes to, and what its files make of empty databases."""
    with worlds.world(ground, exercise) as world:
        worlds.write_start(world.folder, exercise)
        found = _perform(exercise, world, [*exercise.given, SNAPSHOT, LOOK, *steps, SNAPSHOT, LOOK])
        return found, _from_nothing(ground, exercise, world.folder)


def _from_nothing(ground: Ground, exercise: Exercise, project_folder: Path) -> Outcome:
    with worlds.world(ground, exercise, empty=True) as world:
        _copy(project_folder, world.folder)
        return _perform(exercise, world, [_UP, LOOK])


def _files_of(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if not step.needs_database]


def _copy(project_folder: Path, folder: Path) -> None:
    for path in files.project_files(project_folder):
        target = folder / path.relative_to(project_folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _perform(exercise: Exercise, world: World, steps: Sequence[Step]) -> Outcome:
    """Do the steps in the worker."""
    job = attempt.job(world.folder, world.databases, steps, exercise.id)
    ended = _worker.run(f"{attempt.__name__}:{attempt.run.__name__}", job, _LIMITS)
    if ended.how != "returned":
        raise Stopped(_why(ended))
    outcome: Outcome = decode(Outcome, ended.value)
    if any(
        move.failure and move.failure.kind == "MemoryError"
        for each in outcome.moves.values()
        for move in each
    ):
        raise Stopped(_TOO_MUCH)
    return outcome


_TOO_MUCH = f"It needed more than {_LIMITS.memory // 2**30} GB of memory, and was stopped."


def _why(ended: Ended) -> str:
    match ended.how:
        case "too long":
            return f"It ran for more than {_LIMITS.seconds:g} seconds, and was stopped. Does a loop in it never end?"
        case "too much memory":
            return _TOO_MUCH
        case "died":
            return f"It did not come to an end by itself: {ended.error}."
        case _:
            return f"It could not be run: {ended.error}."


def _key(ground: Ground, exercise: Exercise) -> str:
    """Changes with all that the solution's outcome depends on."""
    start = "base" if exercise.start == "bare" else exercise.start
    parts = [
        exercise.path.read_text(encoding="utf-8"),
        project.content_key(start),
        _engine(),
        sqlite3.sqlite_version,
        ground.server.version if ground.server else "",
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _engine() -> str:
    """The code by which outcomes are made."""
    package = Path(migration_cookbook.__file__).parent
    sources = [
        path for room in ("practice", "schema", "sandbox") for path in sorted((package / room).glob("*.py"))
    ]
    versions = f"{metadata.version('alembic')} {metadata.version('sqlalchemy')}"
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest() + versions
