"""The ledger: since which version each snippet of the cheatsheets works, and where its SQL changed.

The ledger is written by `cookbook matrix`, from trials with several versions of the libraries.
A sheet's notebook ends with a table of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

#: Next to the sheets.
LEDGER = "versions.json"

_SHORT = {"works only outside a transaction": "outside a transaction only"}
_WIDTH = 80


@dataclass(frozen=True)
class Pair:
    """Versions of two libraries that are tried together."""

    alembic: str
    sqlalchemy: str

    def since(self, before: Pair | None) -> str:
        """Return `1.16`; with the other library where that changed, too."""
        mine, also = _minor(self.alembic), _minor(self.sqlalchemy)
        return (
            mine if before is None or also == _minor(before.sqlalchemy) else f"{mine} with SQLAlchemy {also}"
        )


@dataclass(frozen=True)
class VersionResult:
    """The result of a snippet from one pair on."""

    #: The number of the pair.
    since: int
    verdict: str
    sent: tuple[str, ...]


@dataclass(frozen=True)
class SnippetHistory:
    """The results of one snippet, on each database."""

    text: str
    steps: Mapping[str, tuple[VersionResult, ...]]


@dataclass(frozen=True)
class Ledger:
    """The results of all snippets with all pairs."""

    pairs: tuple[Pair, ...]
    #: With their versions, as in `SQLite 3.54.0`.
    databases: tuple[str, ...]
    sheets: Mapping[str, tuple[SnippetHistory, ...]]


# --- from trials, and as a file --------------------------------------------------------


def make_ledger(trials: Sequence[Sequence[Mapping[str, Any]]]) -> Ledger:
    """Make a ledger of the answers of `verify.check_sheets`: pairs from the oldest to the newest, of each pair one answer a server.

    A server is named in `postgres`, by its version; one answer at least speaks of SQLite.
    """
    newest = trials[-1]
    pairs = tuple(Pair(answers[0]["alembic"], answers[0]["sqlalchemy"]) for answers in trials)
    databases = {f"SQLite {answer['sqlite']}" for answer in newest}
    databases |= {f"PostgreSQL {answer['postgres']}" for answer in newest if answer["postgres"]}
    results = [_results(answers) for answers in trials]
    sheets = {
        name: tuple(
            _entry(name, text, results) for text in dict.fromkeys(snippet["text"] for snippet in snippets)
        )
        for name, snippets in newest[0]["files"].items()
    }
    return Ledger(pairs, tuple(sorted(databases, key=_rank)), sheets)


_Results = dict[tuple[str, str], dict[str, tuple[str, tuple[str, ...]]]]


def _results(answers: Iterable[Mapping[str, Any]]) -> _Results:
    """Return verdict and SQL by database, by sheet and text."""
    found: _Results = {}
    for answer in answers:
        for name, snippets in answer["files"].items():
            for snippet in snippets:
                known = found.setdefault((name, snippet["text"]), {})
                for dialect, finding in snippet["findings"].items():
                    known[_database(dialect, answer)] = finding["verdict"], tuple(finding["sent"])
    return found


def _database(dialect: str, answer: Mapping[str, Any]) -> str:
    return "SQLite" if dialect == Dialect.SQLITE else f"PostgreSQL {answer['postgres'].split('.')[0]}"


def _rank(database: str) -> tuple[bool, float]:
    """Sort SQLite first, then the older PostgreSQL."""
    _, _, version = database.partition(" ")
    return not database.startswith("SQLite"), float(".".join(version.split(".")[:2]) or 0)


def _entry(name: str, text: str, results: Sequence[_Results]) -> SnippetHistory:
    steps: dict[str, list[VersionResult]] = {}
    for number, found in enumerate(results):
        for database, (verdict, sent) in found.get((name, text), {}).items():
            known = steps.setdefault(database, [])
            if not known or (known[-1].verdict, known[-1].sent) != (verdict, sent):
                known.append(VersionResult(number, verdict, sent))
    return SnippetHistory(text, {database: tuple(steps[database]) for database in sorted(steps, key=_rank)})


def write_ledger(ledger: Ledger) -> str:
    """Return a ledger as the text of a file."""
    return json.dumps(asdict(ledger), indent=1, ensure_ascii=False) + "\n"


def read_ledger(path: Path) -> Ledger | None:
    """Read a ledger from its file, None if there is none."""
    if not path.exists():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    return Ledger(
        tuple(Pair(**pair) for pair in known["pairs"]),
        tuple(known["databases"]),
        {name: tuple(_read_entry(entry) for entry in entries) for name, entries in known["sheets"].items()},
    )


def _read_entry(known: Mapping[str, Any]) -> SnippetHistory:
    return SnippetHistory(
        known["text"],
        {
            database: tuple(VersionResult(one["since"], one["verdict"], tuple(one["sent"])) for one in steps)
            for database, steps in known["steps"].items()
        },
    )


# --- as a table ------------------------------------------------------------------------


def render_table(ledger: Ledger, name: str) -> str:
    """Return the table of one sheet as Markdown, with the sentence that says what was tried; empty for none."""
    entries = ledger.sheets.get(name, ())
    if not entries:
        return ""
    rows = [_row(ledger, entry) for entry in entries]
    unchanged = sum(_is_unchanged(entry) for entry in entries)
    lines = [
        f"Each snippet was tried with {_pairs(ledger)}; on {_and(ledger.databases)}. "
        f"{unchanged} of {len(rows)} stand in all of these as they do today, and send the same.",
        "",
        "| snippet | SQLite | PostgreSQL | its SQL |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *rows])


def _is_unchanged(entry: SnippetHistory) -> bool:
    verdicts = {steps[-1].verdict for database, steps in entry.steps.items() if database != "SQLite"}
    return len(verdicts) < 2 and all(len(steps) == 1 and not steps[0].since for steps in entry.steps.values())


def _pairs(ledger: Ledger) -> str:
    groups: dict[str, list[str]] = {}
    for pair in ledger.pairs:
        groups.setdefault(pair.sqlalchemy, []).append(pair.alembic)
    return ", and ".join(f"Alembic {_and(found)} with SQLAlchemy {other}" for other, found in groups.items())


def _row(ledger: Ledger, entry: SnippetHistory) -> str:
    postgres = {name.split(" ")[1]: steps for name, steps in entry.steps.items() if name != "SQLite"}
    words = {version: _status(ledger, steps) for version, steps in postgres.items()}
    cells = (
        f"`{_title(entry.text)}`",
        _status(ledger, entry.steps.get("SQLite", ())),
        *(
            set(words.values())
            if len(set(words.values())) == 1
            else ["; ".join(f"{version}: {said}" for version, said in words.items())]
        ),
        "; ".join(dict.fromkeys(_changes(ledger, entry))) or "the same",
    )
    return f"| {' | '.join(cells)} |"


def _status(ledger: Ledger, steps: Sequence[VersionResult]) -> str:
    """Return `works since 1.16`."""
    if not steps:
        return ""
    last = steps[-1].verdict
    since = next(
        (after.since for before, after in reversed(tuple(pairwise(steps))) if before.verdict != last),
        steps[0].since,
    )
    word = _SHORT.get(last, last)
    return f"{word} since {_since(ledger, since)}" if since else word


def _changes(ledger: Ledger, entry: SnippetHistory) -> Iterator[str]:
    """Yield where the SQL differs from before, if there was any before."""
    for database, steps in entry.steps.items():
        for before, after in pairwise(steps):
            if before.sent and after.sent and before.sent != after.sent:
                old, new = _first_difference(before.sent, after.sent)
                dialect = database.split(" ")[0]
                yield f"{dialect}, since {_since(ledger, after.since)}: `{new}` instead of `{old}`"


def _first_difference(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    pairs = zip([*old, ""], [*new, ""], strict=False)
    before, after = next((a, b) for a, b in pairs if a != b)
    return _title(before) or "nothing", _title(after) or "nothing"


def _since(ledger: Ledger, number: int) -> str:
    return ledger.pairs[number].since(ledger.pairs[number - 1] if number else None)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _title(text: str) -> str:
    """Return a text in one line, for a cell of a table."""
    line = " ".join(text.split())
    line = line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
    return line.replace("|", "\\|").replace("`", "'")


def _and(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
