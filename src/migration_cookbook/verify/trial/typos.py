"""Names that look like typos. The required schema is made to fit them, so no database complains."""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import TYPE_CHECKING, Any

from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    BulkInsertOp,
    CreateTableOp,
    DropColumnOp,
    MigrateOperation,
)

from migration_cookbook.verify.required_schema.downgrade import full_name
from migration_cookbook.verify.required_schema.oddities import is_odd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.verify.required_schema.draft import Draft

#: Shorter names are often alike and meant.
_LONG_ENOUGH = 5
#: Each name is compared with each: as many as people write, and no longer ones.
_MOST_COMPARED = 500
_LONGEST = 100
#: What Alembic's operations on columns take beside what their signatures say: options of some database.
_OPTION = re.compile(
    r"(postgresql|sqlite|mysql|mariadb|mssql|oracle)_\w+|(existing_)?autoincrement|insert_(before|after)"
)
#: SQLAlchemy's words for an argument that might be a database's, if there were one of that name.
_NO_SUCH_DATABASE = r"Can't validate argument '(\w+)'"


def find_typos(draft: Draft, operations: Sequence[Any]) -> Iterator[str]:
    """A sentence for each name that is one letter away from its neighbor, and for each misspelled key."""
    tables = {name: set(table.columns) for name, table in draft.tables.items()}
    for operation in operations:
        if isinstance(operation, MigrateOperation) and is_odd(operation):
            continue
        if isinstance(operation, CreateTableOp):
            tables[full_name(operation.table_name, operation.schema)] = set()
        elif isinstance(operation, AddColumnOp):
            tables.setdefault(str(operation.table_name), set()).add(str(operation.column.name))
        elif isinstance(operation, BulkInsertOp):
            yield from _unknown_keys(operation)
        if isinstance(operation, AlterColumnOp | DropColumnOp):
            yield from (_ignored(name) for name in operation.kw if not _OPTION.fullmatch(name))
    yield from (f"{one} and {other} are nearly the same table name" for one, other in _near(sorted(tables)))
    for table, columns in tables.items():
        for one, other in _near(sorted(columns)):
            yield f"{table}.{one} and {table}.{other} are nearly the same name"


@contextlib.contextmanager
def ignored_arguments() -> Iterator[list[str]]:
    """Sentences about arguments that SQLAlchemy passes over within the block; complete when it ends."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as seen:
        warnings.filterwarnings("always", _NO_SUCH_DATABASE)
        yield found
    for warning in seen:
        if match := re.match(_NO_SUCH_DATABASE, str(warning.message)):
            found.append(_ignored(match[1]))


def _ignored(argument: str) -> str:
    return f"the argument {argument} is passed over in silence: nobody knows it"


def _unknown_keys(operation: BulkInsertOp) -> Iterator[str]:
    known = {column.key for column in operation.table.c}
    keys = {key for row in operation.rows if isinstance(row, dict) for key in row}
    for key in sorted(keys - known):
        yield f"bulk_insert ignores the key {key!r}: {operation.table.name} has no such column"


def _near(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    compared = [name for name in names if _LONG_ENOUGH <= len(name) <= _LONGEST][:_MOST_COMPARED]
    for position, one in enumerate(compared):
        for other in compared[position + 1 :]:
            if abs(len(one) - len(other)) <= 1 and _is_one_edit(one, other):
                yield one, other


def _is_one_edit(one: str, other: str) -> bool:
    """One letter more, less, another, or two swapped; no plural, no number."""
    if one[:-1] == other or other[:-1] == one or any(map(str.isdigit, one + other)):
        return False
    if len(one) == len(other):
        different = [n for n in range(len(one)) if one[n] != other[n]]
        swapped = (
            len(different) == 2
            and different[1] == different[0] + 1
            and one[different[0]] == other[different[1]]
            and one[different[1]] == other[different[0]]
        )
        return len(different) == 1 or swapped
    shorter, longer = sorted((one, other), key=len)
    return len(longer) == len(shorter) + 1 and any(
        longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer))
    )
