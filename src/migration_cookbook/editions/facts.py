"""Checks that each fact of the book is shown where the book says it is.

What must be seen was written down before the cells were. A recorded output, or the SQL
that a cell sent, must contain it: on SQLite and on PostgreSQL, each in its own words.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migration_cookbook.editions.recorded import output_text
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

COLUMNS = ["id", "topic", "fact", "home", "seen_sqlite", "seen_postgres"]
#: The home of a fact that no page will show reads `not shown: ` and the reason.
NOT_SHOWN = "not shown: "
#: The only facts that may go unshown.
UNSHOWN: frozenset[str] = frozenset()

_BOTH = ("sqlite", "postgres")
#: The lines by which an output of two databases says whose part follows.
_HEADINGS = {"SQLite:": ("sqlite",), "PostgreSQL:": ("postgres",), "SQLite and PostgreSQL:": _BOTH}


@dataclass(frozen=True)
class Fact:
    """A statement that the book makes and shows."""

    id: str
    topic: str
    fact: str
    #: The slug of the page that shows it.
    home: str
    #: The text that an output, or the SQL sent, must contain for each database.
    seen_sqlite: str
    seen_postgres: str


@dataclass(frozen=True)
class ShowingCell:
    """A recorded cell that says it shows a fact."""

    page: str
    id: str
    #: Its outputs and the SQL it sent, by database, with single spaces.
    evidence: Mapping[str, str]

    @property
    def place(self) -> str:
        return f"notebooks/{self.page}.ipynb, cell {self.id}"


@dataclass(frozen=True)
class FactReport:
    """The state of the facts."""

    problems: tuple[str, ...]
    #: By id of the fact: where it is shown.
    shown: Mapping[str, tuple[ShowingCell, ...]]
    planned: tuple[str, ...]
    not_shown: tuple[str, ...]


def load_facts(path: Path) -> tuple[Fact, ...]:
    """Read all facts, in the file's order."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except OSError as error:
        raise CookbookError(f"{path.name} can't be read: {error.strerror}.") from None
    if not rows or rows[0] != COLUMNS:
        raise CookbookError(f"{path.name}:1: the columns must be {','.join(COLUMNS)}.")
    facts: dict[str, Fact] = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS) or not all(row[:4]):
            raise CookbookError(
                f"{path.name}: row {number} needs {len(COLUMNS)} columns, the first four filled."
            )
        fact = Fact(*(column.strip() for column in row))
        if fact.id in facts:
            raise CookbookError(f"{path.name}: row {number} repeats the fact {fact.id}.")
        facts[fact.id] = fact
    return tuple(facts.values())


def check_facts(facts: Sequence[Fact], notebooks: Mapping[str, Any]) -> FactReport:
    """Compare the facts with the recorded notebooks, given by slug."""
    known = {fact.id for fact in facts}
    showing = showing_cells(notebooks)
    problems = [
        f"{cell.place} shows {fact}, which is no fact of facts.csv."
        for fact, cells in showing.items()
        if fact not in known
        for cell in cells
    ]
    planned, not_shown = [], []
    for fact in facts:
        if fact.home.startswith(NOT_SHOWN.strip()):
            not_shown.append(fact.id)
        elif fact.home not in notebooks and fact.id not in showing:
            planned.append(fact.id)
        problems += _problems(fact, showing.get(fact.id, ()), notebooks)
    return FactReport(tuple(problems), showing, tuple(planned), tuple(not_shown))


def showing_cells(notebooks: Mapping[str, Any]) -> dict[str, tuple[ShowingCell, ...]]:
    """Return the cells that say they show a fact, by the fact's id."""
    found: dict[str, tuple[ShowingCell, ...]] = {}
    for page, notebook in sorted(notebooks.items()):
        for cell in notebook.cells:
            shows = cell.metadata.get("cookbook", {}).get("shows", ())
            if not shows:
                continue
            showing = ShowingCell(page, cell.id, evidence(cell))
            for fact in shows:
                found[fact] = (*found.get(fact, ()), showing)
    return found


def evidence(cell: Any) -> dict[str, str]:
    """Return what a recorded cell printed and sent, by database."""
    parts: dict[str, list[str]] = {database: [] for database in _BOTH}
    for output in cell.outputs:
        for databases, line in _by_database(output_text(output)):
            for database in databases:
                parts[database].append(line)
        sent = output.get("metadata", {}).get("cookbook", {}).get("sent", {})
        for database, statements in sent.items():
            parts[database].extend(statements)
    return {database: _single_spaced("\n".join(lines)) for database, lines in parts.items()}


def _problems(fact: Fact, cells: Sequence[ShowingCell], notebooks: Mapping[str, Any]) -> Iterator[str]:
    if fact.home.startswith(NOT_SHOWN.strip()):
        if fact.id not in UNSHOWN or not fact.home.removeprefix(NOT_SHOWN.strip()).strip():
            yield f"{fact.id} may not go unshown: give it a page, or a reason and a place in the closed list."
        return
    if fact.home not in notebooks and not cells:
        return
    if not cells:
        yield f"{fact.id} is shown nowhere, and its home {fact.home} exists: {fact.fact}"
    elif not (fact.seen_sqlite or fact.seen_postgres):
        yield f"{fact.id} is shown, but facts.csv does not say what is to be seen."
    elif missing := _missing(fact, cells):
        yield f"{', '.join(cell.place for cell in cells)} does not show {fact.id}: {missing}."


def _missing(fact: Fact, cells: Sequence[ShowingCell]) -> str:
    """Say what none of the cells shows; one may be there for SQLite, and another for PostgreSQL."""
    expected = {"sqlite": fact.seen_sqlite, "postgres": fact.seen_postgres}
    missing = [
        f"{text!r} is not seen on {database}"
        for database, text in expected.items()
        if text and not any(_single_spaced(text) in cell.evidence[database] for cell in cells)
    ]
    return " and ".join(missing)


def _by_database(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each line with the databases it is about. Before the first heading these are both."""
    databases: tuple[str, ...] = _BOTH
    for line in text.splitlines():
        if line in _HEADINGS:
            databases = _HEADINGS[line]
        elif line and not line[0].isspace():
            # A line at the margin belongs to no part: the closing one, or the next command.
            databases = _BOTH
        yield databases, line


def _single_spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
