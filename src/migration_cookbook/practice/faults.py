"""Faults of a result: where it first differs from the solution's."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migration_cookbook.practice.grade import Grade
from migration_cookbook.practice.sentences import constraints, differences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.practice.attempt import Execution, TrialResult
    from migration_cookbook.practice.exercise import Exercise


@dataclass(frozen=True)
class Phase:
    """One of the steps of a trial: up, down, up again."""

    name: str
    #: What is known to be right when this one goes wrong.
    before: str
    when: str
    #: What is wrong with a thing that should not be there.
    leftover: str


PHASES = (
    Phase("the upgrade", "", "", "should not be there"),
    Phase("the downgrade", "Going up is right. ", "after the downgrade", "is still there"),
    Phase(
        "the second upgrade",
        "Going up and down is right. ",
        "after the second upgrade",
        "should not be there",
    ),
)


@dataclass(frozen=True)
class Fault:
    """The first thing that goes wrong."""

    text: str
    #: The only databases on which it does; empty where it does on all.
    where: str
    phase: Phase = PHASES[0]
    refused: bool = False
    details: tuple[str, ...] = ()


def grade_files(actual: TrialResult) -> Grade | None:
    """Return a grade if the project's revisions are wrong before anything runs."""
    if actual.unreadable:
        return Grade(False, actual.unreadable)
    if len(actual.heads) > 1:
        *heads, last = (f"`{head}`" for head in sorted(actual.heads))
        return Grade(False, f"The heads are {', '.join(heads)} and {last}; there should be one.")
    return None


def grade_repetition(result: TrialResult) -> Grade | None:
    """Return a grade if the second upgrade differs from the first."""
    if any(states[0] != states[2] for states in result.states.values()):
        return Grade(False, "The second upgrade comes to something else than the first.")
    return None


def relevant_names(exercise: Exercise, expected: TrialResult, start: int) -> frozenset[str]:
    """Return the names that the prompt gives, and those in the state with the index `start`."""
    schemas = [states[start].schema for states in expected.states.values()]
    tables = [table for schema in schemas for table in schema.tables]
    before = {one.name for table in tables for one in constraints(table)}
    before |= {one.name for table in tables for one in table.indexes}
    return frozenset(re.findall(r"\w+", exercise.prompt)) | {name for name in before if name}


def find_fault(expected: TrialResult, actual: TrialResult, names: frozenset[str]) -> Fault | None:
    """Return the first fault of a trial, as far as it was performed."""
    performed = min(len(states) for states in actual.states.values())
    for position, phase in enumerate(PHASES[:performed]):
        executions = {dialect: each[position] for dialect, each in actual.executions.items()}
        if refused := {dialect: each for dialect, each in executions.items() if each.failure}:
            where = "" if len(refused) == len(executions) else _on(*refused)
            return Fault(f"{phase.name} fails", where, phase, True, _failure_lines(refused))
        sentences = {
            dialect: list(
                differences(expected.states[dialect][position], states[position], names, phase.leftover)
            )
            for dialect, states in actual.states.items()
        }
        if fault := first_fault(sentences):
            return replace(fault, phase=phase)
    return None


def first_fault(sentences: Mapping[Dialect, Sequence[str]]) -> Fault | None:
    """Return the first fault that all databases have in common, or else the first of all."""
    first = next((each for each in sentences.values() if each), None)
    if first is None:
        return None
    common = [one for one in first if all(one in other for other in sentences.values())]
    if common:
        return Fault(common[0], "")
    dialect = next(dialect for dialect, each in sentences.items() if each)
    return Fault(sentences[dialect][0], _on(dialect))


def everywhere(actual: TrialResult) -> str:
    """Return the phrase for all databases of a result."""
    return "on both databases" if len(actual.states) > 1 else _on(*actual.states)


def _on(*dialects: Dialect) -> str:
    return f"on {' and '.join(dialect.title for dialect in dialects)}"


def capitalize(text: str) -> str:
    """Return a text that begins with a capital, unchanged otherwise."""
    return f"{text[0].upper()}{text[1:]}"


def _failure_lines(refused: Mapping[Dialect, Execution]) -> tuple[str, ...]:
    lines = []
    for dialect, execution in refused.items():
        assert execution.failure is not None
        lines.append(f"{dialect.title}: {' '.join(execution.failure.headline())}")
        if execution.failure.where:
            lines.append(f"  from {execution.failure.where}")
    return tuple(lines)
