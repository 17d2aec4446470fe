"""The locks that one backend holds, or waits for, at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration_cookbook.databases.connections import Connection

#: From the weakest to the strongest, as pg_locks calls them and as people do.
MODES = {
    "AccessShareLock": "ACCESS SHARE",
    "RowShareLock": "ROW SHARE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}

#: By the name that people use.
STRENGTH = {mode: strength for strength, mode in enumerate(MODES.values())}

#: The oid of a relation, and a mode.
HeldLocks = frozenset[tuple[int, str]]

# The catalog's own relations have small numbers.
_HELD = """
    SELECT relation::bigint, mode FROM pg_locks
    WHERE pid = %s AND locktype = 'relation' AND relation >= 16384
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_IS_WAITING = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"


def held_locks(observer: Connection, backend: int) -> HeldLocks:
    """Return the locks on relations of the observer's database, also those that it still waits for."""
    rows = observer.execute(_HELD.encode(), [backend])
    return frozenset((oid, MODES[mode]) for oid, mode in rows if mode in MODES)


def is_waiting(observer: Connection, backend: int) -> bool:
    """Whether it waits for another session's lock."""
    return observer.execute(_IS_WAITING.encode(), [backend]).fetchone() == (True,)


def by_relation(locks: HeldLocks) -> dict[int, str]:
    """Return the strongest mode on each relation."""
    strongest: dict[int, str] = {}
    for oid, mode in locks:
        strongest[oid] = max(strongest.get(oid, mode), mode, key=STRENGTH.__getitem__)
    return strongest
