"""The learner's progress, kept in the workspace, where no update of the book touches it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from migration_cookbook.workspace import is_text, keep_copy, read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class Record:
    """The record of one exercise."""

    #: Once passed, it stays passed.
    passed: bool = False
    checks: int = 0
    #: How many hints were shown, and how often the solution was requested.
    hints: int = 0
    asked: int = 0


@dataclass(frozen=True)
class Progress:
    """The records of all exercises, including those that the book no longer has."""

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
class PageProgress:
    """The progress of one page of the book, by the ids of its exercises."""

    notebook: str
    passed: tuple[str, ...]
    open: tuple[str, ...]


def load(workspace: Workspace) -> Progress:
    """Read the record of each exercise; damaged ones are left out."""
    known = read_json(_path(workspace))
    records = known.items() if isinstance(known, dict) else ()
    return Progress(
        {
            name: record
            for name, values in records
            if is_text(name) and (record := _record(values)) is not None
        }
    )


def _record(values: Any) -> Record | None:
    known: dict[str, type] = {each.name: type(each.default) for each in fields(Record)}
    if not isinstance(values, dict) or not values.keys() <= known.keys():
        return None
    if any(type(value) is not known[name] for name, value in values.items()):
        return None
    # Nobody checks an exercise a billion times.
    return Record(**values) if all(0 <= count < 10**9 for count in values.values()) else None


def record_check(workspace: Workspace, name: str, passed: bool) -> Progress:
    """Record one more check, and whether the answer was right."""
    return _change(
        workspace, name, lambda known: replace(known, checks=known.checks + 1, passed=known.passed or passed)
    )


def record_hint(workspace: Workspace, name: str) -> Progress:
    """Record one more hint."""
    return _change(workspace, name, lambda known: replace(known, hints=known.hints + 1))


def record_solution(workspace: Workspace, name: str) -> Progress:
    """Record one more request of the solution."""
    return _change(workspace, name, lambda known: replace(known, asked=known.asked + 1))


def table(exercises: Mapping[str, Exercise], progress: Progress) -> tuple[PageProgress, ...]:
    """Return the progress of the book's pages with exercises, in the book's order."""
    pages = dict.fromkeys(each.notebook for each in exercises.values())
    rows = []
    for page in pages:
        names = [each.id for each in exercises.values() if each.notebook == page]
        done = tuple(name for name in names if progress.passed(name))
        rows.append(PageProgress(page, done, tuple(name for name in names if name not in done)))
    return tuple(sorted(rows, key=lambda row: row.notebook))


def _change(workspace: Workspace, name: str, change: Callable[[Record], Record]) -> Progress:
    with workspace.lock("progress"):
        known = load(workspace)
        if _is_damaged(workspace, known):
            keep_copy(_path(workspace), workspace.kept)
        changed = Progress({**known.records, name: change(known.of(name))})
        text = json.dumps({each: asdict(record) for each, record in changed.records.items()}, indent=1)
        write_atomically(_path(workspace), text + "\n")
    return changed


def _is_damaged(workspace: Workspace, known: Progress) -> bool:
    """Whether the file has anything in it that would be lost when it is written again."""
    content = read_json(_path(workspace))
    return _path(workspace).exists() and not (
        isinstance(content, dict) and content.keys() == known.records.keys()
    )


def _path(workspace: Workspace) -> Path:
    return workspace.root / "practice" / "progress.json"
