"""Exercises in a notebook: what a learner sees, and that no answer of theirs breaks the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook import practice
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice import trials
from migration_cookbook.worker import Limits

if TYPE_CHECKING:
    from notebook_desk import Desk

SUBTITLE = """%%revision 0004 "add subtitle to books"
def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
"""
ADD = 'op.add_column("books", sa.Column("subtitle", sa.String(200), nullable=False, server_default=""))'
DROP = 'op.drop_column("books", "subtitle")'


@pytest.fixture(autouse=True)
def nothing_passed(desk: Desk) -> None:
    """Progress belongs to the workspace, which the tests share."""
    (desk.workspace.root / "practice" / "progress.json").unlink(missing_ok=True)


@pytest.fixture
def subtitle(desk: Desk) -> Desk:
    """A notebook at the exercise with the subtitle."""
    desk.run("%practice e07-1")
    return desk


def test_practice_shows_the_prompt_and_opens_the_exercises_own_sandbox(desk: Desk) -> None:
    desk.run("%sandbox page --at 0001")
    said = desk.run("%practice e07-1")
    assert said.lines[0] == "Exercise e07-1: A subtitle for every book (4 minutes)"
    assert "NULL is never allowed" in said.text
    assert "<code>subtitle</code>" in said.html
    assert desk.sandbox.name == "e07-1"
    assert [desk.sandbox.place(dialect) for dialect in Dialect] == [("0003",)] * 2
    desk.run("%sandbox page --at 0001")
    assert desk.sandbox.name == "page"


def test_not_yet_then_wrong_then_passed_for_good(subtitle: Desk) -> None:
    assert subtitle.run("%check e07-1").text.startswith("Not yet.")
    subtitle.run(SUBTITLE.format(up=ADD, down="pass"))
    assert "After the downgrade books.subtitle is still there" in subtitle.run("%check e07-1").text
    subtitle.run(SUBTITLE.format(up=ADD, down=DROP))
    assert subtitle.run("%check e07-1").text.startswith("✓ Passed.")
    subtitle.run("%practice e07-1")
    again = subtitle.run("%check e07-1").text
    assert again.startswith("Not yet.")
    assert "You passed e07-1 before, and that stays." in again
    assert f"1 of {len(practice.exercises())} passed" in subtitle.run("%progress").text


def test_what_alembic_writes_by_itself_passes_too(desk: Desk) -> None:
    desk.run(
        "%practice c00-1",
        '%%file bookshop/models.py --after "email: Mapped"\n'
        "    phone: Mapped[str | None] = mapped_column(sa.String(20))\n",
        '%alembic revision --autogenerate --rev-id 0002 -m "add phone" --on sqlite',
    )
    assert desk.run("%check c00-1").text.startswith("✓ Passed.")


def test_a_check_disturbs_neither_files_nor_databases(subtitle: Desk) -> None:
    subtitle.run(SUBTITLE.format(up=ADD, down=DROP))
    before = {path: path.read_bytes() for path in subtitle.folder.rglob("*.py")}
    assert subtitle.run("%check e07-1").text.startswith("✓ Passed.")
    assert {path: path.read_bytes() for path in subtitle.folder.rglob("*.py")} == before
    assert [subtitle.sandbox.place(dialect) for dialect in Dialect] == [("0003",)] * 2


@pytest.mark.parametrize(
    "upgrade",
    (
        'raise RuntimeError("no")',
        "import os; os._exit(3)",
        "raise SystemExit",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "held = bytearray(5 * 2**30)",
        "undefined_name",
    ),
    ids=("raises", "exits", "quits", "crashes", "takes all memory", "misspelled"),
)
def test_whatever_the_answer_does_the_check_is_a_message(subtitle: Desk, upgrade: str) -> None:
    subtitle.run(SUBTITLE.format(up=upgrade, down=DROP))
    said = subtitle.run("%check e07-1")
    assert said.text.startswith("Not yet.")
    assert "did not expect" not in said.text
    assert subtitle.run("%alembic current").error is None


def test_an_endless_loop_is_ended(subtitle: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "LIMITS", Limits(seconds=3))
    subtitle.run(SUBTITLE.format(up="while True: pass", down=DROP))
    assert "Does a loop in it never end?" in subtitle.run("%check e07-1").text


@pytest.mark.parametrize(
    "gone", ("alembic.ini", "migrations/env.py", "migrations/script.py.mako", "migrations/versions")
)
def test_a_deleted_file_is_a_message(subtitle: Desk, gone: str) -> None:
    subtitle.run(SUBTITLE.format(up=ADD, down=DROP))
    path = subtitle.folder / gone
    path.rename(subtitle.folder.parent / "gone") if path.is_dir() else path.unlink()
    try:
        said = subtitle.run("%check e07-1")
    finally:
        if (subtitle.folder.parent / "gone").exists():
            (subtitle.folder.parent / "gone").rename(path)
    assert "did not expect" not in said.text
    # Alembic needs the template for new revisions only.
    assert said.text.startswith("✓ Passed." if gone.endswith(".mako") else "Not yet.")


@pytest.mark.parametrize(
    ("cell", "expected"),
    (
        ("%check", "%check needs the id of an exercise"),
        ("%check e07-11", "There is no exercise e07-11. Did you mean e07-1?"),
        ("%check xyz", "There is no exercise xyz. %progress lists those that there are."),
        ("%check c00-1", "This notebook is not at exercise c00-1. Run %practice c00-1 to begin it"),
    ),
)
def test_a_check_of_nothing_is_a_message_too(subtitle: Desk, cell: str, expected: str) -> None:
    assert subtitle.run(cell).text.startswith(f"Not checked. {expected}")


def test_a_check_before_any_sandbox_is_a_message(desk: Desk) -> None:
    assert "Run %practice e07-1 to begin it" in desk.run("%check e07-1").text


def test_a_check_after_the_folder_is_gone_is_a_message(subtitle: Desk) -> None:
    folder = subtitle.folder
    folder.rename(folder.with_name("moved"))
    try:
        assert "folder is gone" in subtitle.run("%check e07-1").text
    finally:
        folder.with_name("moved").rename(folder)


def test_a_prediction_needs_an_answer_and_gets_one(desk: Desk) -> None:
    desk.run("%practice e07-3")
    assert desk.run("%check e07-3").text.startswith("Not yet.")
    assert desk.run("%check e07-3 postgres").text.startswith("Not yet.")
    assert desk.run("%check e07-3 SQLite").text.startswith("✓ Passed.")


def test_hints_come_one_by_one(desk: Desk) -> None:
    hints = practice.exercises()["e07-1"].hints
    first = desk.run("%hint e07-1").text
    assert first.startswith("Hint 1.")
    second = desk.run("%hint e07-1").text
    assert "Hint 1." in second
    assert f"Hint {len(hints)}, the last one." in second
    assert desk.run("%hint e07-1").text == second


def test_a_solution_is_shown_when_asked_for_twice(desk: Desk) -> None:
    assert "server_default" not in desk.run("%solution e07-1").text
    assert 'server_default=""' in desk.run("%solution e07-1").text


def test_a_solution_is_shown_after_passing(subtitle: Desk) -> None:
    subtitle.run(SUBTITLE.format(up=ADD, down=DROP), "%check e07-1")
    assert ADD in subtitle.run("%solution e07-1").text


def test_every_text_of_every_exercise_can_be_shown(desk: Desk) -> None:
    for exercise in practice.exercises().values():
        desk.run(f"%practice {exercise.id}", f"%solution {exercise.id}", f"%solution {exercise.id}")
        desk.run(*(f"%hint {exercise.id}" for _ in exercise.hints))


@pytest.mark.parametrize("magic", ("practice", "hint", "solution"))
def test_a_mistyped_exercise_is_one_line(desk: Desk, magic: str) -> None:
    assert desk.refused(f"%{magic} e07").startswith("There is no exercise e07.")
    assert desk.refused(f"%{magic}").startswith(f"%{magic} needs the id of an exercise")
    assert "nothing else" in desk.refused(f"%{magic} e07-1 now")


def test_progress_names_each_page(desk: Desk) -> None:
    said = desk.run("%progress")
    for exercise in practice.exercises().values():
        assert exercise.notebook in said.text
        assert exercise.id in said.text
    assert said.lines[-1] == f"{'░' * 40} 0 of {len(practice.exercises())} passed"
