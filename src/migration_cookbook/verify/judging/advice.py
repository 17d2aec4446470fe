"""Better ways to write popular lines: a small table of what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.values.verdict import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

_AUTOCOMMIT = "`with op.get_context().autocommit_block():` runs it outside the transaction"
#: In SQLite's words when it refuses a column that a batch can add.
_NEW_DEFAULT = "non-constant default"
_DIALECT = '`if op.get_context().dialect.name == "postgresql":` runs it on one database only'


@dataclass(frozen=True)
class _Advice:
    #: Must be found in the text, ignoring case.
    text: str
    #: Must be found in the message; empty: also where it works.
    message: str
    sentence: str
    dialect: Dialect | None = None
    #: What is said is to take a batch.
    batch: bool = False

    def fits(self, text: str, dialect: Dialect, message: str) -> bool:
        return (
            self.dialect in (None, dialect)
            and re.search(self.text, text, re.IGNORECASE) is not None
            and (not self.message or re.search(self.message, message, re.IGNORECASE) is not None)
        )


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
        Dialect.SQLITE,
        batch=True,
    ),
    _Advice(r"exclude|gist", "no default operator class", "`CREATE EXTENSION btree_gist` first"),
    _Advice(
        r"now\(\)",
        r"no such function: now|unknown function: now|non-constant default",
        "`CURRENT_TIMESTAMP` works on both databases; SQLite adds a column with it only in batch mode",
        Dialect.SQLITE,
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
        Dialect.POSTGRES,
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
        Dialect.SQLITE,
        r"postgresql_where",
        "sqlite_where",
        Difference.WHOLE_INDEX,
        "postgresql_where is ignored: the index holds all rows",
    ),
    (
        Dialect.SQLITE,
        r"postgresql_using",
        None,
        Difference.PLAIN_INDEX,
        "postgresql_using is ignored: a plain index is built",
    ),
    (
        Dialect.SQLITE,
        r"postgresql_ops",
        None,
        Difference.PLAIN_INDEX,
        "postgresql_ops is ignored: a plain index is built",
    ),
    (Dialect.SQLITE, r"postgresql_include", None, Difference.OTHER, "postgresql_include is ignored"),
    (
        Dialect.POSTGRES,
        r"sqlite_where",
        "postgresql_where",
        Difference.WHOLE_INDEX,
        "sqlite_where is ignored: the index holds all rows",
    ),
    (
        Dialect.SQLITE,
        r"[(,]\s*comment\s*=\s*[\"']",
        None,
        Difference.NO_COMMENT,
        "the comment is not stored: SQLite has none",
    ),
    (
        Dialect.SQLITE,
        r"ondelete\s*=|onupdate\s*=",
        None,
        Difference.FOREIGN_KEYS_OFF,
        "SQLite acts on ondelete and onupdate only with PRAGMA foreign_keys=ON",
    ),
    (Dialect.POSTGRES, r"mysql_\w+", None, Difference.OTHER, "mysql_ options are ignored"),
    (Dialect.SQLITE, r"mysql_\w+", None, Difference.OTHER, "mysql_ options are ignored"),
)


def better_ways(text: str, dialect: Dialect, message: str) -> Iterator[str]:
    """What to write instead."""
    yield from (advice.sentence for advice in _BETTER if advice.fits(text, dialect, message))


def needs_batch(text: str, dialect: Dialect, message: str) -> bool:
    """Whether SQLite refuses what a batch would do there."""
    if dialect is not Dialect.SQLITE:
        return False
    return _NEW_DEFAULT in message or any(
        advice.batch and advice.fits(text, dialect, message) for advice in _BETTER
    )


def ignored(text: str, dialect: Dialect) -> Iterator[tuple[Difference, str]]:
    """Options that did nothing, on a database where the snippet ran."""
    for where, pattern, instead, difference, sentence in _IGNORED:
        if where is dialect and re.search(pattern, text) and not (instead and instead in text):
            yield difference, sentence
