"""Values that come out of a contained process, read strictly: it may send anything.

Each part has the type that it must have, numbers and lengths have bounds, and words are among those known.
"""

from __future__ import annotations

import enum
import functools
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.locks import Lock
from migration_cookbook.verify.values.outcome import Trial
from migration_cookbook.verify.values.snippet import Expected, Snippet
from migration_cookbook.verify.values.verdict import Finding, Verdict

#: Longer than any honest text, shorter than what would hold up a report.
_LONGEST = 200_000
_LONGEST_PAGE = 2_000_000
_MOST = 5_000
_LARGEST = 10**9

#: A terminal would obey the first; the second can't be written.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
#: What PostgreSQL calls them, and who may have to wait.
_MODES = frozenset({
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE", "ACCESS EXCLUSIVE",
})  # fmt: skip
_WAITING = frozenset({"SELECT", "INSERT", "UPDATE"})


class NoReportError(Exception):
    """It has another form."""


def read_trial(value: Any) -> Trial:
    """The trial, each part of the type that it must have."""
    trial: Trial = _read(Trial, value)
    if trial.refusal is not None and trial.refusal.sqlstate is not None:
        _require(_SQLSTATE.fullmatch(trial.refusal.sqlstate) is not None)
    _require((trial.ended == "done") == (trial.refusal is None and not trial.not_run) or trial.outside)
    _require(not trial.outside or (trial.ended == "done" and trial.refusal is not None))
    _check_locks(trial.locks)
    return trial


def read_finding(value: Any, dialect: Dialect) -> Finding:
    """What a contained judge said of a trial on this database."""
    finding: Finding = _read(Finding, value)
    _require(finding.dialect is dialect)
    _check_locks(finding.locks)
    return finding


def snippet_as_json(snippet: Snippet, places: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A snippet of a page; with the numbers of those that it depends on, if these are given by place."""
    plain = {
        name: value
        for name, value in vars(snippet).items()
        if name not in ("depends_on", "expected", "trusted")
    }
    return {
        **plain,
        "expected": {dialect.value: asdict(one) for dialect, one in snippet.expected.items()},
        "depends_on": [places[one.place] for one in snippet.depends_on] if places else [],
    }


def read_snippet(value: Any) -> Snippet:
    """One snippet, without those that it depends on."""
    if not isinstance(value, dict):
        raise NoReportError
    return _read_parts(Snippet, {**value, "depends_on": [], "trusted": False})  # type: ignore[no-any-return]


def read_page(value: Any, file: str) -> tuple[str, tuple[Snippet, ...]]:
    """The mistake in a page, and its snippets."""
    _require(isinstance(value, dict) and set(value) == {"mistake", "snippets"})
    mistake = _text(value["mistake"], _LONGEST)
    _require(isinstance(value["snippets"], list) and len(value["snippets"]) <= 50 * _MOST)
    found: list[Snippet] = []
    for one in value["snippets"]:
        snippet = read_snippet(one)
        numbers = one.get("depends_on")
        _require(isinstance(numbers, list) and snippet.file == file)
        _require(all(type(number) is int and 0 <= number < len(found) for number in numbers))
        found.append(
            replace(snippet, depends_on=tuple(replace(found[each], depends_on=()) for each in numbers))
        )
    return mistake, tuple(found)


def _check_locks(locks: tuple[Lock, ...]) -> None:
    for lock in locks:
        _require(lock.mode in _MODES and set(lock.waiting) <= _WAITING)


def _require(condition: bool) -> None:
    if not condition:
        raise NoReportError


def _read(annotation: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _read(next(one for one in arguments if one is not type(None)), value)
    if origin is typing.Literal:
        _require(type(value) is str and value in arguments)
        return value
    if origin is tuple:
        _require(isinstance(value, list) and len(value) <= _MOST)
        return tuple(_read(arguments[0], one) for one in value)
    if origin is Mapping:
        _require(isinstance(value, dict) and len(value) <= _MOST)
        return {_read(arguments[0], key): _read(arguments[1], one) for key, one in value.items()}
    if is_dataclass(annotation):
        return _read_parts(annotation, value)
    return _plain(annotation, value)


def _plain(annotation: Any, value: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        _require(type(value) is str and value in tuple(annotation))
        return annotation(value)
    _require(type(value) is annotation)
    if annotation is int:
        _require(0 <= value < _LARGEST)
    return _text(value, _LONGEST) if annotation is str else value


def _text(value: Any, longest: int, forbidden: re.Pattern[str] = _CONTROL) -> str:
    _require(isinstance(value, str) and len(value) <= longest)
    return forbidden.sub("\N{REPLACEMENT CHARACTER}", value)


def _read_parts(annotation: Any, value: Any) -> Any:
    if not isinstance(value, dict) or set(value) != {one.name for one in fields(annotation)}:
        raise NoReportError
    hints = _hints(annotation)
    parts = {name: _read(hints[name], part) for name, part in value.items() if name not in _AS_WRITTEN}
    # What its author wrote is shown as it is, and made harmless where it's printed.
    for name in _AS_WRITTEN & set(value):
        parts[name] = _text(value[name], _LONGEST_PAGE, _SURROGATE)
    return annotation(**parts)


#: The text and the place of a snippet.
_AS_WRITTEN = frozenset({"text", "file"})


@functools.cache
def _hints(annotation: type) -> dict[str, Any]:
    known = {one.__name__: one for one in (Expected, Dialect, Lock, Mapping, Snippet, Verdict)}
    return typing.get_type_hints(annotation, localns=known)
