"""The results of an exercise's own solution, cached until something changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import sqlite3
from functools import cache, lru_cache
from importlib import metadata
from typing import TYPE_CHECKING

from migration_cookbook import package
from migration_cookbook.practice.attempt import TrialResult
from migration_cookbook.practice.encoding import decode, encode
from migration_cookbook.sandbox import files, project
from migration_cookbook.workspace import read_record, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.trial_resources import TrialResources

#: Other people's code that results depend on.
_LIBRARIES = ("alembic", "sqlalchemy", "mako", "psycopg")


def expected_results(resources: TrialResources, exercise: Exercise) -> tuple[TrialResult, ...]:
    """Return the solution's results, as its kind performs it."""
    path = resources.workspace.root / "practice" / "solutions" / f"{exercise.id}.json"
    key = _key(resources, exercise)
    with contextlib.suppress(LookupError):
        return _cached(path, key)
    results = exercise.kind.perform(resources, exercise, exercise.solution_steps)
    encoded = encode(results)
    write_atomically(path, json.dumps({"key": key, "digest": _digest(encoded), "results": encoded}))
    return results


@lru_cache(maxsize=4)
def _cached(path: Path, key: str) -> tuple[TrialResult, ...]:
    """Return what the file has under this key: a learner checks the same exercise again and again."""
    known = read_record(path, lambda record: record.get("key") == key)
    # A damaged file is made again: the learner's answers are compared with it.
    if known is None or known.get("digest") != _digest(known.get("results")):
        raise LookupError
    return decode(tuple[TrialResult, ...], known["results"])  # type: ignore[no-any-return]


def _digest(encoded: object) -> str:
    return hashlib.sha256(json.dumps(encoded, sort_keys=True).encode()).hexdigest()


def _key(resources: TrialResources, exercise: Exercise) -> str:
    """Return a hash of everything that the solution's results depend on."""
    start = "base" if exercise.start == "bare" else exercise.start
    parts = [
        exercise.path.read_text(encoding="utf-8"),
        project.content_key(start),
        _engine(),
        *resources.available(exercise.databases),
        sqlite3.sqlite_version,
        resources.server.version if resources.server else "",
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _engine() -> str:
    """Identify the code that makes results: all of the package, because nobody keeps a list of a part complete."""
    versions = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    return " ".join([files.digest(package.FOLDER), platform.python_version(), *versions])
