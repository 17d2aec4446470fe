"""The snippets of a notebook.

It is read as JSON. The line of a snippet is the line of the .ipynb file, and its name the cell's
number, unless it has one of its own.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migration_cookbook.verify.reading import markdown
from migration_cookbook.verify.reading.cells import piece_of_cell
from migration_cookbook.verify.reading.format import PageFormat
from migration_cookbook.verify.reading.info import InfoMistake
from migration_cookbook.verify.reading.page import PageMistake, Passage, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator


_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)


def pieces(file: str, text: str) -> Iterator[Piece]:
    """The code cells, and the fences in the Markdown cells."""
    if not text.strip():
        return
    content = _content(file, text)
    places = _source_lines(text)
    language = _language(content)
    for number, cell in enumerate(_cells(file, content), 1):
        source = _source(_texts(file, number, cell), places.get(number - 1, [1]))
        if source.blank:
            continue
        if cell.get("cell_type") == "markdown":
            for piece in markdown.pieces(file, source):
                yield replace(piece, title=f"cell {number}")
        elif cell.get("cell_type") == "code":
            try:
                yield replace(piece_of_cell(source, language), title=f"cell {number}")
            except InfoMistake as mistake:
                raise PageMistake(file, source.line, str(mistake)) from None


def _content(file: str, text: str) -> Any:
    try:
        # No number is of interest, and one of thousands of digits takes Python long, or is refused.
        return json.loads(text, parse_int=_no_number, parse_float=_no_number)
    except json.JSONDecodeError as error:
        raise PageMistake(file, error.lineno, f"this is no notebook: {error.msg}.") from None
    except RecursionError:
        raise PageMistake(file, 1, "this is no notebook: it is nested too deeply.") from None


def _no_number(digits: str) -> int:
    return 0


def _source_lines(text: str) -> dict[int, list[int]]:
    """By number of the cell: the lines of the file on which the texts of its source begin."""
    line_ends = [match.start() for match in re.finditer("\n", text)]
    found: dict[int, list[int]] = {}
    #: The way to the present token: keys of objects, places in lists.
    path: list[str | int] = []
    last = ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "{[":
            path.append(0 if token == "[" else "")
        elif token in "}]":
            path.pop()
        elif token == ":":
            path[-1] = json.loads(last)
        elif token == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else ""
        elif token.startswith('"'):
            last = token
            if path[:1] == ["cells"] and path[2:3] == ["source"] and isinstance(path[1], int):
                found.setdefault(path[1], []).append(bisect_right(line_ends, match.start()) + 1)
    return found


def _cells(file: str, content: Any) -> list[dict[str, Any]]:
    cells = content.get("cells") if isinstance(content, dict) else None
    if isinstance(cells, list) and all(isinstance(cell, dict) for cell in cells):
        return cells
    raise PageMistake(
        file, 1, "this is no notebook of format 4. Bring it there: jupyter nbconvert --to notebook --inplace."
    )


def _language(content: Any) -> str:
    metadata = content.get("metadata") if isinstance(content, dict) else None
    for part, key in (("language_info", "name"), ("kernelspec", "language")):
        named = metadata.get(part) if isinstance(metadata, dict) else None
        if isinstance(named, dict) and isinstance(named.get(key), str):
            return str(named[key])
    return "python"


def _texts(file: str, number: int, cell: dict[str, Any]) -> list[str]:
    """The source of a cell as a list of texts, which it may be."""
    source = cell.get("source", "")
    texts = source if isinstance(source, list) else [source]
    if all(isinstance(text, str) for text in texts):
        return texts
    raise PageMistake(
        file, 1, f"the source of cell {number} isn't text; open the notebook in Jupyter and save it again."
    )


def _source(texts: list[str], places: list[int]) -> Passage:
    """The lines of a cell, each with the line of the file that it is written on."""
    lines: list[str] = []
    numbers: list[int] = []
    #: The parts of a line that goes on: a text without a line end is continued by the next.
    parts: list[str] = []
    started = 0
    # A key that's there twice has more places than texts.
    for text, number in zip(texts, places, strict=False):
        *ended, rest = Passage.of(text).lines
        for line in ended:
            lines.append("".join((*parts, line)))
            numbers.append(started if parts else number)
            parts = []
        if rest:
            started = started if parts else number
            parts.append(rest)
    if parts:
        lines.append("".join(parts))
        numbers.append(started)
    return Passage(tuple(lines), tuple(numbers))


#: It holds pictures, too.
FORMAT = PageFormat((".ipynb",), pieces, megabytes=10)
