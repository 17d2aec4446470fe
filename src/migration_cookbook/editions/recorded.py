"""Reading of recorded notebooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.editions.book import Book

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def read_notebook(path: Path) -> Any | None:
    """Return a notebook, or None if the file isn't one."""
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
    except Exception:
        return None


def notebook_paths(root: Path) -> dict[str, Path]:
    """Return the notebooks below a folder, by slug, in the book's order."""
    paths = sorted(path for path in root.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in paths}


def recorded_notebooks(book: Book) -> dict[str, Any]:
    """Return the book's notebooks, by slug."""
    read = {slug: read_notebook(path) for slug, path in notebook_paths(book.notebooks).items()}
    return {slug: notebook for slug, notebook in read.items() if notebook is not None}


def output_text(output: Any, every_type: bool = False) -> str:
    """Return an output as a reader sees it, in plain text (or in every type it has)."""
    if output.output_type == "stream":
        return without_colors(str(output.text))
    data = output.get("data", {})
    types = sorted(data) if every_type else ["text/plain"]
    return "\n".join(str(data.get(each, "")) for each in types)


def without_colors(text: str) -> str:
    """Remove the escape sequences of a terminal."""
    return _COLORS.sub("", text)
