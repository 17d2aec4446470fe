"""What has been practiced? Kept in the workspace, where no update of the book touches it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from migration_cookbook.workspace import read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class Record:
    """What is known of one exercise."""

    #: Once passed, it stays passed.
    passed: bool = False
    checks: int = 0
    #: How many hints were shown, and how often the solution was asked for.
    hints: int = 0
    asked: int = 0


@dataclass(frozen=True)
class Progress:
    """What is known of all exercises, of those too that the book no longer has."""

    records: Mapping[str, Record] = field(default_factory=dict)

    def of(self, name: str) -> Record:
        return self.records.get(name, Record())

    def passed(self, name: str) -> bool:
        return self.of(name).passed

    def hints(self, name: str) -> int:
        return self.of(name).hints

    def asked(self, name: str) -> int:
        return self.of(name).asked


@dataclass(frozen=True)
class Row:
    """One page of the book, and how far its exercises are."""

    notebook: str
    passed: tuple[str, ...]
    open: tuple[str, ...]


def load(workspace: Workspace) -> Progress:
    known = read_json(_path(workspace)) or {}
    return Progress({name: Record(**values) for name, values in known.items()})


def record_check(workspace: Workspace, name: str, passed: bool) -> Progress:
    """One more check, and whether it was right."""
    return _change(
        workspace, name, lambda known: replace(known, checks=known.checks + 1, passed=known.passed or passed)
    )


def record_hint(workspace: Workspace, name: str) -> Progress:
    """One more hint was shown."""
    return _change(workspace, name, lambda known: replace(known, hints=known.hints + 1))


def record_solution(workspace: Workspace, name: str) -> Progress:
    """The solution was asked for once more."""
    return _change(workspace, name, lambda known: replace(known, asked=known.asked + 1))


def table(exercises: Mapping[str, Exercise], progress: Progress) -> tuple[Row, ...]:
    """The book's pages with exercises, in the book's order."""
    pages = dict.fromkeys(each.notebook for each in exercises.values())
    rows = []
    for page in pages:
        names = [each.id for each in exercises.values() if each.notebook == page]
        done = tuple(name for name in names if progress.passed(name))
        rows.append(Row(page, done, tuple(name for name in names if name not in done)))
    return tuple(sorted(rows, key=lambda row: row.notebook))


def _change(workspace: Workspace, name: str, change: Callable[[Record], Record]) -> Progress:
    with workspace.lock("progress"):
        known = load(workspace)
        changed = Progress({**known.records, name: change(known.of(name))})
        text = json.dumps({each: asdict(record) for each, record in changed.records.items()}, indent=1)
        write_atomically(_path(workspace), text + "\n")
    return changed


def _path(workspace: Workspace) -> Path:
    return workspace.root / "practice" / "progress.json"
