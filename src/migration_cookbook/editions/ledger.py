"""Since which version does each snippet of the cheatsheets work, and where did its SQL change?

The ledger is written by `cookbook matrix`, from trials with several versions of the libraries.
A sheet's long edition, its notebook, ends with a table of it.
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

#: Stands beside the sheets.
LEDGER = "versions.json"

_SHORT = {"works only outside a transaction": "outside a transaction only"}
_WIDTH = 80


@dataclass(frozen=True)
class Pair:
    """Two libraries that belong together."""

    alembic: str
    sqlalchemy: str

    def since(self, before: Pair | None) -> str:
        """`1.16`; with the other library where that changed, too."""
        mine, also = _minor(self.alembic), _minor(self.sqlalchemy)
        return (
            mine if before is None or also == _minor(before.sqlalchemy) else f"{mine} with SQLAlchemy {also}"
        )


@dataclass(frozen=True)
class Step:
    """How it is from one pair on."""

    #: The number of the pair.
    since: int
    verdict: str
    sent: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One snippet, on each database."""

    text: str
    steps: Mapping[str, tuple[Step, ...]]


@dataclass(frozen=True)
class Ledger:
    """What was tried with what."""

    pairs: tuple[Pair, ...]
    #: With their versions.
    databases: tuple[str, ...]
    sheets: Mapping[str, tuple[Entry, ...]]


# --- from trials, and as a file --------------------------------------------------------


def ledger(trials: Sequence[Sequence[Mapping[str, Any]]]) -> Ledger:
    """Of what `verify.check_sheets` said: the pairs from the oldest to the newest, of each pair one answer a server.

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
    """By sheet and text: by database the verdict and the SQL."""
    found: _Results = {}
    for answer in answers:
        for name, snippets in answer["files"].items():
            for snippet in snippets:
                known = found.setdefault((name, snippet["text"]), {})
                for kind, finding in snippet["findings"].items():
                    known[_database(kind, answer)] = finding["verdict"], tuple(finding["sent"])
    return found


def _database(kind: str, answer: Mapping[str, Any]) -> str:
    return "SQLite" if kind == Dialect.SQLITE else f"PostgreSQL {answer['postgres'].split('.')[0]}"


def _rank(database: str) -> tuple[bool, float]:
    """SQLite first, then the older PostgreSQL."""
    _, _, version = database.partition(" ")
    return not database.startswith("SQLite"), float(".".join(version.split(".")[:2]) or 0)


def _entry(name: str, text: str, results: Sequence[_Results]) -> Entry:
    steps: dict[str, list[Step]] = {}
    for number, found in enumerate(results):
        for database, (verdict, sent) in found.get((name, text), {}).items():
            known = steps.setdefault(database, [])
            if not known or (known[-1].verdict, known[-1].sent) != (verdict, sent):
                known.append(Step(number, verdict, sent))
    return Entry(text, {database: tuple(steps[database]) for database in sorted(steps, key=_rank)})


def write_ledger(told: Ledger) -> str:
    """As the text of a file."""
    return json.dumps(asdict(told), indent=1, ensure_ascii=False) + "\n"


def read_ledger(path: Path) -> Ledger | None:
    """From the file, None if there is none."""
    if not path.exists():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    return Ledger(
        tuple(Pair(**pair) for pair in known["pairs"]),
        tuple(known["databases"]),
        {name: tuple(_read_entry(entry) for entry in entries) for name, entries in known["sheets"].items()},
    )


def _read_entry(known: Mapping[str, Any]) -> Entry:
    return Entry(
        known["text"],
        {
            database: tuple(Step(one["since"], one["verdict"], tuple(one["sent"])) for one in steps)
            for database, steps in known["steps"].items()
        },
    )


# --- as a table ------------------------------------------------------------------------


def table(told: Ledger, name: str) -> str:
    """The table of one sheet as Markdown, with the sentence that says what was tried; empty for none."""
    entries = told.sheets.get(name, ())
    if not entries:
        return ""
    rows = [_row(told, entry) for entry in entries]
    deterministic = sum(_is_steady(entry) for entry in entries)
    lines = [
        f"Each snippet was tried with {_pairs(told)}; on {_and(told.databases)}. "
        f"{deterministic} of {len(rows)} stand in all of these as they do today, and send the same.",
        "",
        "| snippet | SQLite | PostgreSQL | its SQL |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *rows])


def _is_steady(entry: Entry) -> bool:
    verdicts = {steps[-1].verdict for database, steps in entry.steps.items() if database != "SQLite"}
    return len(verdicts) < 2 and all(len(steps) == 1 and not steps[0].since for steps in entry.steps.values())


def _pairs(told: Ledger) -> str:
    groups: dict[str, list[str]] = {}
    for pair in told.pairs:
        groups.setdefault(pair.sqlalchemy, []).append(pair.alembic)
    return ", and ".join(f"Alembic {_and(found)} with SQLAlchemy {other}" for other, found in groups.items())


def _row(told: Ledger, entry: Entry) -> str:
    postgres = {name.split(" ")[1]: steps for name, steps in entry.steps.items() if name != "SQLite"}
    words = {version: _stands(told, steps) for version, steps in postgres.items()}
    cells = (
        f"`{_title(entry.text)}`",
        _stands(told, entry.steps.get("SQLite", ())),
        *(
            set(words.values())
            if len(set(words.values())) == 1
            else ["; ".join(f"{version}: {said}" for version, said in words.items())]
        ),
        "; ".join(dict.fromkeys(_changes(told, entry))) or "the same",
    )
    return f"| {' | '.join(cells)} |"


def _stands(told: Ledger, steps: Sequence[Step]) -> str:
    """`works since 1.16`."""
    if not steps:
        return ""
    last = steps[-1].verdict
    since = next(
        (after.since for before, after in reversed(tuple(pairwise(steps))) if before.verdict != last),
        steps[0].since,
    )
    word = _SHORT.get(last, last)
    return f"{word} since {_since(told, since)}" if since else word


def _changes(told: Ledger, entry: Entry) -> Iterator[str]:
    """Where it is sent otherwise than before, and was sent before."""
    for database, steps in entry.steps.items():
        for before, after in pairwise(steps):
            if before.sent and after.sent and before.sent != after.sent:
                old, new = _first_difference(before.sent, after.sent)
                kind = database.split(" ")[0]
                yield f"{kind}, since {_since(told, after.since)}: `{new}` instead of `{old}`"


def _first_difference(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    pairs = zip([*old, ""], [*new, ""], strict=False)
    before, after = next((a, b) for a, b in pairs if a != b)
    return _title(before) or "nothing", _title(after) or "nothing"


def _since(told: Ledger, number: int) -> str:
    return told.pairs[number].since(told.pairs[number - 1] if number else None)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _title(text: str) -> str:
    """In one line, for a cell of a table."""
    line = " ".join(text.split())
    line = line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
    return line.replace("|", "\\|").replace("`", "'")


def _and(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
