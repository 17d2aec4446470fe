"""The speed of the exercises' proofs, and the mutants of their solutions that survive them."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from migration_cookbook import practice
from migration_cookbook.bench.figures import Figure, print_figures
from migration_cookbook.bench.workspace import temporary_workspace
from migration_cookbook.databases import server
from migration_cookbook.practice import mutants, trials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.practice import Exercise
    from migration_cookbook.practice.mutants import MutationResult
    from migration_cookbook.workspace import Workspace

_PROOF_S = 0.5
_DETECTED = 0.9


def run() -> int:
    """Measure all exercises and print the figures; 0 if all are good."""
    return print_figures(measure(list(practice.exercises().values())))


def measure(exercises: Sequence[Exercise]) -> Iterator[Figure]:
    """Yield each figure as soon as it's known."""
    with temporary_workspace() as workspace:
        server.attach(workspace)
        try:
            yield from _proof(workspace, exercises)
            yield from _mutants(workspace, exercises)
        finally:
            trials.cool_down()


def _proof(workspace: Workspace, exercises: Sequence[Exercise]) -> Iterator[Figure]:
    # What is made once for many exercises is no exercise's own.
    for exercise in exercises:
        practice.open_exercise(workspace, exercise)
    seconds = {}
    for exercise in track(exercises, "Proving", console=Console(stderr=True), transient=True):
        start = time.perf_counter()
        _prove(workspace, exercise)
        seconds[exercise.id] = time.perf_counter() - start
    median = statistics.median(seconds.values())
    slowest = sorted(seconds, key=lambda one: -seconds[one])[:3]
    yield Figure(
        f"The proof of an exercise, median of {len(seconds)}: {median:.2f} s; "
        f"the slowest: {', '.join(f'{one} {seconds[one]:.1f} s' for one in slowest)}",
        f"≤ {_PROOF_S} s",
        median <= _PROOF_S,
    )


def _prove(workspace: Workspace, exercise: Exercise) -> None:
    """Check that it fails untouched, that its solution passes, and that its wrong answers don't."""
    sandbox, _ = practice.open_exercise(workspace, exercise)
    practice.check(workspace, exercise, sandbox)
    practice.check_solution(workspace, exercise)
    for wrong in exercise.wrongs:
        practice.check_wrong(workspace, exercise, wrong)


def _mutants(workspace: Workspace, exercises: Sequence[Exercise]) -> Iterator[Figure]:
    results: list[MutationResult] = []
    for exercise in track(exercises, "Trying mutants", console=Console(stderr=True), transient=True):
        of_exercise = list(mutants.judge(workspace, exercise))
        results += of_exercise
        for each in of_exercise:
            if not each.rejected:
                yield Figure(f"  survived in {exercise.id}: {each.mutant.mistake}")
    share = sum(each.rejected for each in results) / len(results)
    yield Figure(
        f"Of {len(results)} mutants of the solutions, {share:.1%} are detected",
        f"≥ {_DETECTED:.0%}",
        share >= _DETECTED,
    )
