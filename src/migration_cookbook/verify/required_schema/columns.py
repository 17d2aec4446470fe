"""The type that a column of some name has, and values for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import interfaces
    from sqlalchemy.types import TypeEngine


COMPILERS: dict[Dialect, interfaces.Dialect] = {
    Dialect.SQLITE: sqlite.dialect(),
    Dialect.POSTGRES: postgresql.dialect(),  # type: ignore[no-untyped-call]
}

TEXT = "VARCHAR(255)"
INSTANT = "TIMESTAMP WITH TIME ZONE"

#: The first that fits the whole name. What is found by name is the weakest guess there is.
_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"(.*_)?(uuid|guid)", "UUID"),
    (r"(.*_)?id", "INTEGER"),
    (r"(is|has|can|was|needs)_.*|active|enabled|verified|published|archived|deleted", "BOOLEAN"),
    (r".*_at|timestamp|created|updated|modified|expires", INSTANT),
    (r".*_on|(.*_)?date|birthday|dob", "DATE"),
    (r"(.*_)?(price|amount|total|balance|cost|fee|rate|salary|weight|cents)", "NUMERIC(10, 2)"),
    (
        r"(.*_)?(count|quantity|qty|age|pages|year|position|rank|score|stock|size|level|priority|"
        r"version|seats|capacity|duration|rating|attempts|points|minutes|n)",
        "INTEGER",
    ),
    (r"(.*_)?(data|payload|metadata|meta|settings|attributes|attrs|properties|prefs|preferences)", "JSONB"),
)

_WHOLE = re.compile(r"\b(small|big)?(int|integer|serial)\d?\b|\b(small|big)serial\b", re.IGNORECASE)
_NUMBER = re.compile(r"numeric|decimal|real|double|float|money", re.IGNORECASE)
_LENGTH = re.compile(r"(?:VARYING|VARCHAR|CHAR|CHARACTER)\s*\((\d+)\)", re.IGNORECASE)

#: The values of row 1, 2 and 3 of the type whose name begins so; `{}` is the row's number.
_SAMPLES: tuple[tuple[str, str], ...] = (
    ("TIMESTAMP", "'2024-01-0{} 10:00:00'"),
    ("DATETIME", "'2024-01-0{} 10:00:00'"),
    ("DATERANGE", "'[2024-01-0{0},2024-01-0{0}]'"),
    ("DATE", "'2024-01-0{}'"),
    ("TIME", "'10:0{}:00'"),
    ("INTERVAL", "'{} days'"),
    ("JSON", "'{{\"n\": {}}}'"),
    ("UUID", "'00000000-0000-4000-8000-00000000000{}'"),
    ("BYTEA", "'\\x0{}'"),
    ("BLOB", "x'0{}'"),
    ("INET", "'10.0.0.{}'"),
    ("CIDR", "'10.0.{}.0/24'"),
    ("MACADDR", "'08:00:2b:01:02:0{}'"),
    ("TSTZRANGE", "'[2024-01-0{0} 10:00+00,2024-01-0{0} 11:00+00)'"),
    ("TSRANGE", "'[2024-01-0{0} 10:00,2024-01-0{0} 11:00)'"),
    ("INT4RANGE", "'[{0}0,{0}5)'"),
    ("INT8RANGE", "'[{0}0,{0}5)'"),
    ("NUMRANGE", "'[{0}0,{0}5)'"),
    ("TSVECTOR", "'word{}'"),
    ("HSTORE", "'n=>{}'"),
    ("LTREE", "'top.n{}'"),
    ("XML", "'<n>{}</n>'"),
    ("POINT", "'(0,{})'"),
    ("BIT", "B'1'"),
)


def type_by_name(name: str) -> str:
    """The type that a column of this name usually has."""
    for pattern, type_ in _BY_NAME:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return type_
    return TEXT


def spelled(type_: TypeEngine[object] | str, dialect: Dialect) -> str:
    """The type as it's written in a CREATE TABLE of that database; the nearest where it has no such type."""
    if isinstance(type_, type):
        # `existing_type=sa.Integer`, without the parentheses.
        type_ = type_()
    if isinstance(type_, str):
        text = type_
    else:
        try:
            text = type_.compile(COMPILERS[dialect])
        except sa.exc.CompileError:
            text = _compiled_elsewhere(type_)
    if dialect is Dialect.SQLITE and ("[" in text or text.upper().startswith(("SERIAL", "BIGSERIAL"))):
        return "INTEGER" if "SERIAL" in text.upper() else "TEXT"
    return text


def _compiled_elsewhere(type_: TypeEngine[object]) -> str:
    for compiler in COMPILERS.values():
        try:
            return type_.compile(compiler)
        except sa.exc.CompileError:
            continue
    return "TEXT"


def sample(type_: str, column: str, row: int, dialect: Dialect, labels: Sequence[str] = ()) -> str:
    """A literal that fits the type; another one in each row where the type has that many."""
    if labels:
        return quoted(labels[(row - 1) % len(labels)])
    upper = type_.upper()
    if upper.endswith("[]"):
        return "'{}'"
    if upper.startswith("BOOL"):
        return str(row % 2 == 1).lower() if dialect is Dialect.POSTGRES else str(row % 2)
    for start, pattern in _SAMPLES:
        if upper.startswith(start):
            return pattern.format(row)
    if _WHOLE.search(type_) or _NUMBER.search(type_):
        return str(row)
    return quoted(_word(column, row, type_))


def _word(column: str, row: int, type_: str) -> str:
    text = f"{column} {row}"
    length = _LENGTH.search(type_)
    return text if length is None or len(text) <= int(length[1]) else str(row)


def quoted(text: str) -> str:
    """As a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_text(type_: str) -> bool:
    """Whether anything can be written into it."""
    return type_.upper().startswith(("TEXT", "VARCHAR", "CHAR", "CITEXT"))


def is_whole(type_: str) -> bool:
    """Whether it counts by itself as a primary key."""
    return bool(_WHOLE.search(type_))
