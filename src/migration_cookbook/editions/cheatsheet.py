"""A cheatsheet as a page of the book.

A cheatsheet is plain Markdown that people copy from. In its notebook, which is its long
edition, each of its snippets becomes a cell that tries it out; what is declared after the
fence is announced above it. The notebook ends with the table of versions.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import BOTH
from migration_cookbook.editions.chapter import Cell, Chapter, Minutes
from migration_cookbook.editions.ledger import LEDGER, read_ledger, render_table
from migration_cookbook.editions.marks import with_fresh_marks
from migration_cookbook.editions.print_page import render
from migration_cookbook.editions.sheet import read_sheet, sheet_paths
from migration_cookbook.verify import Form, Snippet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.sheet import Sheet
    from migration_cookbook.workspace import Workspace

_LOAD = "%load_ext migration_cookbook"
#: The magic's name for a form that the text alone doesn't tell.
_LANGUAGES = {
    Form.SQL: "sql",
    Form.COMMANDS: "bash",
    Form.INI: "ini",
    Form.PYPROJECT: "toml",
    Form.ENVIRONMENT: "env",
}


def read_cheatsheet(path: Path, root: Path) -> Chapter:
    """Read a cheatsheet as a page."""
    sheet = read_sheet(path, root)
    return Chapter(
        path=path,
        slug=sheet.slug,
        title=sheet.title,
        minutes=Minutes(0, 0),
        outcomes=(),
        before=(),
        databases=sheet.databases,
        cells=(Cell("code", _LOAD), *_cells(sheet), *_versions(path)),
        teacher_notes=(),
    )


def other_files(book: Book, workspace: Workspace, chosen: Collection[Path]) -> dict[Path, str]:
    """Return the chosen cheatsheets with fresh marks, and every cheatsheet as it is printed."""
    files = {}
    for path in sheet_paths(book.chapters):
        sheet = read_sheet(path, book.chapters)
        if path in chosen:
            sheet = with_fresh_marks(sheet, workspace)
            files[path] = sheet.text
        files[book.printed_page(sheet.slug)] = render(sheet, book)
    return files


def _cells(sheet: Sheet) -> Iterator[Cell]:
    """Yield prose as it is, and each snippet as a cell, whose output says more than its mark."""
    for part in sheet.parts:
        if part.snippet is not None:
            yield Cell("code", _source(part.snippet), part.snippet.name, part.snippet.shows, line=part.number)
        elif any(line.strip() for line in part.lines):
            yield Cell("markdown", "\n".join(part.lines).strip("\n"))


def _versions(path: Path) -> Iterator[Cell]:
    ledger = read_ledger(path.with_name(LEDGER))
    if ledger is not None and (versions := render_table(ledger, path.stem)):
        yield Cell("markdown", f"## Since when\n\n{versions}")


def _source(snippet: Snippet) -> str:
    """Return a cell's source: the announcement, the magic, and the text with what it depends on."""
    options = [f"--as {_LANGUAGES[snippet.form]}"] if snippet.form in _LANGUAGES else []
    if snippet.given is not None:
        options.append(f"--given {shlex.quote(snippet.given)}")
    if len(snippet.on) == 1:
        options.append(f"--on {snippet.on[0]}")
    texts = [earlier.text.strip("\n") for earlier in snippet.depends_on] + [snippet.text.strip("\n")]
    return "\n".join([*_announced(snippet), " ".join(["%%op", *options]), "\n\n".join(texts)])


def _announced(snippet: Snippet) -> Iterator[str]:
    parts = []
    for dialect in BOTH:
        expected = snippet.expected.get(dialect)
        if expected is not None and expected.verdict.refused:
            parts.append(f"{dialect}<{expected.until}" if expected.until else str(dialect))
    if parts:
        yield " ".join(["%%fails", *parts])
