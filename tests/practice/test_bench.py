"""What `cookbook bench --practice` says of two exercises."""

from __future__ import annotations

import re

from migration_cookbook import practice
from migration_cookbook.bench.practice import measure


def test_each_figure_is_a_sentence() -> None:
    some = [practice.exercise(name) for name in ("c00-2", "c01-5")]
    proof, *survivors, share = measure(some)
    assert re.match(
        r"The proof of an exercise, median of 2: \d+\.\d\d s; the slowest: c0[01]-\d ", str(proof)
    )
    assert re.match(r"Of \d+ mutants of the solutions, \d+\.\d% are detected \(should be ≥ 90%\)", str(share))
    assert survivors == []
