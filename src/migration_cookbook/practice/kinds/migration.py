"""What `revision` and `repair` have in common: the answer is the project's files.

They are tried up, down and up again on fresh databases, and compared with the solution.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice import faults, solutions, trial_projects, trials
from migration_cookbook.practice.attempt import SNAPSHOT
from migration_cookbook.practice.exercise import Kind
from migration_cookbook.practice.grade import Grade, correct
from migration_cookbook.sandbox import files
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.practice.attempt import TrialResult
    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.step import Step
    from migration_cookbook.practice.trial_projects import TrialProject
    from migration_cookbook.practice.trial_resources import TrialResources
    from migration_cookbook.sandbox.sandbox import Sandbox

#: The database states of a trial: after the upgrade, after the downgrade, after the second upgrade.
_AFTER_DOWNGRADE = 1


class Migration(Kind):
    """An exercise that is answered with migration files."""

    may_watch_locks = True

    @abstractmethod
    def grade_untouched(
        self, exercise: Exercise, files: Mapping[str, str], given: Mapping[str, str]
    ) -> Grade | None:
        """Return a grade if the learner did nothing yet; both mappings have the files' hashes."""

    def perform(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step]
    ) -> tuple[TrialResult, ...]:
        """Upgrade, downgrade and upgrade again, with the files that the steps make."""
        with trial_projects.trial_project(resources, exercise) as project:
            before, done = _prepare(resources, exercise, project, steps)
            result = trials.upgrade_downgrade_upgrade(exercise, project, before)
            return (replace(result, files=done.files) if done else result,)

    def check(
        self, resources: TrialResources, exercise: Exercise, sandbox: Sandbox, answer: str | None
    ) -> Grade:
        """Grade the files of the learner's project."""
        if not sandbox.folder.is_dir():
            raise CookbookError(f"The sandbox's folder is gone. Run `%practice {exercise.id}` again.")
        given = solutions.expected_results(resources, exercise)[0].files[0]
        if untouched := self.grade_untouched(exercise, files.snapshot(sandbox.folder), given):
            return untouched
        with trial_projects.trial_project(resources, exercise) as project:
            trials.copy_project(sandbox.folder, project.folder)
            return _grade(resources, exercise, project)

    def check_written(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step], answer: str
    ) -> Grade:
        """Grade the files that the steps make."""
        with trial_projects.trial_project(resources, exercise) as project:
            before, _ = _prepare(resources, exercise, project, steps)
            return _grade(resources, exercise, project, before)

    def check_solution(self, exercise: Exercise, results: tuple[TrialResult, ...]) -> Grade:
        """Grade the solution against itself, and compare its two upgrades."""
        (result,) = results
        grade = _grade_trial(exercise, result, result)
        return faults.grade_repetition(result) or grade if grade.passed else grade


def _prepare(
    resources: TrialResources, exercise: Exercise, project: TrialProject, steps: Sequence[Step]
) -> tuple[tuple[Step, ...], TrialResult | None]:
    """Write an answer given as steps into a project.

    Return what remains to be done there before the trial, and the result of what was done in
    another project, where the steps change databases: a trial begins with those of the start.
    """
    trial_projects.write_start(project.folder, exercise)
    before = (*trials.file_steps(exercise.given), SNAPSHOT, *steps)
    if not any(step.needs_database for step in steps):
        return before, None
    with trial_projects.trial_project(resources, exercise) as another:
        trials.copy_project(project.folder, another.folder)
        done = trials.perform(exercise, another, before)
        trials.copy_project(another.folder, project.folder)
    return (), done


def _grade(
    resources: TrialResources, exercise: Exercise, project: TrialProject, before: Sequence[Step] = ()
) -> Grade:
    """Grade the upgrade first: what goes wrong there need not be downgraded."""
    expected = solutions.expected_results(resources, exercise)[0]
    actual = trials.upgrade(exercise, project, before)
    grade = _grade_trial(exercise, expected, actual)
    if not grade.passed:
        return grade
    return _grade_trial(
        exercise, expected, actual.followed_by(trials.downgrade_and_upgrade(exercise, project))
    )


def _grade_trial(exercise: Exercise, expected: TrialResult, actual: TrialResult) -> Grade:
    """Compare up, down and up again, as far as it was tried, with the solution."""
    if early := faults.grade_files(actual):
        return early
    names = faults.relevant_names(exercise, expected, _AFTER_DOWNGRADE)
    fault = faults.find_fault(expected, actual, names)
    if fault is None:
        return _grade_count(exercise, expected, actual) or _grade_locks(expected, actual) or correct()
    where = fault.where or faults.everywhere(actual)
    if fault.phase.when and not fault.refused:
        place = f", {fault.where}" if fault.where else ""
        sentence = f"{faults.capitalize(fault.phase.when)}{place} {fault.text}"
    else:
        sentence = f"{faults.capitalize(where)} {fault.text}"
    return Grade(False, f"{fault.phase.before}{sentence}.", fault.details)


def _grade_count(exercise: Exercise, expected: TrialResult, actual: TrialResult) -> Grade | None:
    """Return a grade for too many or too few revisions; one that does nothing doesn't count."""
    if exercise.revisions is None:
        return None
    actual_count, expected_count = (
        sum(not each.does_nothing for each in result.revisions) for result in (actual, expected)
    )
    if actual_count == expected_count:
        return None
    new = actual_count - expected_count + exercise.revisions
    revisions = "revision" if new == 1 else "revisions"
    return Grade(
        False, f"It does what it should, in {new} new {revisions}; it should be {exercise.revisions}."
    )


def _grade_locks(expected: TrialResult, actual: TrialResult) -> Grade | None:
    """Return a grade if statements must wait for it that wouldn't wait for the solution."""
    pairs = zip(
        expected.executions.get(Dialect.POSTGRES, ()),
        actual.executions.get(Dialect.POSTGRES, ()),
        strict=False,
    )
    for phase, (right, execution) in zip(faults.PHASES, pairs, strict=False):
        bearable = {lock.relation: set(lock.waiting) for lock in right.locks}
        for lock in execution.locks:
            if extra := [word for word in lock.waiting if word not in bearable.get(lock.relation, set())]:
                words = f"{', '.join(extra[:-1])} and {extra[-1]}" if len(extra) > 1 else extra[0]
                waits = "wait" if len(extra) > 1 else "waits"
                return Grade(
                    False,
                    f"It does what it should, but on PostgreSQL {words} on `{lock.relation}` {waits} for {phase.name}; "
                    "it can do without that.",
                )
    return None
