"""Is this answer right? Exercises, their checks, and what has been passed."""

from __future__ import annotations

from migration_cookbook.practice import progress
from migration_cookbook.practice.checking import check, check_solution, check_steps, open_exercise
from migration_cookbook.practice.exercise import Exercise, exercise, exercises, read_exercise
from migration_cookbook.practice.grade import Grade

__all__ = [
    "Exercise",
    "Grade",
    "check",
    "check_solution",
    "check_steps",
    "exercise",
    "exercises",
    "open_exercise",
    "progress",
    "read_exercise",
]
