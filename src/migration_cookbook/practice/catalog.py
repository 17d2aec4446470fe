"""The exercises of the book."""

from __future__ import annotations

import difflib
from functools import cache
from typing import TYPE_CHECKING

from migration_cookbook.practice.reader import read_exercise
from migration_cookbook.workspace import CookbookError, checkout

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.practice.exercise import Exercise


def _folder() -> Path:
    checked_out = checkout()
    if checked_out is None:
        raise CookbookError(
            "The exercises are part of the cookbook's checkout. Clone the cookbook, and run this there."
        )
    return checked_out / "chapters" / "exercises"


@cache
def exercises() -> dict[str, Exercise]:
    """Return all exercises of the book by id, in the order of their pages."""
    by_id: dict[str, Exercise] = {}
    for path in sorted(_folder().glob("*.md")):
        one = read_exercise(path)
        if one.id in by_id:
            raise CookbookError(f"{one.place}:1: the id {one.id} is {by_id[one.id].place}'s already.")
        by_id[one.id] = one
    return by_id


def exercise(name: str) -> Exercise:
    """Return the exercise with this id, in uppercase or lowercase."""
    lowercase = name.strip().lower()
    if (alone := _alone(lowercase)) is not None:
        return alone
    known = exercises()
    if lowercase in known:
        return known[lowercase]
    near = difflib.get_close_matches(lowercase, known, n=1, cutoff=0.5)
    help_ = f"Did you mean {near[0]}?" if near else "`%progress` lists those that there are."
    raise CookbookError(f"There is no exercise {name.strip()}. {help_}")


@cache
def _alone(id_: str) -> Exercise | None:
    """Read the exercise of this id by itself, where a file says by its name that it's in there.

    A notebook asks for one or two, and reading all of them takes a fifth of a second.
    """
    paths = [path for path in _folder().glob("*.md") if path.stem.startswith(f"{id_}-")]
    if len(paths) != 1:
        return None
    found = read_exercise(paths[0])
    return found if found.id == id_ else None
