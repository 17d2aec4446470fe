"""The code in a docstring.

Markdown fences; the literal block after a `::` and the one of `.. code-block::`; and doctests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.verify.reading import markdown
from migration_cookbook.verify.reading.info import Declared
from migration_cookbook.verify.reading.page import Passage, Piece, block_edges

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODE_DIRECTIVE = re.compile(r"\s*\.\. (?:code-block|code|sourcecode)::\s*(?P<language>\S*)\s*$")
_OTHER_DIRECTIVE = re.compile(r"\s*\.\. ")
_OPTION = re.compile(r"\s*:[\w-]+:")
_FENCE = re.compile(r"\s*(?:```|~~~~?\s*\w)")


def pieces(file: str, passage: Passage) -> Iterator[Piece]:
    """Every piece of code of one docstring, in its order."""
    passage = passage.trimmed()
    if any(_FENCE.match(line) for line in passage.lines):
        found = list(markdown.pieces(file, passage))
    else:
        found = list(_blocks_of_code(passage))
    yield from sorted(found, key=lambda piece: piece.passage.line)


def _blocks_of_code(passage: Passage) -> Iterator[Piece]:
    """Literal blocks, and the doctests outside of them."""
    index = 0
    prose_from = 0
    while index < len(passage.lines):
        line = passage.lines[index]
        directive = _CODE_DIRECTIVE.match(line)
        if directive or (line.rstrip().endswith("::") and not _OTHER_DIRECTIVE.match(line)):
            yield from _doctests(passage.between(prose_from, index))
            start = index + 1
            index = prose_from = _end_of_block(passage.lines, index)
            block = (
                _without_options(passage.between(start, index))
                if directive
                else passage.between(start, index)
            )
            block = block.trimmed().dedented()
            if not block.blank:
                yield Piece(block, directive["language"].lower() if directive else "", Declared())
        else:
            index += 1
    yield from _doctests(passage.between(prose_from))


def _end_of_block(lines: tuple[str, ...], opening: int) -> int:
    """The first line that is indented no more than the one that opens the block."""
    margin = _margin(lines[opening])
    for index in range(opening + 1, len(lines)):
        if lines[index].strip() and _margin(lines[index]) <= margin:
            return index
    return len(lines)


def _margin(line: str) -> int:
    line = line.expandtabs(8)
    return len(line) - len(line.lstrip())


def _without_options(block: Passage) -> Passage:
    start = 0
    while start < len(block.lines) and _OPTION.match(block.lines[start]):
        start += 1
    return block.between(start)


def _doctests(prose: Passage) -> Iterator[Piece]:
    """The examples that stand together, without a blank line or with nothing but one between them."""
    run: tuple[int, int] | None = None
    for start, end in block_edges(prose):
        at_prompt = prose.lines[start].lstrip().startswith(">>> ")
        if at_prompt:
            run = (run[0] if run else start, end)
        elif run is not None:
            yield Piece(prose.between(*run).dedented(), "pycon", Declared())
            run = None
    if run is not None:
        yield Piece(prose.between(*run).dedented(), "pycon", Declared())
