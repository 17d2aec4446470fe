"""What is there a better way for? A small table of popular lines, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.databases.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

_AUTOCOMMIT = "`with op.get_context().autocommit_block():` runs it outside the transaction"
_DIALECT = '`if op.get_context().dialect.name == "postgresql":` runs it on one database only'


@dataclass(frozen=True)
class _Advice:
    #: Must be found in the text, ignoring case.
    text: str
    #: Must be found in the message; empty: also where it works.
    message: str
    sentence: str
    kind: Kind | None = None
    #: Must not be found in the text.
    without: str | None = None


_BETTER = (
    _Advice("concurrently", "transaction", _AUTOCOMMIT),
    _Advice(r"execute\(\s*[\"']\s*(commit|begin)", "", _AUTOCOMMIT),
    _Advice(
        "add value", "unsafe use of new value", f"{_AUTOCOMMIT}, and the new label can be used afterwards"
    ),
    _Advice(
        r"alter_column|_constraint|foreign_key",
        r"near \"(ALTER|TYPE|CONSTRAINT|DROP|SET)\"|No support for ALTER",
        "`with op.batch_alter_table(…)` rebuilds the table on SQLite and is one ALTER on PostgreSQL",
        Kind.SQLITE,
    ),
    _Advice(r"exclude|gist", "no default operator class", "`CREATE EXTENSION btree_gist` first"),
    _Advice(
        r"now\(\)",
        r"no such function: now|unknown function: now|non-constant default",
        "`CURRENT_TIMESTAMP` works on both databases; SQLite adds a column with it only in batch mode",
        Kind.SQLITE,
    ),
    _Advice(r"execute\(\s*f[\"']", "", '`sa.text("… :name").bindparams(name=…)` instead of an f-string'),
    _Advice(r"drop_constraint\(\s*None", "", "give the constraint a name, or use a naming convention"),
    # SQLAlchemy's own `execute_if` is for events: `op.execute` sends such a statement to any database.
    _Advice(r"execute_if", "has no attribute 'execute_if'", _DIALECT),
    _Advice(r"execute_if\([\s\S]*concurrently", "has no attribute 'execute_if'", _AUTOCOMMIT),
    _Advice(r"json", "A value is required for bind parameter", "write `\\:` where a colon is no parameter"),
    _Advice(
        r"not null|nullable=False",
        "contains null values|default value NULL",
        "add a `server_default`, or add, fill, then forbid NULL",
    ),
    _Advice(
        r"enum\(",
        r"type \"\w+\" does not exist",
        "create the type first: `enum.create(op.get_bind(), checkfirst=True)`",
        Kind.POSTGRES,
    ),
    _Advice("pgcrypto|uuid-ossp", "is not available", "`gen_random_uuid()` needs no extension"),
    _Advice(
        "bindparams|execute",
        "takes from 2 to 3 positional|unexpected keyword argument",
        '`sa.text("… :name").bindparams(name=…)`',
    ),
)

#: Options that one database does not know and passes over in silence.
_IGNORED = (
    (
        Kind.SQLITE,
        r"postgresql_where",
        "sqlite_where",
        "postgresql_where is ignored: the index holds all rows",
    ),
    (Kind.SQLITE, r"postgresql_using", None, "postgresql_using is ignored: a plain index is built"),
    (Kind.SQLITE, r"postgresql_ops", None, "postgresql_ops is ignored: a plain index is built"),
    (Kind.SQLITE, r"postgresql_include", None, "postgresql_include is ignored"),
    (Kind.POSTGRES, r"sqlite_where", "postgresql_where", "sqlite_where is ignored: the index holds all rows"),
    (Kind.SQLITE, r"[(,]\s*comment\s*=\s*[\"']", None, "the comment is not stored: SQLite has none"),
    (
        Kind.SQLITE,
        r"ondelete\s*=|onupdate\s*=",
        None,
        "SQLite acts on ondelete and onupdate only with PRAGMA foreign_keys=ON",
    ),
    (Kind.POSTGRES, r"mysql_\w+", None, "mysql_ options are ignored"),
    (Kind.SQLITE, r"mysql_\w+", None, "mysql_ options are ignored"),
)


def better_ways(text: str, kind: Kind, message: str) -> Iterator[str]:
    """What to write instead."""
    for advice in _BETTER:
        if advice.kind not in (None, kind) or not re.search(advice.text, text, re.IGNORECASE):
            continue
        if not advice.message or (message and re.search(advice.message, message, re.IGNORECASE)):
            yield advice.sentence


def ignored(text: str, kind: Kind) -> Iterator[str]:
    """Options that did nothing, on a database where the snippet ran."""
    for where, pattern, instead, sentence in _IGNORED:
        if where is kind and re.search(pattern, text) and not (instead and instead in text):
            yield sentence
