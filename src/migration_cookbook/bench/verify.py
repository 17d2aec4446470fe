"""The speed of `cookbook verify`, and its mutation score, with the snippets of its own tests."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.bench import peers
from migration_cookbook.bench.figures import Figure, print_figures
from migration_cookbook.bench.planted.mutation_score import FORMS, mutable, mutants_of, score
from migration_cookbook.bench.workspace import temporary_workspace
from migration_cookbook.databases import server
from migration_cookbook.verify.process.checking import Settings, opened
from migration_cookbook.verify.process.trust import trusted
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.trial.trial import ends_transactions
from migration_cookbook.verify.values.verdict import Verdict
from migration_cookbook.workspace import CookbookError, checkout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.bench.planted.mutation_score import ScoredMutant
    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.workspace import Workspace

#: Snippets a second, on both databases together.
_QUICK = 100
_LOCKS_S = 0.2
_DETECTED = 0.85
_SEED = 1
#: The fastest of so many counts.
_RUNS = 5
#: Snippets that the alembic command is tried with, and those that are contained.
_FEW, _SOME = 4, 30


def run() -> int:
    """Measure and print the figures; 0 if all are good."""
    return print_figures(measure())


def measure() -> Iterator[Figure]:
    """Yield each figure as soon as it's known."""
    with temporary_workspace() as workspace:
        checked, _ = _timed(corpus(), Settings(workspace), runs=1)
        checked = mutable(checked)
        yield from _speed(checked, workspace)
        yield from _locks(checked, workspace)
        yield from _containment(checked[:_SOME], workspace)
        yield from score_figures(list(score(mutants_of(checked, _SEED), workspace)))
    yield Figure(
        f"Other work on this computer meanwhile: load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores."
    )


def corpus() -> list[Snippet]:
    """Return the Python and SQL of the pages that the checker is tested with."""
    if (book := checkout()) is None:
        raise CookbookError("The snippets to measure with are in the checkout of the cookbook; work in one.")
    pages = sorted((book / "tests" / "verify" / "corpus").glob("*.md"))
    return [one for page in pages for one in trusted(read(page)) if one.form in FORMS]


def _timed(snippets: Sequence[Snippet], settings: Settings, runs: int = _RUNS) -> tuple[list[Checked], float]:
    """Return what came of them, and the seconds that it took with warm workers."""
    with opened(snippets, settings) as checker:
        # The workers have all imported when they have answered once.
        list(checker.check(snippets[:8]))
        found, seconds = [], []
        for _ in range(runs):
            start = time.perf_counter()
            found = list(checker.check(snippets))
            seconds.append(time.perf_counter() - start)
    return found, min(seconds)


def _speed(checked: Sequence[Checked], workspace: Workspace) -> Iterator[Figure]:
    snippets, count = [one.snippet for one in checked], len(checked)
    _, seconds = _timed(snippets, Settings(workspace))
    rate = count / seconds
    yield Figure(
        f"{count} snippets on both databases, their worlds inferred, up, down and up: {rate:.0f} a second",
        f"≥ {_QUICK}",
        rate >= _QUICK,
    )
    with server.attach(workspace).temporary_database() as database:
        # What a transaction holds can be rolled back.
        fit = [one for one in checked if not ends_transactions(one.snippet.text)]
        peers.plain_loop(fit[:8], database.url)
        seconds = peers.plain_loop(fit, database.url)
        yield Figure(
            f"A plain loop over {len(fit)} of them, their worlds given: {len(fit) / seconds:.0f} a second"
        )
        seconds = peers.with_sybil(fit, database.url)
        yield Figure(
            f"The same loop as pytest with Sybil has it, its start with it: {len(fit) / seconds:.0f} a second"
        )
        few = [one for one in fit if peers.fit_for_subprocess(one)][:_FEW]
        seconds = peers.subprocesses(few, database.url)
        yield Figure(
            f"The alembic command, their worlds given: {len(few) / seconds:.2f} a second "
            f"(from {len(few)} of them: all would take about {count * seconds / len(few):.0f} s)"
        )


def _locks(checked: Sequence[Checked], workspace: Workspace) -> Iterator[Figure]:
    snippets = [one.snippet for one in checked]
    _, seconds = _timed(snippets, Settings(workspace, locks=True), runs=1)
    each = seconds / len(snippets)
    yield Figure(
        f"With --locks: {each * 1000:.0f} ms a snippet", f"≤ {_LOCKS_S * 1000:.0f} ms", each <= _LOCKS_S
    )


def _containment(checked: Sequence[Checked], workspace: Workspace) -> Iterator[Figure]:
    """Measure the same snippets as untrusted ones: those of a page that's in no checkout."""
    mine = [one.snippet for one in checked]
    strange = [replace(one, trusted=False) for one in mine]
    _, trusted = _timed(mine, Settings(workspace), runs=1)
    found, contained = _timed(strange, Settings(workspace), runs=1)
    refused = next(
        (f.message for one in found for f in one.findings.values() if f.verdict is Verdict.NOT_RUN), ""
    )
    if refused:
        yield Figure(f"Contained: not measured here ({refused})")
        return
    yield Figure(
        f"{len(mine)} of them contained: {contained / len(mine) * 1000:.0f} ms a snippet, "
        f"trusted {trusted / len(mine) * 1000:.0f} ms"
    )


def score_figures(mutants: Sequence[ScoredMutant]) -> Iterator[Figure]:
    """Yield how many mutants were detected, by the type of their mistake, and which survived."""
    for world, detected in (
        ("in the original's world", [each for each in mutants if each.detected_given]),
        ("in a world inferred from it", [each for each in mutants if each.detected_inferred]),
    ):
        share = len(detected) / max(1, len(mutants))
        yield Figure(
            f"Of {len(mutants)} mutants that matter, {world}: {share:.1%} detected",
            f"≥ {_DETECTED:.0%}",
            share >= _DETECTED,
        )
        counts, all_counts = (Counter(each.mutant.mistake for each in some) for some in (detected, mutants))
        for mistake, count in all_counts.items():
            yield Figure(f"  {mistake}: {counts[mistake]} of {count}")
        survivors = [str(each) for each in mutants if each not in detected]
        yield Figure(f"  survived: {'; '.join(survivors) or 'none'}")
