"""What can be said of a snippet on one database?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.locks import Lock


class Verdict(StrEnum):
    WORKS = "works"
    OUTSIDE = "works only outside a transaction"
    FAILS = "fails"
    NEEDS_CONTEXT = "needs context"
    PLACEHOLDER = "placeholder"
    #: A definition that is never called is no pass.
    NOTHING_RAN = "nothing ran"
    #: A limit was reached, or what the snippet reported is not what stands in the database.
    NOT_DECIDED = "not decided"
    #: Somebody else's code that this system can't contain, or a database that is not to be had.
    NOT_RUN = "not run"


class Difference(StrEnum):
    """What a warning comes down to, in a word or two."""

    OFFLINE = "not with --sql"
    NO_COMMENT = "no comment"
    PLAIN_INDEX = "plain index"
    WHOLE_INDEX = "index of all rows"
    FOREIGN_KEYS_OFF = "needs PRAGMA foreign_keys"
    INSERT_FAILS = "INSERT fails"
    OTHER = "differs"


@dataclass(frozen=True)
class Finding:
    """What came of one snippet on one database."""

    dialect: Dialect
    verdict: Verdict
    #: The database's words, or what is missing; one line.
    message: str = ""
    #: The SQL of the way up, and of the way down where there is one.
    sent: tuple[str, ...] = ()
    sent_down: tuple[str, ...] = ()
    #: What command lines printed, each behind its prompt.
    printed: tuple[str, ...] = ()
    #: Where it runs, but does something else than it says.
    warnings: tuple[str, ...] = ()
    #: A better way, in one line.
    better: tuple[str, ...] = ()
    #: The world that was assumed: statements that build it.
    assumed: tuple[str, ...] = ()
    locks: tuple[Lock, ...] = ()
    #: Of the schema after the way up; for comparing, not for reading.
    fingerprint: str = ""
    #: What the warnings come down to.
    differences: tuple[Difference, ...] = ()
    #: SQLite refuses it, and would take it in a batch.
    needs_batch: bool = False
