"""A learner's work is never overwritten, whatever the book and the system do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from migration_cookbook.editions import learners
from migration_cookbook.editions.learners import refresh, reset
from migration_cookbook.workspace import CookbookError, Workspace, open_workspace

if TYPE_CHECKING:
    from pathlib import Path

NAME = "examples/07-add-a-column"


class Bench:
    """An edition of the book and a learner's workspace."""

    def __init__(self, folder: Path) -> None:
        self.edition = folder / "notebooks"
        self.workspace: Workspace = open_workspace(folder / "workspace")

    def publish(self, name: str, *sources: str) -> None:
        """The book's notebook, with recorded outputs."""
        cells: list[Any] = [new_markdown_cell("# Title", id="title")]
        for number, source in enumerate(sources, 1):
            output = new_output("stream", text=f"recorded {number}\n")
            cells.append(new_code_cell(source, id=f"c{number}", execution_count=number, outputs=[output]))
        metadata = {"cookbook": {"chapter": name, "reference": {"python": "3.11"}}}
        path = self.edition / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(new_notebook(cells=cells, metadata=metadata)), encoding="utf-8")

    def refresh(self) -> list[str]:
        return refresh(self.workspace, self.edition)

    def path(self, name: str = NAME) -> Path:
        return self.workspace.notebooks / f"{name}.ipynb"

    def read(self, name: str = NAME) -> Any:
        return nbformat.read(self.path(name), as_version=nbformat.NO_CONVERT)

    def sources(self, name: str = NAME) -> list[str]:
        return [cell.source for cell in self.read(name).cells if cell.cell_type == "code"]

    def edit(self, source: str, name: str = NAME, cell: int = 1) -> None:
        notebook = self.read(name)
        notebook.cells[cell].source = source
        nbformat.write(notebook, self.path(name))

    def run_all(self, name: str = NAME) -> None:
        """What JupyterLab does when all cells are run by hand."""
        notebook = self.read(name)
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                cell.execution_count = number + 40
                cell.outputs = [new_output("stream", text="mine\n")]
                cell.metadata["collapsed"] = False
        notebook.cells.append(new_code_cell(""))
        nbformat.write(notebook, self.path(name))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.publish(NAME, "first", "second")
    bench.publish("00-start", "hello")
    return bench


def test_copies_come_without_outputs_in_the_same_tree(bench: Bench) -> None:
    assert bench.refresh() == [f"2 notebooks are ready in {bench.workspace.notebooks}."]
    notebook = bench.read()
    assert bench.sources() == ["first", "second"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in notebook.cells[1:])
    assert "reference" not in notebook.metadata.cookbook
    assert bench.refresh() == []


def test_the_pages_that_the_book_makes_lie_where_the_copies_look_for_them(bench: Bench) -> None:
    made = {"INDEX.md": "# Index\n", "examples/README.md": "# The beginner examples\n"}
    for name, text in made.items():
        page = bench.edition.parent / "chapters" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    bench.refresh()
    for name, text in made.items():
        assert (bench.workspace.notebooks.parent / "chapters" / name).read_text(encoding="utf-8") == text


def test_a_notebook_that_was_only_run_follows_the_book(bench: Bench) -> None:
    bench.refresh()
    bench.run_all()
    assert bench.refresh() == []
    assert "mine" in bench.path().read_text(encoding="utf-8")
    bench.publish(NAME, "first", "better")
    assert bench.refresh() == []
    assert bench.sources() == ["first", "better"]


@pytest.mark.parametrize("kind", ["source", "added", "removed", "torn"])
def test_an_edited_notebook_is_never_overwritten(bench: Bench, kind: str) -> None:
    bench.refresh()
    notebook = bench.read()
    if kind == "source":
        notebook.cells[1].source = "mine"
    elif kind == "added":
        notebook.cells.append(new_markdown_cell("my note"))
    elif kind == "removed":
        del notebook.cells[1]
    text = '{"cells": [ha' if kind == "torn" else nbformat.writes(notebook)
    bench.path().write_text(text, encoding="utf-8")

    assert bench.refresh() == []
    bench.publish(NAME, "first", "better")
    (message,) = bench.refresh()
    assert message == (
        f"The book has a new edition of {NAME}; you changed yours, so it lies beside it as {NAME}.new-edition.ipynb."
    )
    assert bench.path().read_text(encoding="utf-8") == text
    assert bench.sources(f"{NAME}.new-edition") == ["first", "better"]
    assert bench.refresh() == []


def test_a_new_edition_thrown_away_stays_away_until_the_next(bench: Bench) -> None:
    bench.refresh()
    bench.edit("mine")
    bench.publish(NAME, "first", "better")
    bench.refresh()
    bench.path(f"{NAME}.new-edition").unlink()
    assert bench.refresh() == []
    assert not bench.path(f"{NAME}.new-edition").exists()
    bench.publish(NAME, "first", "best")
    assert len(bench.refresh()) == 1
    assert bench.sources(f"{NAME}.new-edition") == ["first", "best"]


def test_an_edited_new_edition_is_kept_too(bench: Bench) -> None:
    bench.refresh()
    bench.edit("mine")
    bench.publish(NAME, "first", "better")
    bench.refresh()
    bench.edit("also mine", f"{NAME}.new-edition")
    bench.publish(NAME, "first", "best")
    (message,) = bench.refresh()
    assert f"kept as kept/notebooks/{NAME}.new-edition-1.ipynb" in message
    kept = bench.workspace.kept / f"notebooks/{NAME}.new-edition-1.ipynb"
    assert "also mine" in kept.read_text(encoding="utf-8")
    assert bench.sources() == ["mine", "second"]


def test_taking_over_the_new_edition_clears_the_one_beside(bench: Bench) -> None:
    bench.refresh()
    bench.edit("mine")
    bench.publish(NAME, "first", "better")
    bench.refresh()
    bench.path().write_bytes(bench.path(f"{NAME}.new-edition").read_bytes())
    assert bench.refresh() == []
    assert not bench.path(f"{NAME}.new-edition").exists()


def test_a_book_that_goes_back_is_followed(bench: Bench) -> None:
    bench.refresh()
    bench.publish(NAME, "first", "better")
    bench.refresh()
    bench.publish(NAME, "first", "second")
    bench.refresh()
    assert bench.sources() == ["first", "second"]
    bench.edit("mine")
    assert bench.refresh() == []


def test_new_and_vanished_notebooks_are_said(bench: Bench) -> None:
    bench.refresh()
    bench.publish("08-new", "new")
    (bench.edition / "00-start.ipynb").unlink()
    assert bench.refresh() == [
        "New in the book: 08-new.",
        "The book no longer has 00-start; your copy is kept as kept/notebooks/00-start-1.ipynb.",
    ]
    assert not bench.path("00-start").exists()
    assert bench.refresh() == []


def test_an_edited_notebook_that_vanished_from_the_book_stays(bench: Bench) -> None:
    bench.refresh()
    bench.edit("mine", "00-start")
    (bench.edition / "00-start.ipynb").unlink()
    assert bench.refresh() == []
    assert bench.sources("00-start") == ["mine"]


def test_a_notebook_of_the_learners_own_is_not_touched(bench: Bench) -> None:
    bench.workspace.notebooks.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell("my own")]), bench.path("08-new"))
    own = bench.path("08-new").read_bytes()
    bench.refresh()
    bench.publish("08-new", "the book's")
    assert any("08-new.new-edition.ipynb" in message for message in bench.refresh())
    assert bench.path("08-new").read_bytes() == own


def test_a_reset_keeps_the_old_one(bench: Bench) -> None:
    bench.refresh()
    for number in (1, 2):
        bench.edit(f"mine {number}")
        message = reset(bench.workspace, bench.edition, "07-add-a-column")
        assert message.endswith(f"yours is kept as kept/notebooks/{NAME}-{number}.ipynb.")
        assert bench.sources() == ["first", "second"]
        kept = bench.workspace.kept / f"notebooks/{NAME}-{number}.ipynb"
        assert f"mine {number}" in kept.read_text(encoding="utf-8")
    with pytest.raises(CookbookError, match="no notebook nosuch"):
        reset(bench.workspace, bench.edition, "nosuch")


def test_an_empty_edition_is_an_error(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(CookbookError, match="no notebooks"):
        refresh(bench.workspace, tmp_path / "nowhere")


#: Kills itself before the nth file is put in its place, or right after.
KILLED = """
import os, sys
from pathlib import Path
from migration_cookbook.editions.learners import refresh, reset
from migration_cookbook.workspace import open_workspace

left, after = int(sys.argv[3]), sys.argv[4] == "after"
kinds = {name: getattr(Path, name) for name in ("replace", "rename", "unlink")}

def counted(name):
    def run(self, *args, **kwargs):
        global left
        left -= 1
        if left == 0 and not after:
            os._exit(9)
        result = kinds[name](self, *args, **kwargs)
        if left == 0:
            os._exit(9)
        return result
    return run

workspace, edition = open_workspace(Path(sys.argv[1])), Path(sys.argv[2])
for name in kinds:
    setattr(Path, name, counted(name))
refresh(workspace, edition) if sys.argv[5] == "refresh" else reset(workspace, edition, "00-start")
"""


@pytest.mark.parametrize("command", ["refresh", "reset"])
def test_killed_at_any_moment_nothing_is_lost(bench: Bench, command: str, tmp_path: Path) -> None:
    bench.publish("01-unedited", "old")
    bench.publish("02-gone", "gone")
    bench.refresh()
    mine = ["mine in place", "mine at the start", "mine beside"]
    bench.edit(mine[0])
    bench.publish(NAME, "first", "better")
    bench.refresh()
    bench.edit(mine[2], f"{NAME}.new-edition")
    bench.edit(mine[1], "00-start")
    bench.publish(NAME, "first", "best")
    bench.publish("01-unedited", "new")
    bench.publish("03-new", "new")
    (bench.edition / "02-gone.ipynb").unlink()

    rounds = 0
    for step in range(1, 40):
        copy = open_workspace(tmp_path / "try")
        subprocess.run(["cp", "-r", f"{bench.workspace.root}/.", str(copy.root)], check=True)
        when = "after" if step % 2 else "before"
        code = _killed(copy, bench.edition, (step + 1) // 2, when, command)
        everything = "".join(path.read_text(encoding="utf-8") for path in copy.root.rglob("*.ipynb"))
        assert all(text in everything for text in mine), (step, when)
        for path in copy.root.rglob("*.ipynb"):
            json.loads(path.read_text(encoding="utf-8"))
        refresh(copy, bench.edition)
        everything = "".join(path.read_text(encoding="utf-8") for path in copy.root.rglob("*.ipynb"))
        assert all(text in everything for text in mine), (step, when)
        assert "new" in (copy.notebooks / "01-unedited.ipynb").read_text(encoding="utf-8")
        assert "best" in (copy.notebooks / f"{NAME}.new-edition.ipynb").read_text(encoding="utf-8")
        subprocess.run(["rm", "-r", str(copy.root)], check=True)
        if code == 0:
            break
        rounds += 1
    assert code == 0
    assert rounds >= (12 if command == "refresh" else 2)


def _killed(workspace: Workspace, edition: Path, step: int, when: str, command: str) -> int:
    """Run the command in a process that ends itself at this step; 0 if it came to its end."""
    child = os.fork()
    if child == 0:
        sys.argv = ["", str(workspace.root), str(edition), str(step), when, command]
        try:
            exec(KILLED, {"__name__": "killed"})
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_counts_as_an_edit_is_the_cells() -> None:
    one = new_notebook(cells=[new_code_cell("a", id="x1")])
    two = new_notebook(cells=[new_code_cell("a", id="x1", execution_count=3), new_code_cell(" ")])
    three = new_notebook(cells=[new_code_cell("a", id="x2")])
    assert learners.content_hash(one) == learners.content_hash(two) != learners.content_hash(three)
