"""The kinds of exercise: one class a kind, and the only place where they are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.practice.kinds.predict import Predict
from migration_cookbook.practice.kinds.repair import Repair
from migration_cookbook.practice.kinds.rescue import Rescue
from migration_cookbook.practice.kinds.revision import Revision

if TYPE_CHECKING:
    from migration_cookbook.practice.exercise import Kind

__all__ = ["KINDS"]

KINDS: tuple[Kind, ...] = (Revision(), Repair(), Predict(), Rescue())
