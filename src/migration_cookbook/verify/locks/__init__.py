"""Which locks did each statement take on PostgreSQL, what did it rewrite, who had to wait?"""

from __future__ import annotations

from migration_cookbook.verify.locks.watch import Step, Watch, strongest, strongest_mode, watching

__all__ = ["Step", "Watch", "strongest", "strongest_mode", "watching"]
