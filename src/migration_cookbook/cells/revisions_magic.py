"""`%revisions`: the revision graph, and where each database is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.cells.magic import LineMagic
from migration_cookbook.cells.options import read
from migration_cookbook.display.graph import Graph, Node
from migration_cookbook.sandbox import history

if TYPE_CHECKING:
    from migration_cookbook.cells.notebook import Notebook


def revisions(notebook: Notebook, line: str) -> None:
    """Draw the graph."""
    options = read("%revisions", line, named=("--on",), usage="Write %revisions.")
    entries = history.entries(notebook.sandbox.folder)
    places = {
        dialect: notebook.sandbox.place(dialect)
        for dialect in notebook.databases(options.on)
        if notebook.database(dialect) is not None
    }
    graph = Graph(tuple(Node(entry.id, entry.message, entry.down, entry.labels) for entry in entries), places)
    notebook.publish_picture(graph.svg(), graph.plain())


MAGICS = (LineMagic("revisions", revisions),)
