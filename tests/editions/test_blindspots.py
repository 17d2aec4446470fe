"""What nbval lets pass is caught: each way to spoil a recorded notebook, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from edition_desk import make_desk
from nbformat.v4 import new_code_cell, new_output

from migration_cookbook.editions.blindspots import book_problems
from migration_cookbook.editions.build import build
from migration_cookbook.editions.compare import check_notebooks
from migration_cookbook.editions.pages import read_pages
from migration_cookbook.editions.reference import read_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edition_desk import Desk


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = make_desk(tmp_path_factory.mktemp("built"))
    desk.write("examples/01-a", "x = 2", "x + 1", "print('x')\nx")
    desk.write("02-b", "1")
    assert build(desk.book, desk.workspace).failures == ()
    return desk


@pytest.fixture
def desk(built: Desk) -> Iterator[Desk]:
    """The built book, put right again after the test."""
    kept = {path: path.read_bytes() for path in built.book.root.rglob("*") if path.is_file()}
    yield built
    for path in list(built.book.notebooks.rglob("*.ipynb")):
        path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)


def problems(desk: Desk) -> list[str]:
    return book_problems(desk.book, read_pages(desk.book.chapters), read_reference(desk.book))


def spoil(desk: Desk, change: Callable[[Any], None]) -> None:
    path = desk.book.notebook("examples/01-a")
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    change(notebook)
    nbformat.write(notebook, path)


def empty(notebook: Any) -> None:
    notebook.cells = []


def drop_code(notebook: Any) -> None:
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def clear(notebook: Any) -> None:
    for cell in notebook.cells[1::2]:
        cell.outputs, cell.execution_count = [], None


def change_source(notebook: Any) -> None:
    notebook.cells[3].source = "x + 2"


def change_id(notebook: Any) -> None:
    notebook.cells[3].id = "another"


def change_tags(notebook: Any) -> None:
    notebook.cells[3].metadata["tags"] = ["nbval-skip"]


def change_metadata(notebook: Any) -> None:
    notebook.metadata["cookbook"]["reference"]["sqlite"] = "9.9"


def run_twice(notebook: Any) -> None:
    notebook.cells[3].execution_count = 9


def add_cell(notebook: Any) -> None:
    notebook.cells.append(new_code_cell("1", execution_count=4))


def add_output(output: Any) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells[3].outputs.append(output)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (empty, "it has 0 cells, its chapter 6"),
        (drop_code, "it has no code cell"),
        (clear, "this cell was not run"),
        (change_source, "cell 4 has another source than chapters/examples/01-a.md"),
        (change_id, "cell 4 has another id"),
        (change_tags, "cell 4 has another metadata"),
        (change_metadata, "its metadata is not what a build in the reference environment writes"),
        (run_twice, "did not run once each, from top to bottom"),
        (add_cell, "it has 7 cells, its chapter 6"),
        (add_output(new_output("error", ename="E", evalue="bad\nworse", traceback=[])), "E: bad worse"),
        (add_output(new_output("stream", name="stderr", text="oh")), "writes to stderr: oh"),
        (
            add_output(new_output("stream", text="<object at 0x7f1234567890>")),
            "memory address (0x7f1234567890)",
        ),
        (add_output(new_output("stream", text="/home/ann/x.py")), "path of one machine (/home/ann)"),
        (
            add_output(new_output("display_data", data={"text/html": "<b>/tmp/x1</b>", "text/plain": ""})),
            "path of one machine (/tmp/x1)",
        ),
    ],
)
def test_each_way_to_spoil_a_notebook(desk: Desk, change: Callable[[Any], None], message: str) -> None:
    assert problems(desk) == []
    spoil(desk, change)
    found = problems(desk)
    assert any(message in problem for problem in found), found
    assert all(
        problem.startswith("notebooks/examples/01-a.ipynb: ") and "\n" not in problem for problem in found
    )


def test_urls_and_words_are_no_paths(desk: Desk) -> None:
    text = "sqlite:///bookshop.db postgresql://h/home https://x.org/usr/y and/or a/tmp/b (/) 0x1f"
    spoil(desk, add_output(new_output("stream", text=text)))
    assert problems(desk) == []


def test_a_link_that_leads_nowhere(desk: Desk) -> None:
    links = "[a](../02-b.ipynb) [b](#here) [c](https://x.org/y) [d](../09-z.ipynb) [e](../02-b.md#x)"
    links += " [f](../../chapters/INDEX.md#by-topic) [g](../../chapters/examples/README.md)"

    def link(notebook: Any) -> None:
        notebook.cells[0].source = links

    spoil(desk, link)
    assert problems(desk)[-2:] == [
        "notebooks/examples/01-a.ipynb: it links to ../09-z.ipynb, which is no notebook of the book.",
        "notebooks/examples/01-a.ipynb: it links to ../02-b.md#x, which is no notebook of the book.",
    ]


def test_a_notebook_without_chapter_and_a_chapter_without_notebook(desk: Desk) -> None:
    desk.book.notebook("02-b").rename(desk.book.notebook("03-c"))
    assert problems(desk) == [
        "notebooks/03-c.ipynb has no chapter.",
        "notebooks/02-b.ipynb is missing or no notebook; build it.",
    ]


# The comparison itself, on the same book.


def check(desk: Desk) -> tuple[int, list[str]]:
    said: list[str] = []
    return check_notebooks(desk.book, desk.workspace, said.append), said


def test_a_good_book_is_run_and_compared_whole(desk: Desk) -> None:
    assert check(desk) == (0, ["4 of 4 cells ran, in 2 notebooks; 4 were compared."])


def test_an_output_that_is_gone_and_a_cell_that_is_skipped_fail(desk: Desk) -> None:
    spoil(desk, lambda notebook: notebook.cells[5].outputs.clear())
    spoil(desk, change_tags)
    code, said = check(desk)
    assert code == 1
    assert "notebooks/examples/01-a.ipynb: 2 of 3 cells ran." in said
    assert said[-1] == "3 of 4 cells ran, in 2 notebooks; 3 were compared."


def test_outside_the_reference_environment_cells_run_and_are_not_compared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # CI demands the reference environment; this is about what happens where nobody does.
    monkeypatch.delenv("COOKBOOK_REFERENCE", raising=False)
    spoil(desk, lambda notebook: notebook.cells[3].outputs.clear())
    desk.book.lock.write_text("alembic==0.1\n", encoding="utf-8")
    code, said = check(desk)
    assert code == 0
    assert said[-1] == "4 of 4 cells ran, in 2 notebooks; 0 were compared."
    assert said[-2].startswith(
        "Outputs were not compared, this is not the reference environment: requirements.lock"
    )


def test_no_notebooks_at_all_is_a_failure(desk: Desk) -> None:
    for path in list(desk.book.notebooks.rglob("*.ipynb")):
        path.unlink()
    code, said = check(desk)
    assert code == 1
    assert any("There are no notebooks" in line for line in said)
