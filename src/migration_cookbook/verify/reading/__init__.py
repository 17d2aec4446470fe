"""Which snippets stand in this file, and what kind is each?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.databases.kinds import BOTH, Kind
from migration_cookbook.verify.reading import markdown, notebook, python_file
from migration_cookbook.verify.reading.files import files_of, text_of
from migration_cookbook.verify.reading.forms import classify
from migration_cookbook.verify.reading.info import Declared
from migration_cookbook.verify.reading.leaning import with_grounds
from migration_cookbook.verify.reading.page import PageMistake, Passage, Piece
from migration_cookbook.verify.snippet import Form, Snippet

if TYPE_CHECKING:
    from pathlib import Path

_NAMED = re.compile(r"\bpostgres\w*|\bsqlite\w*", re.IGNORECASE)


def read(path: Path) -> tuple[Snippet, ...]:
    """Every snippet of a file, or of the pages of a folder; what can't be run among them, as FOREIGN."""
    return tuple(snippet for file in files_of(path) for snippet in _read_file(file))


def _read_file(path: Path) -> tuple[Snippet, ...]:
    file, text = path.as_posix(), text_of(path)
    passage = Passage.of(text)
    suffix = path.suffix.lower()
    on: tuple[Kind, ...] = BOTH
    if suffix in (".md", ".markdown"):
        pieces = list(markdown.pieces(file, passage))
        on = _databases(markdown.front_matter(passage))
    elif suffix == ".ipynb":
        pieces = list(notebook.pieces(file, text))
    elif suffix == ".py":
        pieces = list(python_file.pieces(file, passage))
    else:
        pieces = [Piece(passage, suffix[1:], Declared())]
    snippets = [_snippet(file, piece, on) for piece in pieces]
    _check_declared(file, pieces, snippets)
    return with_grounds(snippets, [piece.declared.continues for piece in pieces])


def _snippet(file: str, piece: Piece, on: tuple[Kind, ...]) -> Snippet:
    known = classify(piece.language, piece.passage)
    passage, declared = known.passage, piece.declared
    only = piece.on or declared.on
    return Snippet(
        file=file,
        line=passage.line or piece.passage.line,
        language=piece.language,
        form=piece.form or known.form,
        text=passage.text,
        name=declared.name or piece.title,
        expected=declared.expected,
        skip=declared.skip,
        given=declared.given,
        shows=declared.shows,
        answers=known.answers if piece.form is None else (),
        on=(only,) if only else on,
    )


def _databases(top: Passage) -> tuple[Kind, ...]:
    """The databases that the page says it is for."""
    for index, line in enumerate(top.lines):
        if line.startswith("databases:"):
            said = [line, *_items(top.lines[index + 1 :])]
            words = _NAMED.findall(" ".join(said))
            named = {Kind.SQLITE if word.lower().startswith("sqlite") else Kind.POSTGRES for word in words}
            return tuple(kind for kind in BOTH if kind in named) or BOTH
    return BOTH


def _items(lines: tuple[str, ...]) -> list[str]:
    items = []
    for line in lines:
        if not line.lstrip().startswith("-"):
            break
        items.append(line)
    return items


def _check_declared(file: str, pieces: list[Piece], snippets: list[Snippet]) -> None:
    """What would say something and do nothing."""
    before = False
    for piece, snippet in zip(pieces, snippets, strict=True):
        if piece.declared.continues and not before:
            raise PageMistake(file, snippet.line, "`continue`, and no snippet stands before this one.")
        if snippet.form is Form.FOREIGN and piece.declared.runs:
            raise PageMistake(
                file,
                snippet.line,
                "what is declared here can't be seen: nothing in it is for Alembic or a database.",
            )
        before = before or snippet.form is not Form.FOREIGN
