"""What a command line asks for, read before anything runs."""

from __future__ import annotations

import pytest

from migration_cookbook.sandbox.command import Mistake, parse
from migration_cookbook.workspace import CookbookError


@pytest.mark.parametrize(
    ("line", "needs", "moves"),
    [
        ("upgrade head", True, True),
        ("downgrade -1", True, True),
        ("stamp head", True, True),
        ("upgrade head --sql", True, False),
        ("current", True, False),
        ("check", True, False),
        ("ensure_version", True, False),
        ("history", False, False),
        ("history -i", True, False),
        ("history -r current:", True, False),
        ("heads", False, False),
        ("branches", False, False),
        ("show head", False, False),
        ("show current", True, False),
        ("merge heads -m x", False, False),
        ("revision -m x", False, False),
        ("revision --autogenerate -m x", True, False),
        ("list_templates", False, False),
        ("init migrations", False, False),
    ],
)
def test_whether_a_command_needs_a_database_and_moves_it(line: str, needs: bool, moves: bool) -> None:
    command = parse(line)
    assert (command.needs_database, command.moves) == (needs, moves)


@pytest.mark.parametrize(
    ("line", "relative"),
    [("upgrade +1", True), ("downgrade -2", True), ("upgrade ae10+2", True), ("upgrade head", False)],
)
def test_a_relative_step(line: str, relative: bool) -> None:
    assert parse(line).relative is relative


def test_the_text_is_what_one_types_in_a_terminal() -> None:
    assert parse('revision -m "add isbn"').text == "alembic revision -m 'add isbn'"
    assert parse("alembic upgrade head  # up").text == "alembic upgrade head"
    assert parse("upgrade --help").name == "help"


@pytest.mark.parametrize("line", ["upgrad head", "upgrade", "upgrade head --wrong", "-x"])
def test_what_alembic_would_not_understand_is_a_mistake(line: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["", "edit head", "upgrade 'head"])
def test_what_can_not_be_run_here_is_one_line(line: str) -> None:
    with pytest.raises(CookbookError) as caught:
        parse(line)
    assert "\n" not in str(caught.value)
