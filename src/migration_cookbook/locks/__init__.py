"""Which locks did each statement take on PostgreSQL, what did it rewrite, who had to wait?"""

from __future__ import annotations

from migration_cookbook.locks.lock import Lock
from migration_cookbook.locks.watch import (
    Step,
    Watch,
    strongest,
    strongest_mode,
    watching,
    watching_all,
)

__all__ = ["Lock", "Step", "Watch", "strongest", "strongest_mode", "watching", "watching_all"]
