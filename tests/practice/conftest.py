"""One workspace with both databases for all these tests, and answers in a few words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import practice
from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment
from migration_cookbook.practice import trials
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from migration_cookbook.practice import Exercise, Grade
    from migration_cookbook.workspace import Workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_SERVER_VARIABLE, raising=False)
        clean_environment()
        opened = open_workspace(tmp_path_factory.mktemp("practice") / "workspace")
        server.attach(opened)
        yield opened
        trials.cool_down()
        server.remove(opened)


@pytest.fixture
def subtitle() -> Exercise:
    return practice.exercise("e07-1")


@pytest.fixture
def written(workspace: Workspace) -> Callable[[Exercise, str], Grade]:
    """Grades code as the next revision of an exercise."""

    def check(exercise: Exercise, code: str) -> Grade:
        steps = (*exercise.given, *exercise.solution_steps)
        known = next(step for step in steps if step.does == "revision")
        return practice.check_steps(workspace, exercise, [replace(known, text=code)])

    return check
