"""The benchmarks of `cookbook bench`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What each one measures, by its name: that of its module in this package, and of its flag. The first
#: one is the default.
BENCHMARKS = {
    "waiting": "measure what a learner waits for; the default",
    "practice": "measure the proof of the exercises, and what it notices",
    "growth": "measure up to 500 sandboxes and 100 notebooks, and draw it",
    "book": "measure the check of the whole book, beside plain nbval",
    "verify": "measure how quick `cookbook verify` is, and what it notices",
}
DEFAULT = next(iter(BENCHMARKS))


class Benchmark(Protocol):
    """A module that measures, prints and judges some figures."""

    def run(self) -> int:
        """Return 0 if all figures are good."""


def benchmark(name: str) -> Benchmark:
    """Load the benchmark of this name."""
    return cast("Benchmark", importlib.import_module(f"{__package__}.{name}"))


def run(names: Iterable[str]) -> int:
    """Run benchmarks one after the other; 0 if all figures are good."""
    return max(benchmark(name).run() for name in names)
