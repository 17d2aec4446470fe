"""Recorded notebooks made by hand: quicker than running them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbformat.v4 import new_code_cell, new_notebook, new_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def recorded(*cells: Any) -> Any:
    for number, cell in enumerate(cells, 1):
        cell.execution_count = number
    return new_notebook(cells=list(cells))


def cell(
    text: str,
    *,
    shows: Sequence[str] = (),
    sent: Mapping[str, list[str]] | None = None,
    source: str = "1",
    name: str = "here",
) -> Any:
    """A code cell with one output of the kit."""
    about = {"cookbook": {"sent": dict(sent)}} if sent else {}
    output = new_output("display_data", data={"text/plain": text}, metadata=about)
    return new_code_cell(
        source, id=name, outputs=[output], metadata={"cookbook": {"shows": list(shows)}} if shows else {}
    )
