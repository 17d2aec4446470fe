"""Encoding of frozen dataclasses as JSON, and decoding to equal values."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from migration_cookbook.databases.dialects import Dialect


def encode(value: Any) -> Any:
    """Return the value in types that JSON has."""
    # Nearly all values are of these types.
    if value is None or isinstance(value, str | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _field_names(type(value))}
    if isinstance(value, Mapping):
        return {str(key): encode(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [encode(each) for each in value]
    return value


def decode(annotation: Any, data: Any) -> Any:
    """Return the value of that type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return (
            None if data is None else decode(next(each for each in arguments if each is not type(None)), data)
        )
    if origin is tuple:
        return tuple(decode(arguments[0], each) for each in data)
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        return {decode(arguments[0], key): decode(arguments[1], each) for key, each in data.items()}
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        field_types = _field_types(annotation)
        return annotation(**{name: decode(field_types[name], each) for name, each in data.items()})
    return Dialect(data) if annotation is Dialect else data


@functools.cache
def _field_names(annotation: type) -> tuple[str, ...]:
    return tuple(each.name for each in dataclasses.fields(annotation))


@functools.cache
def _field_types(annotation: type) -> dict[str, Any]:
    """Return the types of the fields; finding them takes longer than everything else."""
    return typing.get_type_hints(annotation, localns={"Dialect": Dialect, "Mapping": Mapping})
