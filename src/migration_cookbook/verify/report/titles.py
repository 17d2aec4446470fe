"""The words by which a reader recognizes a snippet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.printable import one_line, truncate

if TYPE_CHECKING:
    from migration_cookbook.verify.values.snippet import Snippet

__all__ = ["title", "truncate"]

#: Lines with which many snippets begin.
_COMMON = re.compile(
    r"\s*(?:$|#|--|@|from\s|import\s|(?:async\s+)?def\s+(?:up|down)grade\w*\(|\"\"\"|'''|(?:down_)?revision\b"
    r"|branch_labels\b|depends_on\b|with\s+op\.(?:batch_alter_table|get_context)\(|BEGIN;|\[alembic\]\s*$)"
)
_CELL = re.compile(r"cell \d+")


def title(snippet: Snippet) -> str:
    """The name that its author gave it, else the first line that says something; safe to print."""
    if snippet.name is None:
        return one_line(_first_words(snippet.text))
    # The number of a notebook's cell is where it is, not what it says.
    is_cell = _CELL.fullmatch(snippet.name)
    return one_line(f"{snippet.name}: {_first_words(snippet.text)}" if is_cell else snippet.name)


def _first_words(text: str) -> str:
    lines = text.splitlines()
    first = next((line for line in lines if not _COMMON.match(line)), None)
    return " ".join((first or next(iter(lines), "")).split())
