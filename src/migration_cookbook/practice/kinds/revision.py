"""The kind `revision`: the learner writes a new revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.practice.grade import Grade
from migration_cookbook.practice.kinds.migration import Migration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.practice.exercise import Exercise


class Revision(Migration):
    """An exercise that asks for a new revision."""

    name = "revision"
    has_given = False

    def grade_untouched(
        self, exercise: Exercise, files: Mapping[str, str], given: Mapping[str, str]
    ) -> Grade | None:
        """Return a grade if there is no new revision."""
        if _revision_files(files) - _revision_files(given):
            return None
        after = f"after `{exercise.start}`" if exercise.start not in ("base", "bare") else "here"
        return Grade(False, f"There is no revision {after}.")


def _revision_files(files: Mapping[str, str]) -> set[str]:
    return {name for name in files if "/versions/" in name and name.endswith(".py")}
