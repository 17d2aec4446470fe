"""Trials of an answer, in the worker and in a project made for the trial."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.practice import attempt
from migration_cookbook.practice.attempt import LOOK, TrialResult
from migration_cookbook.practice.encoding import decode
from migration_cookbook.practice.step import Step
from migration_cookbook.sandbox import files
from migration_cookbook.worker import JobResult, Limits, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.trial_projects import TrialProject

LIMITS = Limits()

#: With what every project imports, so that no trial has to.
_worker = Worker(attempt.__name__, "logging.config", "sqlalchemy.orm", "sqlalchemy.dialects.sqlite")
_UP = Step("console", "upgrade heads")


class Stopped(Exception):
    """The answer ran into a limit or ended its own process; the message is for the learner."""


def warm_up() -> None:
    """Start the worker in the background."""
    _worker.start()


def cool_down() -> None:
    """End the worker; the next trial starts another."""
    _worker.close()


def perform(exercise: Exercise, project: TrialProject, steps: Sequence[Step]) -> TrialResult:
    """Perform the steps in the worker."""
    job = attempt.job(project.folder, project.databases, steps, exercise.id)
    ended = _worker.run(f"{attempt.__name__}:{attempt.run.__name__}", job, LIMITS)
    if ended.how != "returned":
        raise Stopped(_reason(ended))
    result: TrialResult = decode(TrialResult, ended.value)
    failures = [each.failure for executions in result.executions.values() for each in executions]
    if any(failure and failure.kind == "MemoryError" for failure in failures):
        raise Stopped(_memory_message())
    return result


def upgrade(exercise: Exercise, project: TrialProject, before: Sequence[Step] = ()) -> TrialResult:
    """Upgrade to the heads."""
    return perform(exercise, project, [*before, *_upgrade_steps(exercise)])


def downgrade_and_upgrade(exercise: Exercise, project: TrialProject) -> TrialResult:
    """Downgrade, and upgrade again."""
    return perform(exercise, project, _downgrade_steps(exercise))


def upgrade_downgrade_upgrade(
    exercise: Exercise, project: TrialProject, before: Sequence[Step] = ()
) -> TrialResult:
    """Do all of it at once, which is faster than in two calls: for what is known to be right."""
    return perform(exercise, project, [*before, *_upgrade_steps(exercise), *_downgrade_steps(exercise)])


def copy_project(project_folder: Path, folder: Path) -> None:
    """Copy the files of a project, without databases and Python's caches."""
    for path in files.project_files(project_folder):
        target = folder / path.relative_to(project_folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def file_steps(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that need no database."""
    return [step for step in steps if not step.needs_database]


def _upgrade_steps(exercise: Exercise) -> list[Step]:
    return [replace(_UP, watched=exercise.locks), LOOK]


def _downgrade_steps(exercise: Exercise) -> list[Step]:
    back = "base" if exercise.downgrade_target == "bare" else exercise.downgrade_target
    return [Step("console", f"downgrade {back}", watched=exercise.locks), LOOK, _UP, LOOK]


def _reason(ended: JobResult) -> str:
    match ended.how:
        case "too long":
            return f"It ran for more than {LIMITS.seconds:g} seconds, and was stopped. Does a loop in it never end?"
        case "too much memory":
            return _memory_message()
        case "died":
            return f"It did not come to an end by itself: {ended.error}."
        case _:
            return f"It could not be run: {ended.error}."


def _memory_message() -> str:
    return f"It needed more than {LIMITS.memory // 2**20} MB of memory, and was stopped."
