"""The kind `repair`: the learner fixes a project's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.practice.grade import Grade
from migration_cookbook.practice.kinds.migration import Migration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.practice.exercise import Exercise


class Repair(Migration):
    """An exercise that gives a project with a mistake in it."""

    name = "repair"

    def grade_untouched(
        self, exercise: Exercise, files: Mapping[str, str], given: Mapping[str, str]
    ) -> Grade | None:
        """Return a grade if no file changed."""
        return Grade(False, "The files are as you got them.") if files == given else None
