"""What is passed stays passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook import practice
from migration_cookbook.practice import mutants, progress
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.workspace import Workspace


def test_once_passed_stays_passed(tmp_path: Path) -> None:
    own = open_workspace(tmp_path / "workspace")
    assert not progress.record_check(own, "a", False).passed("a")
    assert progress.record_check(own, "a", True).passed("a")
    assert progress.record_check(own, "a", False).passed("a")
    progress.record_hint(own, "a")
    progress.record_solution(own, "b")
    known = progress.load(own)
    assert known.of("a") == progress.Record(passed=True, checks=3, hints=1)
    assert (known.asked("b"), known.passed("b"), known.hints("c")) == (1, False, 0)


def test_the_table_is_by_page(tmp_path: Path) -> None:
    own = open_workspace(tmp_path / "workspace")
    known = progress.record_check(own, "c00-2", True)
    rows = {row.notebook: row for row in progress.table(practice.exercises(), known)}
    assert next(iter(rows)) == "00-start-here"
    assert (rows["00-start-here"].passed, rows["00-start-here"].open) == (("c00-2",), ("c00-1",))


def test_mistakes_in_a_solution_are_planted_one_at_a_time() -> None:
    planted = {each.mistake: each.steps[0].text for each in mutants.mutants(practice.exercise("e07-1"))}
    assert "nullable" not in planted["line 2: `nullable=False` left out"]
    assert "sa.String(201)" in planted["line 2: 200 is 201"]
    assert "sa.Text(200)" in planted["line 2: String is Text"]
    assert len(set(planted.values())) == len(planted)


@pytest.mark.long
@pytest.mark.parametrize("half", (0, 1))
def test_of_mistakes_in_solutions_nine_in_ten_are_noticed(half: int, workspace: Workspace) -> None:
    written = [each for each in practice.exercises().values() if each.kind.name != "predict"]
    results = [result for exercise in written[half::2] for result in mutants.judge(workspace, exercise)]
    survivors = [f"{each.mutant.exercise.id}: {each.mutant.mistake}" for each in results if not each.rejected]
    assert len(survivors) <= len(results) / 10, survivors
