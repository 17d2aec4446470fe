"""A chapter as a notebook, before it runs."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.editions.chapter import Cell, Chapter

KERNEL = "python3"


def to_notebook(chapter: Chapter, reference: Mapping[str, Any]) -> Any:
    """Return a chapter as a notebook for learners, not yet run."""
    cells = chapter.learners_cells
    notebook = new_notebook(
        cells=[_cell(cell, name) for cell, name in zip(cells, cell_ids(cells), strict=True)]
    )
    notebook.metadata = nbformat.from_dict(metadata(chapter, reference))
    notebook.nbformat_minor = 5
    return notebook


def metadata(chapter: Chapter, reference: Mapping[str, Any]) -> dict[str, Any]:
    """Return the notebook's metadata: nothing that differs between two builds."""
    return {
        "cookbook": {
            "chapter": chapter.slug,
            "title": chapter.title,
            "minutes": {"teach": chapter.minutes.teach, "practice": chapter.minutes.practice},
            "databases": list(chapter.databases),
            "reference": dict(reference),
        },
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": KERNEL},
        "language_info": {
            "file_extension": ".py",
            "mimetype": "text/x-python",
            "name": "python",
            "nbconvert_exporter": "python",
            "pygments_lexer": "ipython3",
        },
    }


def cell_ids(cells: tuple[Cell, ...]) -> list[str]:
    """Return an id for each cell: its name, else a hash of its content, so that an inserted cell changes no other id."""
    seen: Counter[str] = Counter()
    ids = []
    for cell in cells:
        if cell.name:
            ids.append(cell.name)
            continue
        digest = hashlib.sha256(f"{cell.kind}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        # Names have no underscore, so no name can equal an id made here.
        ids.append(f"_{digest}" if seen[digest] == 1 else f"_{digest}-{seen[digest]}")
    return ids


def write_notebook(notebook: Any) -> str:
    """Return the notebook's text: the same for the same notebook."""
    return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT)).rstrip("\n") + "\n"


def _cell(cell: Cell, name: str) -> Any:
    if cell.kind == "markdown":
        return new_markdown_cell(cell.source, id=name)
    details: dict[str, Any] = {}
    if cell.tags:
        details["tags"] = list(cell.tags)
    if cell.shows:
        details["cookbook"] = {"shows": list(cell.shows)}
    return new_code_cell(cell.source, id=name, metadata=details)
