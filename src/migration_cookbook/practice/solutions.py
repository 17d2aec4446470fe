"""What does an exercise's own solution come to? Run once, remembered until something changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import sqlite3
from dataclasses import replace
from functools import cache, lru_cache
from importlib import metadata
from typing import TYPE_CHECKING

from migration_cookbook import package
from migration_cookbook.practice import trials, worlds
from migration_cookbook.practice.attempt import LOOK, SNAPSHOT, Outcome
from migration_cookbook.practice.encoding import decode, encode
from migration_cookbook.practice.exercise import Step
from migration_cookbook.sandbox import files, project
from migration_cookbook.workspace import read_record, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.worlds import TrialResources, World

#: Other people's code whose words and deeds are in an outcome.
_LIBRARIES = ("alembic", "sqlalchemy", "mako", "psycopg")


def wanted(ground: TrialResources, exercise: Exercise) -> tuple[Outcome, ...]:
    """The solution's outcome; of a rescue also what its files make of an empty database."""
    path = ground.workspace.root / "practice" / "solutions" / f"{exercise.id}.json"
    key = _key(ground, exercise)
    with contextlib.suppress(LookupError):
        return _known(path, key)
    outcomes = _run(ground, exercise)
    encoded = encode(outcomes)
    write_atomically(path, json.dumps({"key": key, "digest": _digest(encoded), "outcomes": encoded}))
    return outcomes


@lru_cache(maxsize=4)
def _known(path: Path, key: str) -> tuple[Outcome, ...]:
    """A learner checks the same exercise again and again."""
    known = read_record(path, lambda record: record.get("key") == key)
    # What isn't as it was written is worked out once more: the learner's answers are measured by it.
    if known is None or known.get("digest") != _digest(known.get("outcomes")):
        raise LookupError
    return decode(tuple[Outcome, ...], known["outcomes"])  # type: ignore[no-any-return]


def _digest(encoded: object) -> str:
    return hashlib.sha256(json.dumps(encoded, sort_keys=True).encode()).hexdigest()


def prepare(
    ground: TrialResources, exercise: Exercise, world: World, steps: Sequence[Step]
) -> tuple[tuple[Step, ...], Outcome | None]:
    """Put an answer given as steps into a world.

    What is left to do there before the trial; what was done, in a world of its own, where
    the steps change databases: a trial begins with those of the start.
    """
    worlds.write_start(world.folder, exercise)
    before = (*trials.without_database(exercise.given), SNAPSHOT, *steps)
    if not any(step.needs_database for step in steps):
        return before, None
    with worlds.world(ground, exercise) as another:
        trials.copy(world.folder, another.folder)
        done = trials.perform(exercise, another, before)
        trials.copy(another.folder, world.folder)
    return (), done


def rescue(ground: TrialResources, exercise: Exercise, world: World, steps: Sequence[Step]) -> Outcome:
    """What a rescue given as steps comes to."""
    worlds.write_start(world.folder, exercise)
    return trials.perform(exercise, world, [*exercise.given, SNAPSHOT, LOOK, *steps, SNAPSHOT, LOOK])


def _run(ground: TrialResources, exercise: Exercise) -> tuple[Outcome, ...]:
    with worlds.world(ground, exercise) as world:
        if exercise.kind == "predict":
            asked = [Step("console", "current")] if exercise.question == "current" else []
            worlds.write_start(world.folder, exercise)
            return (trials.perform(exercise, world, [*exercise.given, *asked]),)
        if exercise.kind == "rescue":
            found = rescue(ground, exercise, world, exercise.solution_steps)
            with worlds.world(ground, exercise, empty=True) as empty:
                trials.copy(world.folder, empty.folder)
                return found, trials.up_down_and_up(exercise, empty)
        before, done = prepare(ground, exercise, world, exercise.solution_steps)
        tried = trials.up_down_and_up(exercise, world, before)
        return (replace(tried, files=done.files) if done else tried,)


def _key(ground: TrialResources, exercise: Exercise) -> str:
    """Changes with all that the solution's outcome depends on."""
    start = "base" if exercise.start == "bare" else exercise.start
    parts = [
        exercise.path.read_text(encoding="utf-8"),
        project.content_key(start),
        _engine(),
        *ground.dialects(exercise),
        sqlite3.sqlite_version,
        ground.server.version if ground.server else "",
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _engine() -> str:
    """The code by which outcomes are made: all of the package, because nobody keeps a list of a part complete."""
    versions = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    return " ".join([files.digest(package.FOLDER), platform.python_version(), *versions])
