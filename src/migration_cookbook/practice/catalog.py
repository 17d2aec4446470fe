"""The exercises of the book."""

from __future__ import annotations

import difflib
from functools import cache
from typing import TYPE_CHECKING

from migration_cookbook.practice.reader import read_exercise
from migration_cookbook.workspace import CookbookError, checkout

if TYPE_CHECKING:
    from migration_cookbook.practice.exercise import Exercise


@cache
def exercises() -> dict[str, Exercise]:
    """Return all exercises of the book by id, in the order of their pages."""
    folder = checkout()
    if folder is None:
        raise CookbookError(
            "The exercises are part of the cookbook's checkout. Clone the cookbook, and run this there."
        )
    by_id: dict[str, Exercise] = {}
    for path in sorted((folder / "chapters" / "exercises").glob("*.md")):
        one = read_exercise(path)
        if one.id in by_id:
            raise CookbookError(f"{one.place}:1: the id {one.id} is {by_id[one.id].place}'s already.")
        by_id[one.id] = one
    return by_id


def exercise(name: str) -> Exercise:
    """Return the exercise with this id, in uppercase or lowercase."""
    known = exercises()
    lowercase = name.strip().lower()
    if lowercase in known:
        return known[lowercase]
    near = difflib.get_close_matches(lowercase, known, n=1, cutoff=0.5)
    help_ = f"Did you mean {near[0]}?" if near else "`%progress` lists those that there are."
    raise CookbookError(f"There is no exercise {name.strip()}. {help_}")
