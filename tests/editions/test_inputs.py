"""A build executes the pages whose inputs changed, by content, and no others."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import package, practice
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.build import build, check
from migration_cookbook.editions.command import build_command
from migration_cookbook.editions.inputs import exercise_id
from migration_cookbook.editions.reference import write_reference
from migration_cookbook.sandbox import project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edition_desk import Desk

#: Leaves a line in a file each time it's executed.
COUNTED = "with open('executed', 'a') as file:\n    print('{}', file=file)"


@pytest.fixture
def built(desk: Desk) -> Desk:
    """A book of two pages, built."""
    desk.write("a", COUNTED.format("a"))
    desk.write("b", COUNTED.format("b"), "# %practice c00-1")
    assert build(desk.book, desk.workspace).failures == ()
    assert executed(desk) == ["a", "b"]
    return desk


def executed(desk: Desk) -> list[str]:
    """The pages that were executed since this was asked last."""
    path = desk.book.notebooks / "executed"
    lines = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_what_did_not_change_is_not_executed(built: Desk) -> None:
    for path in built.book.root.rglob("*.md"):
        os.utime(path)
    again = build(built.book, built.workspace)
    assert executed(built) == []
    assert (again.written, again.unchanged, again.skipped) == ((), ("a", "b"), ("a", "b"))


def test_a_changed_page_is_executed_alone(built: Desk) -> None:
    built.write("a", COUNTED.format("a"), "1 + 1")
    again = build(built.book, built.workspace)
    assert executed(built) == ["a"]
    assert (again.written, again.skipped) == (("a",), ("b",))
    assert build(built.book, built.workspace).skipped == ("a", "b")


def add_exercise(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = desk.book.chapters / "exercises" / "c00-1-phone.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed")


def change_engine(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "engine"
    shutil.copytree(package.FOLDER, copy)
    (copy / "worker.py").open("a").write("\n")
    monkeypatch.setattr(package, "FOLDER", copy)


def change_bookshop(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "bookshop"
    shutil.copytree(project.source(), copy)
    (copy / "alembic.ini").open("a").write("\n")
    monkeypatch.setattr(project, "source", lambda: copy)


def change_lock(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    desk.book.lock.write_text("# another\n")
    write_reference(desk.book)


@pytest.mark.parametrize(
    ("change", "pages"),
    [
        (add_exercise, ["b"]),
        (change_engine, ["a", "b"]),
        (change_bookshop, ["a", "b"]),
        (change_lock, ["a", "b"]),
    ],
)
def test_what_a_page_depends_on(
    built: Desk,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: Callable[[Desk, pytest.MonkeyPatch, Path], None],
    pages: list[str],
) -> None:
    change(built, monkeypatch, tmp_path)
    assert build(built.book, built.workspace).failures == ()
    assert executed(built) == pages
    assert build(built.book, built.workspace).skipped == ("a", "b")


def test_a_notebook_that_is_not_what_was_built_is_built_again(built: Desk) -> None:
    recorded = built.book.notebook("a").read_bytes()
    built.book.notebook("a").write_bytes(recorded + b" ")
    built.book.notebook("b").unlink()
    assert build(built.book, built.workspace).written == ("a", "b")
    assert executed(built) == ["a", "b"]
    assert built.book.notebook("a").read_bytes() == recorded


def test_a_page_that_is_named_and_all_pages_are_executed_whatever_the_record_says(built: Desk) -> None:
    assert build(built.book, built.workspace, ["b"]).unchanged == ("b",)
    assert executed(built) == ["b"]
    assert build(built.book, built.workspace, everything=True).skipped == ()
    assert executed(built) == ["a", "b"]


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": ["x"]}', "\0", '{"a": ["\\ud800", "x"]}'])
def test_a_damaged_record_means_that_everything_is_built(built: Desk, text: str) -> None:
    (built.workspace.root / "build" / "built.json").write_text(text)
    assert build(built.book, built.workspace).unchanged == ("a", "b")
    assert executed(built) == ["a", "b"]


def test_a_check_does_not_trust_the_record(built: Desk) -> None:
    path = built.book.notebook("a")
    path.write_bytes(path.read_bytes() + b" ")
    record = built.workspace.root / "build" / "built.json"
    known = json.loads(record.read_text())
    known["a"][1] = known["b"][1] = "forged"
    record.write_text(json.dumps(known))
    assert check(built.book, built.workspace) == ("notebooks/a.ipynb has other metadata than a fresh build.",)
    assert executed(built) == ["a", "b"]


def test_a_failed_build_is_not_remembered(built: Desk) -> None:
    built.write("a", "1 / 0")
    assert len(build(built.book, built.workspace).failures) == 1
    assert len(build(built.book, built.workspace).failures) == 1


def test_what_the_command_says(built: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    built.book.facts.write_text("id,topic,fact,home,seen_sqlite,seen_postgres\n", encoding="utf-8")
    built.write("a", COUNTED.format("a"), "1 + 1")
    assert build_command(built.book, built.workspace) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Notebooks written: 1, unchanged: 1.",
        "Not executed: 1, because nothing that they depend on has changed; "
        "`cookbook build --all` executes them too.",
    ]


def test_an_exercise_is_known_by_its_file() -> None:
    paths = (this_book().chapters / "exercises").glob("*.md")
    assert sorted(map(exercise_id, paths)) == sorted(practice.exercises())
