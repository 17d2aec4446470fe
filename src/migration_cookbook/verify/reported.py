"""Is this the report of a trial? What somebody else's process sends may be anything."""

from __future__ import annotations

import functools
import re
import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any

from migration_cookbook.verify.trial import Trial

#: A terminal would obey them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class NoReportError(Exception):
    """It has another form."""


def report(value: Any) -> Trial:
    """The trial, each part of the type that it must have."""
    trial: Trial = _read(Trial, value)
    return trial


def _read(annotation: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _read(next(one for one in arguments if one is not type(None)), value)
    if origin is tuple:
        if not isinstance(value, list):
            raise NoReportError
        return tuple(_read(arguments[0], one) for one in value)
    if is_dataclass(annotation):
        return _read_parts(annotation, value)
    if type(value) is not annotation:
        raise NoReportError
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def _read_parts(annotation: Any, value: Any) -> Any:
    if not isinstance(value, dict) or set(value) != {one.name for one in fields(annotation)}:
        raise NoReportError
    hints = _hints(annotation)
    return annotation(**{name: _read(hints[name], part) for name, part in value.items()})


@functools.cache
def _hints(annotation: type) -> dict[str, Any]:
    return typing.get_type_hints(annotation)
