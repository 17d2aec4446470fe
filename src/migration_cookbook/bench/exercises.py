"""How long does the proof of an exercise take, and would a mistake in its solution be noticed?"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from migration_cookbook import practice
from migration_cookbook.bench.figures import Measured
from migration_cookbook.bench.waiting import temporary_workspace
from migration_cookbook.databases import server
from migration_cookbook.practice import mutants, trials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.practice import Exercise
    from migration_cookbook.practice.mutants import MutationResult
    from migration_cookbook.workspace import Workspace

_PROOF_S = 0.5
_NOTICED = 0.9


def measure(exercises: Sequence[Exercise]) -> Iterator[Measured]:
    """All figures, each as soon as it is known."""
    with temporary_workspace() as workspace:
        server.attach(workspace)
        try:
            yield from _proof(workspace, exercises)
            yield from _mistakes(workspace, exercises)
        finally:
            trials.cool_down()


def _proof(workspace: Workspace, exercises: Sequence[Exercise]) -> Iterator[Measured]:
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
    yield Measured(
        f"The proof of an exercise, median of {len(seconds)}: {median:.2f} s; "
        f"the slowest: {', '.join(f'{one} {seconds[one]:.1f} s' for one in slowest)}",
        f"≤ {_PROOF_S} s",
        median <= _PROOF_S,
    )


def _prove(workspace: Workspace, exercise: Exercise) -> None:
    """It fails untouched, its solution passes, and its wrong answers do not."""
    sandbox, _ = practice.open_exercise(workspace, exercise)
    practice.check(workspace, exercise, sandbox)
    practice.check_solution(workspace, exercise)
    for wrong in exercise.wrongs:
        practice.check_wrong(workspace, exercise, wrong)


def _mistakes(workspace: Workspace, exercises: Sequence[Exercise]) -> Iterator[Measured]:
    results: list[MutationResult] = []
    for exercise in track(exercises, "Planting mistakes", console=Console(stderr=True), transient=True):
        of_exercise = list(mutants.judge(workspace, exercise))
        results += of_exercise
        for each in of_exercise:
            if not each.rejected:
                yield Measured(f"  not noticed in {exercise.id}: {each.mutant.mistake}")
    share = sum(each.rejected for each in results) / len(results)
    yield Measured(
        f"Of {len(results)} mistakes planted in the solutions, {share:.1%} are noticed",
        f"≥ {_NOTICED:.0%}",
        share >= _NOTICED,
    )
