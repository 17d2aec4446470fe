"""Hints: one line about what to do after a failure, where the message alone doesn't say it."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from migration_cookbook.sandbox.commandline import Failure

#: Part of a message, and its hint.
_REMEDIES = (
    (
        "Target database is not up to date",
        "A revision is waiting: run %alembic upgrade head, then this again.",
    ),
    ("already exists and is not empty", "Run the %sandbox cell again to begin with an empty folder."),
    (
        "No 'script_location' key found",
        "There is no alembic.ini here yet: %alembic init migrations makes one.",
    ),
)


def for_failure(
    failure: Failure, revisions: Iterable[str] = (), place: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the line to show below a failure, if any; `revisions` have files, `place` has the database's revisions."""
    message = " ".join(failure.message)
    for words, remedy in _REMEDIES:
        if words in message:
            return (f"  {remedy}",)
    if unknown := re.search(r"Can't locate revision identified by '([^']*)'", message):
        return _for_unknown(unknown[1], list(revisions), place)
    if failure.kind == "UndefinedColumn" and failure.sql and _doubly_quoted(message, failure.sql):
        return ("  Text goes in single quotes; double quotes are for the names of tables and columns.",)
    return ()


def _for_unknown(name: str, revisions: list[str], place: Collection[str]) -> tuple[str, ...]:
    if name in place:
        return (f"  The database says that it is at {name}, and no file in versions/ has that revision.",)
    if re.fullmatch(r"\d", name):
        return (f"  `{name}` names a revision. To count steps, write -{name} or +{name}.".replace("`", ""),)
    several = [revision for revision in revisions if revision.startswith(name)]
    if len(several) > 1:
        return (f"  {len(several)} revisions begin with {name}.",)
    near = difflib.get_close_matches(name, [*revisions, "head", "base"], n=1, cutoff=0.6)
    return (f"  Did you mean {near[0]}?",) if near else ()


def _doubly_quoted(message: str, sql: str) -> bool:
    missing = re.search(r'column "([^"]*)" does not exist', message)
    return missing is not None and f'"{missing[1]}"' in sql
