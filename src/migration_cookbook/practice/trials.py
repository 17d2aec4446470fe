"""How is an answer tried out? In the worker, in a world of its own, step by step."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.practice import attempt
from migration_cookbook.practice.attempt import LOOK, Outcome
from migration_cookbook.practice.encoding import decode
from migration_cookbook.practice.exercise import Step
from migration_cookbook.sandbox import files
from migration_cookbook.worker import JobResult, Limits, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.worlds import World

LIMITS = Limits()

#: With what every project imports, so that no trial has to.
_worker = Worker(attempt.__name__, "logging.config", "sqlalchemy.orm", "sqlalchemy.dialects.sqlite")
_UP = Step("console", "upgrade heads")


class Stopped(Exception):
    """The answer ran into a limit or ended its own process; the message is for the learner."""


def warm_up() -> None:
    """Start the worker meanwhile."""
    _worker.start()


def cool_down() -> None:
    """End the worker; the next trial starts another."""
    _worker.close()


def perform(exercise: Exercise, world: World, steps: Sequence[Step]) -> Outcome:
    """Do the steps in the worker."""
    job = attempt.job(world.folder, world.databases, steps, exercise.id)
    ended = _worker.run(f"{attempt.__name__}:{attempt.run.__name__}", job, LIMITS)
    if ended.how != "returned":
        raise Stopped(_why(ended))
    outcome: Outcome = decode(Outcome, ended.value)
    failures = [move.failure for moves in outcome.moves.values() for move in moves]
    if any(failure and failure.kind == "MemoryError" for failure in failures):
        raise Stopped(_too_much())
    return outcome


def up(exercise: Exercise, world: World, before: Sequence[Step] = ()) -> Outcome:
    """The way up."""
    return perform(exercise, world, [*before, *_way_up(exercise)])


def down_and_up(exercise: Exercise, world: World) -> Outcome:
    """The way back, and up again."""
    return perform(exercise, world, _way_back(exercise))


def up_down_and_up(exercise: Exercise, world: World, before: Sequence[Step] = ()) -> Outcome:
    """All of it at once, which takes less than one after the other: for what is known to be right."""
    return perform(exercise, world, [*before, *_way_up(exercise), *_way_back(exercise)])


def copy(project_folder: Path, folder: Path) -> None:
    """The files of a project, without databases and what Python leaves behind."""
    for path in files.project_files(project_folder):
        target = folder / path.relative_to(project_folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def without_database(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if not step.needs_database]


def _way_up(exercise: Exercise) -> list[Step]:
    return [replace(_UP, watched=exercise.locks), LOOK]


def _way_back(exercise: Exercise) -> list[Step]:
    back = "base" if exercise.floor == "bare" else exercise.floor
    return [Step("console", f"downgrade {back}", watched=exercise.locks), LOOK, _UP, LOOK]


def _why(ended: JobResult) -> str:
    match ended.how:
        case "too long":
            return f"It ran for more than {LIMITS.seconds:g} seconds, and was stopped. Does a loop in it never end?"
        case "too much memory":
            return _too_much()
        case "died":
            return f"It did not come to an end by itself: {ended.error}."
        case _:
            return f"It could not be run: {ended.error}."


def _too_much() -> str:
    return f"It needed more than {LIMITS.memory // 2**20} MB of memory, and was stopped."
