"""The mutants of a good snippet: each is the snippet with one small mistake in it."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.bench.planted import python_mistakes, sql_mistakes
from migration_cookbook.bench.planted.mistakes import MistakeType

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class SnippetMutant:
    """A snippet that was good, with one mistake in it."""

    mistake: MistakeType
    text: str


def mutants(text: str, seed: int) -> Iterator[SnippetMutant]:
    """Yield at most one mutant of each type, the same ones for the same seed."""
    found = sorted({each for each in _mistakes(text) if each[1].strip() != text.strip()})
    chance = random.Random(f"{seed} {text}")
    for mistake in MistakeType:
        if texts := [other for one, other in found if one is mistake]:
            yield SnippetMutant(mistake, chance.choice(texts))


def _mistakes(text: str) -> Iterator[tuple[MistakeType, str]]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return sql_mistakes.mistakes(text)
    return python_mistakes.mistakes(tree)
