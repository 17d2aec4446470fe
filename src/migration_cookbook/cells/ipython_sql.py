"""Running of statements through ipython-sql, without its pitfalls, as of version 0.5.0.

`sql.run.run` raises where the magic would only print. It gets our own connection
and no variables of the notebook, so that it finds no other connection and sends
no value that nobody meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import sqlparse

from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

_SETTINGS = SimpleNamespace(
    autocommit=False, autolimit=0, autopandas=False, displaylimit=None, feedback=False, style="DEFAULT"
)
#: A colon and a word: SQLAlchemy would take it for a parameter, in JSON and in times of day too.
_BIND = re.compile(r"(?<![:\w\\]):(?=\w)")


@dataclass(frozen=True)
class StatementResult:
    """The result of one statement."""

    statement: str
    #: None where the statement returns no rows.
    columns: tuple[str, ...] | None
    rows: tuple[tuple[Any, ...], ...]
    #: How many rows an INSERT, UPDATE or DELETE changed; None for other statements.
    count: int | None

    @property
    def verb(self) -> str:
        words = re.sub(r"--[^\n]*|/\*.*?\*/", " ", self.statement, flags=re.DOTALL).upper().split()
        two = words[0] in ("CREATE", "DROP", "ALTER", "SET", "START") and len(words) > 1
        return " ".join(words[:2] if two else words[:1]).rstrip(";")


class _CountingConnection:
    """The connection as ipython-sql uses it, with the row count that ipython-sql drops."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.count: int | None = None

    def execute(self, statement: Any, _variables: Any) -> Any:
        result = self._connection.execute(statement)
        self.count = result.rowcount if not result.returns_rows and result.rowcount >= 0 else None
        return result


def statements(text: str) -> list[str]:
    """Split a cell into its statements."""
    pieces = [one.strip() for one in _split(text)]
    kept = [
        one
        for one in pieces
        if one.rstrip(";").strip() and sqlparse.format(one, strip_comments=True).strip(" ;\n")
    ]
    for one in kept:
        if one.startswith("\\"):
            raise CookbookError(
                f"`{one.split()[0]}` is a command of psql, not SQL. %schema shows tables here."
            )
    return kept


def _split(text: str) -> Iterator[str]:
    for one in sqlparse.split(text):
        # To sqlparse, `BEGIN ISOLATION LEVEL …;` opens a block with everything after it.
        begin, _, rest = one.partition(";")
        if begin.upper().startswith("BEGIN") and rest.strip():
            yield f"{begin};"
            yield from _split(rest)
        else:
            yield one


def run(connection: sa.Connection, statement: str) -> StatementResult:
    """Run one statement through ipython-sql; a refusal of the database raises."""
    import sql.run

    counting = _CountingConnection(connection)
    handle = SimpleNamespace(internal_connection=counting, dialect=connection.dialect.name, name="")
    text = _BIND.sub(r"\:", statement.rstrip().rstrip(";"))
    if text.upper().startswith("BEGIN"):
        # ipython-sql refuses statements whose first word is this.
        text = f"/**/ {text}"
    results = sql.run.run(handle, text, _SETTINGS, {})
    if results.pretty is None:
        return StatementResult(statement, None, (), counting.count)
    return StatementResult(statement, tuple(results.field_names), tuple(tuple(row) for row in results), None)
