"""Checks of what a comparison of outputs would let pass.

nbval compares a cell with what is recorded for it. A cell with nothing recorded, an
emptied notebook, an edited source: all of that passes. These checks find it.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migration_cookbook.editions.generated import GENERATED_PAGES
from migration_cookbook.editions.notebook import to_notebook
from migration_cookbook.editions.recorded import notebook_paths, output_text, read_notebook, without_colors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.chapter import Chapter

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
#: A link to another file of the book; addresses on the web and places on the page are none.
_LINK = re.compile(r"\]\((?!\w+:|#)([^)\s]+)\)")
#: Folders of a machine; `sqlite:///…` and a bare `/` are none.
_FOLDER = re.compile(
    r"(?<![\w.:/~-])/(?:home|Users|root|tmp|var|private|work|opt|usr|mnt|srv|etc|nix|dev/shm)/[\w.+-]+"
)


def book_problems(book: Book, chapters: Mapping[str, Chapter], reference: Mapping[str, Any]) -> list[str]:
    """Return every problem of the recorded notebooks, one line each."""
    found = [f"notebooks/{slug}.ipynb has no chapter." for slug in without_chapter(book, set(chapters))]
    for chapter in chapters.values():
        place = f"notebooks/{chapter.slug}.ipynb"
        notebook = read_notebook(book.notebook(chapter.slug))
        if notebook is None:
            found.append(f"{place} is missing or no notebook; build it.")
            continue
        found += [f"{place}: {problem}" for problem in notebook_problems(notebook, chapter, reference)]
        found += [f"{place}: {problem}" for problem in _dead_links(notebook, chapter.slug, chapters)]
    return found


def notebook_problems(notebook: Any, chapter: Chapter, reference: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a recorded notebook of this chapter."""
    found = list(_disagreements(notebook, chapter, reference))
    for number, cell in enumerate(notebook.cells, 1):
        found += [f"cell {number} ({cell.get('id')}): {problem}" for problem in cell_problems(cell)]
    return found + order_problems(notebook)


def cell_problems(cell: Any) -> list[str]:
    """Return what a recorded cell mustn't have."""
    if cell.cell_type != "code":
        return []
    found = []
    for output in cell.outputs:
        if output.output_type == "error":
            found.append(_one_line(f"{output.ename}: {output.evalue}"))
        elif output.output_type == "stream" and output.name == "stderr":
            found.append(f"writes to stderr: {_one_line(output.text)}")
        else:
            found += _traces(output_text(output, every_type=True))
    if cell.execution_count is None and not found:
        found.append("this cell was not run.")
    return found


def order_problems(notebook: Any) -> list[str]:
    """Return a problem if the code cells didn't run once each, from top to bottom."""
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    if not counts:
        return ["it has no code cell."]
    if counts != list(range(1, len(counts) + 1)):
        return ["its code cells did not run once each, from top to bottom."]
    return []


def without_chapter(book: Book, slugs: Collection[str]) -> tuple[str, ...]:
    """Return the recorded notebooks that belong to no chapter."""
    return tuple(slug for slug in notebook_paths(book.notebooks) if slug not in slugs)


def _disagreements(notebook: Any, chapter: Chapter, reference: Mapping[str, Any]) -> Iterator[str]:
    expected = to_notebook(chapter, reference)
    if notebook.metadata != expected.metadata:
        yield "its metadata is not what a build in the reference environment writes; build it again."
    if len(notebook.cells) != len(expected.cells):
        yield f"it has {len(notebook.cells)} cells, its chapter {len(expected.cells)}; build it again."
    for number, (cell, other) in enumerate(zip(notebook.cells, expected.cells, strict=False), 1):
        for key in ("cell_type", "id", "source", "metadata"):
            if cell.get(key) != other.get(key):
                yield f"cell {number} has another {key} than {chapter.place}; build it again."
                break


def _dead_links(notebook: Any, slug: str, chapters: Collection[str]) -> Iterator[str]:
    """Yield links that lead nowhere from a learner's copy, which is next to the other copies and the generated pages."""
    generated = [page.from_notebooks for page in GENERATED_PAGES]
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for target in _LINK.findall(cell.source):
            page = posixpath.normpath(posixpath.join(posixpath.dirname(slug), target.partition("#")[0]))
            if page in generated:
                continue
            if page.removesuffix(".ipynb") not in chapters or not page.endswith(".ipynb"):
                yield f"it links to {target}, which is no notebook of the book."


def _traces(text: str) -> Iterator[str]:
    """Yield what differs between machines or runs."""
    if found := _ADDRESS.search(text):
        yield f"its output shows a memory address ({found[0]})."
    if found := _FOLDER.search(text):
        yield f"its output shows a path of one machine ({found[0]})."
    for name, value in _machine().items():
        if value in text:
            yield f"its output shows this machine's {name} ({value})."


def _machine() -> dict[str, str]:
    folders = {"working directory": str(Path.cwd()), "home folder": str(Path.home())}
    found = {name: folder for name, folder in folders.items() if folder.count("/") > 1}
    user = os.environ.get("USER", "")
    # A short name, `root` or `book`, is in correct outputs too.
    return found | ({"user name": user} if len(user) > 5 else {})


def _one_line(text: str) -> str:
    return " ".join(without_colors(text).split())[:300]
