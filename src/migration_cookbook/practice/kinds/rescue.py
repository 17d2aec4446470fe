"""The kind `rescue`: the learner repairs a project together with its databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.practice import attempt, faults, solutions, trial_projects, trials
from migration_cookbook.practice.attempt import LOOK, SNAPSHOT, TrialResult
from migration_cookbook.practice.exercise import Kind
from migration_cookbook.practice.grade import Grade, correct
from migration_cookbook.practice.sentences import differences
from migration_cookbook.sandbox import files
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migration_cookbook.practice.attempt import DatabaseState
    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.step import Step
    from migration_cookbook.practice.trial_projects import TrialProject
    from migration_cookbook.practice.trial_resources import TrialResources
    from migration_cookbook.sandbox.sandbox import Sandbox

#: The database states of a rescue: at its start, and at its end.
_AT_START = 0


class Rescue(Kind):
    """An exercise that gives a project and databases that don't fit together.

    Its results are those of the steps on the given databases, and those of the files on empty ones.
    """

    name = "rescue"
    includes_databases = True

    def perform(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step]
    ) -> tuple[TrialResult, ...]:
        """Do the steps, then upgrade empty databases with the files, downgrade and upgrade them."""
        with trial_projects.trial_project(resources, exercise) as project:
            result = _perform_steps(exercise, project, steps)
            with trial_projects.trial_project(resources, exercise, empty=True) as empty:
                trials.copy_project(project.folder, empty.folder)
                return result, trials.upgrade_downgrade_upgrade(exercise, empty)

    def check(
        self, resources: TrialResources, exercise: Exercise, sandbox: Sandbox, answer: str | None
    ) -> Grade:
        """Grade the learner's databases and files."""
        if not sandbox.folder.is_dir():
            raise CookbookError(f"The sandbox's folder is gone. Run `%practice {exercise.id}` again.")
        states = {
            dialect: (attempt.read_state(listed[0]),)
            for dialect, listed in sandbox.databases.items()
            if dialect in resources.available(exercise.databases)
        }
        expected = solutions.expected_results(resources, exercise)[0]
        untouched = all(state == expected.states[dialect][0] for dialect, (state,) in states.items())
        if untouched and files.snapshot(sandbox.folder) == expected.files[0]:
            return Grade(False, "Files and databases are as you found them.")
        with trial_projects.trial_project(resources, exercise, empty=True) as project:
            trials.copy_project(sandbox.folder, project.folder)
            read = trials.perform(exercise, project, ())
            actual = TrialResult({}, states, (), read.revisions, read.unreadable)
            return _grade(resources, exercise, actual, project)

    def check_written(
        self, resources: TrialResources, exercise: Exercise, steps: Sequence[Step], answer: str
    ) -> Grade:
        """Grade the databases and files that the steps make."""
        with trial_projects.trial_project(resources, exercise) as project:
            actual = _perform_steps(exercise, project, steps)
            return _grade(resources, exercise, actual, project)

    def check_solution(self, exercise: Exercise, results: tuple[TrialResult, ...]) -> Grade:
        """Grade the solution against itself, and compare its two upgrades."""
        expected, expected_from_empty = results
        grade = faults.grade_files(expected) or _grade_databases(exercise, expected, expected)
        if grade.passed:
            grade = _grade_from_empty(exercise, expected, expected_from_empty, expected_from_empty)
        return faults.grade_repetition(expected_from_empty) or grade if grade.passed else grade


def _perform_steps(exercise: Exercise, project: TrialProject, steps: Sequence[Step]) -> TrialResult:
    trial_projects.write_start(project.folder, exercise)
    return trials.perform(exercise, project, [*exercise.given, SNAPSHOT, LOOK, *steps, SNAPSHOT, LOOK])


def _grade(
    resources: TrialResources, exercise: Exercise, actual: TrialResult, project: TrialProject
) -> Grade:
    """Grade the databases as they are, then what the files in `project` make of empty ones."""
    expected, expected_from_empty = solutions.expected_results(resources, exercise)
    grade = faults.grade_files(actual) or _grade_databases(exercise, expected, actual)
    if not grade.passed:
        return grade
    with trial_projects.trial_project(resources, exercise, empty=True) as empty:
        trials.copy_project(project.folder, empty.folder)
        from_empty = trials.upgrade(exercise, empty)
        grade = _grade_from_empty(exercise, expected, expected_from_empty, from_empty)
        if not grade.passed:
            return grade
        from_empty = from_empty.followed_by(trials.downgrade_and_upgrade(exercise, empty))
        return _grade_from_empty(exercise, expected, expected_from_empty, from_empty)


def _grade_databases(exercise: Exercise, expected: TrialResult, actual: TrialResult) -> Grade:
    """Compare the databases as they are in the end."""
    names = faults.relevant_names(exercise, expected, _AT_START)
    sentences = {
        dialect: list(differences(expected.states[dialect][-1], states[-1], names, "should not be there"))
        for dialect, states in actual.states.items()
    }
    versions = {dialect: _version_sentences(actual, states[-1]) for dialect, states in actual.states.items()}
    version_fault = faults.first_fault(versions)
    fault = faults.first_fault(sentences) or version_fault
    if fault is None:
        return correct()
    # Whoever has fixed the file and not run it looks for the mistake in the file.
    details: tuple[str, ...] = ()
    if version_fault and fault is not version_fault:
        details = (_sentence(version_fault, actual).replace("`", ""),)
    return Grade(False, _sentence(fault, actual), details)


def _sentence(fault: faults.Fault, actual: TrialResult) -> str:
    return f"{faults.capitalize(fault.where or faults.everywhere(actual))} {fault.text}."


def _version_sentences(actual: TrialResult, state: DatabaseState) -> list[str]:
    """Say where the version table is, if that isn't the head."""
    if state.place == actual.heads:
        return []
    if unknown := set(state.place) - {each.id for each in actual.revisions}:
        return [f"`alembic_version` names `{', '.join(sorted(unknown))}`, which no file has"]
    at = f"at `{', '.join(state.place)}`" if state.place else "at no revision"
    return [f"the bookkeeping is {at}; the head is `{', '.join(actual.heads)}`"]


def _grade_from_empty(
    exercise: Exercise, expected: TrialResult, expected_from_empty: TrialResult, from_empty: TrialResult
) -> Grade:
    """Compare what the files make of empty databases, as far as it was tried."""
    names = faults.relevant_names(exercise, expected, _AT_START)
    fault = faults.find_fault(expected_from_empty, from_empty, names)
    if fault is None:
        return correct()
    when = "" if fault.refused else fault.phase.when
    words = " ".join(word for word in (when, fault.where, fault.text) if word)
    sentence = f"Your databases are right, but the files are not: tried on empty ones, {words}."
    return Grade(False, sentence, fault.details)
