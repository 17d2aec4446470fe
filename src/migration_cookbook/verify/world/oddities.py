"""Pass over what an odd snippet makes fail, but not over mistakes of the checker's own."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from migration_cookbook.package import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.operations.ops import MigrateOperation

#: Set by the tests: what's logged otherwise is raised.
STRICT_VARIABLE = "COOKBOOK_VERIFY_STRICT"

#: Fields of Alembic's operations, by what must be in them.
_NAMES = ("column_name", "new_table_name", "source_table", "referent_table")
_OPTIONAL_NAMES = ("table_name", "schema", "index_name", "constraint_name", "modify_name")
_LISTS = ("columns", "local_cols", "remote_cols", "elements")
_PARTS = {"column": sa.Column, "table": sa.TableClause}
_TYPES = ("modify_type", "existing_type")
#: What compiling or running a text may come to, on whichever line of ours that is.
_OF_THE_TEXT = (SyntaxError, RecursionError, MemoryError)
_log = logging.getLogger(__name__)


class CheckerError(BaseException):
    """A mistake of the checker's own. Not an `Exception`, because nobody on the way may pass over it."""


@contextlib.contextmanager
def ignoring_odd_operations() -> Iterator[None]:
    """Around code that reads one operation: what fails there must not hide what the next ones need."""
    try:
        yield
    except Exception as error:
        _report("A snippet's operation can't be read, so what it needs isn't known", error)


@contextlib.contextmanager
def ignoring_the_snippets_end() -> Iterator[None]:
    """Around code of the snippet's, which may raise anything: that ends it, and no more."""
    try:
        yield
    except Exception as error:
        report_if_ours(error)


def is_odd(operation: MigrateOperation) -> bool:
    """Whether an operation of Alembic's holds what Alembic itself can't carry out, as `create_index("i", "t", None)`."""
    given = vars(operation)
    options = given.get("kw") or {}
    names = {name: given[name] for name in (*_NAMES, *_OPTIONAL_NAMES) if name in given}
    return (
        any(not isinstance(name, str | None) for name in names.values())
        or any(given[name] is None for name in _NAMES if name in given)
        or any(not isinstance(given[name], Iterable) for name in _LISTS if name in given)
        or any(not _is_pair(one) for one in given.get("elements", ()))
        or any(not isinstance(given[name], type_) for name, type_ in _PARTS.items() if name in given)
        or any(not _is_type(given.get(name)) for name in _TYPES)
        or not isinstance(options.get("postgresql_ops") or {}, Mapping)
        or not isinstance(options.get("postgresql_include") or (), Iterable)
    )


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def _is_type(value: object) -> bool:
    return (
        value is None
        or isinstance(value, TypeEngine)
        or (isinstance(value, type) and issubclass(value, TypeEngine))
    )


def report_if_ours(error: Exception) -> None:
    """Log or raise an error that came up in the checker's own code while it ran a snippet."""
    if _is_ours(error):
        _report("The checker failed while it ran a snippet", error)


def _is_ours(error: Exception) -> bool:
    """Whether our own line failed, and didn't raise one of our own exceptions on purpose."""
    on_purpose = type(error).__module__.partition(".")[0] == __package__.partition(".")[0]
    if on_purpose or isinstance(error, _OF_THE_TEXT):
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and Path(frames[-1].f_code.co_filename).is_relative_to(FOLDER)


def _report(what: str, error: Exception) -> None:
    if os.environ.get(STRICT_VARIABLE):
        raise CheckerError(f"{what}: {type(error).__name__}: {error}") from error
    _log.warning(what, exc_info=error)
