"""A figure as a sentence, which is printed as soon as it's known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Figure:
    """One figure, as a sentence."""

    sentence: str
    #: What it should be; empty if it is there for comparison.
    bound: str = ""
    good: bool = True

    def __str__(self) -> str:
        should = f" (should be {self.bound}{'' if self.good else ': missed'})" if self.bound else ""
        return self.sentence + should


def print_figures(figures: Iterable[Figure]) -> int:
    """Print each figure as it comes; 0 if all are good."""
    missed = 0
    for each in figures:
        print(each, flush=True)
        missed += not each.good
    return 1 if missed else 0
