"""The snippets of a file, each with its kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.printable import one_line, truncate
from migration_cookbook.verify.reading import python_text
from migration_cookbook.verify.reading.dependencies import resolve_dependencies
from migration_cookbook.verify.reading.files import check_characters, content_of, decoded, files_of
from migration_cookbook.verify.reading.formats import format_of
from migration_cookbook.verify.reading.forms import classify
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.values.snippet import Form, Snippet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.reading.page import Passage, Piece

#: A page with more is made by a program; what depends on what would fill the memory.
_MOST_SNIPPETS = 10_000
#: Characters of earlier snippets that the snippets of a page may run after, all together.
_MOST_BEFORE = 64_000_000
_OF_PYTHON = (Form.OPERATIONS, Form.FUNCTIONS, Form.REVISION, Form.PYTHON, Form.ENVIRONMENT)
_LONGEST_NAME = 200
_LONGEST_REASON = 400


def read(path: Path) -> tuple[Snippet, ...]:
    """Every snippet of a file, or of the pages of a folder; what can't be run among them, as UNRELATED."""
    return tuple(
        snippet for file in files_of(path) for snippet in read_text(file.as_posix(), content_of(file))
    )


def read_text(file: str, content: bytes) -> tuple[Snippet, ...]:
    """Every snippet of a page whose bytes are at hand; `file` says what kind of page it is."""
    text = decoded(Path(file), content)
    try:
        return _snippets(file, text)
    except (RecursionError, MemoryError):
        raise PageMistake(file, 1, "this page is nested too deeply to be read; split it.") from None


def _snippets(file: str, text: str) -> tuple[Snippet, ...]:
    known = format_of(Path(file))
    pieces = list(known.pieces(file, text))
    on = known.databases(text)
    snippets = [_snippet(file, piece, on) for piece in pieces]
    _check_declared(file, pieces, snippets)
    _check_amount(file, snippets)
    found = resolve_dependencies(snippets, [piece.declared.continues for piece in pieces])
    _check_before(file, found)
    return found


def _snippet(file: str, piece: Piece, on: tuple[Dialect, ...]) -> Snippet:
    known = classify(piece.language, piece.passage, piece.form)
    passage, declared = known.passage, piece.declared
    form = piece.form or known.form
    _check_text(file, form, passage, declared.given or "")
    only = piece.on or declared.on
    return Snippet(
        file=file,
        line=passage.line or piece.passage.line,
        language=one_line(truncate(piece.language, _LONGEST_NAME)),
        form=form,
        text=passage.text,
        name=_short(declared.name or piece.title, _LONGEST_NAME),
        expected=declared.expected,
        skip=_short(declared.skip, _LONGEST_REASON),
        given=declared.given,
        shows=declared.shows,
        answers=known.answers if piece.form is None else (),
        on=(only,) if only else on,
    )


def _short(text: str | None, width: int) -> str | None:
    """What reports say of a snippet, safe to print."""
    return None if text is None else one_line(truncate(text, width))


def _check_amount(file: str, snippets: Sequence[Snippet]) -> None:
    ours = [one for one in snippets if one.form is not Form.UNRELATED]
    if len(ours) > _MOST_SNIPPETS:
        raise PageMistake(
            file, ours[_MOST_SNIPPETS].line, f"this page has more than {_MOST_SNIPPETS} snippets; split it."
        )


def _check_text(file: str, form: Form, passage: Passage, given: str) -> None:
    """Refuse what can't be run, with the line it's on."""
    if form is Form.UNRELATED:
        return
    check_characters(file, passage.line, given)
    for line, number in zip(passage.lines, passage.numbers, strict=True):
        check_characters(file, number, line)
    if form in _OF_PYTHON and (reason := python_text.unreadable(passage.text)):
        raise PageMistake(file, passage.line, reason)


def _check_before(file: str, snippets: Sequence[Snippet]) -> None:
    before = 0
    for one in snippets:
        before += sum(len(earlier.text) for earlier in one.depends_on)
        if before > _MOST_BEFORE:
            raise PageMistake(
                file, one.line, "too much of this page runs again before each snippet; split the page."
            )


def _check_declared(file: str, pieces: list[Piece], snippets: list[Snippet]) -> None:
    """What would say something and do nothing."""
    before = False
    for piece, snippet in zip(pieces, snippets, strict=True):
        if piece.declared.continues and not before:
            raise PageMistake(file, snippet.line, "`continue`, and no snippet stands before this one.")
        if snippet.form is Form.UNRELATED and piece.declared.runs:
            raise PageMistake(
                file,
                snippet.line,
                "what is declared here can't be seen: nothing in it is for Alembic or a database.",
            )
        before = before or snippet.form is not Form.UNRELATED
