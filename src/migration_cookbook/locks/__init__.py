"""The locks that each statement takes on PostgreSQL, what it rewrites, and who must wait."""

from __future__ import annotations

from migration_cookbook.locks.lock import Lock
from migration_cookbook.locks.watch import (
    Watch,
    WatchedStatement,
    strongest,
    strongest_mode,
    watch_all_locks,
    watch_locks,
)

__all__ = [
    "Lock",
    "Watch",
    "WatchedStatement",
    "strongest",
    "strongest_mode",
    "watch_all_locks",
    "watch_locks",
]
