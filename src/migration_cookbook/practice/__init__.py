"""Exercises, their checks, and what the learner has passed."""

from __future__ import annotations

from migration_cookbook.practice import progress
from migration_cookbook.practice.catalog import exercise, exercises
from migration_cookbook.practice.checking import (
    check,
    check_solution,
    check_steps,
    check_wrong,
    open_exercise,
)
from migration_cookbook.practice.exercise import Exercise
from migration_cookbook.practice.grade import Grade
from migration_cookbook.practice.reader import read_exercise

__all__ = [
    "Exercise",
    "Grade",
    "check",
    "check_solution",
    "check_steps",
    "check_wrong",
    "exercise",
    "exercises",
    "open_exercise",
    "progress",
    "read_exercise",
]
