"""The verdict on a snippet on one database, and the finding that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.locks import Lock


@dataclass(frozen=True)
class _Traits:
    """What there is to know of a verdict."""

    word: str
    #: What a complaint says of the snippet.
    sentence: str
    #: Where a table has no room for the word; also what an author declares.
    short: str = ""
    #: What its author can do about it, where nobody declared it.
    remedy: str = ""
    #: Whether it ran to its end, so that what it made is in the database.
    passes: bool = False
    #: Whether it ends in an exception in the transaction of a migration.
    refused: bool = False
    #: Whether later snippets of the page can use what it defines, if this is declared.
    defines: bool = True
    #: Whether an author can declare it.
    declarable: bool = True


class Verdict(StrEnum):
    """What can be said of a snippet on one database."""

    _value_: str
    traits: _Traits

    def __new__(cls, traits: _Traits) -> Verdict:
        verdict = str.__new__(cls, traits.word)
        verdict._value_ = traits.word
        verdict.traits = traits
        return verdict

    WORKS = _Traits("works", "it works", passes=True)
    FAILS = _Traits("fails", "it fails", refused=True, defines=False)
    OUTSIDE = _Traits(
        "works only outside a transaction",
        "it works only outside a transaction",
        short="outside",
        passes=True,
        refused=True,
        defines=False,
    )
    NEEDS_CONTEXT = _Traits("needs context", "it needs context", defines=False)
    PLACEHOLDER = _Traits(
        "placeholder",
        "it holds a placeholder",
        remedy='Write a real value, or declare skip="why it is not run".',
        defines=False,
    )
    #: A definition that is never called is no pass.
    NOTHING_RAN = _Traits(
        "nothing ran", "nothing ran", remedy='Call what it defines, or declare "nothing ran".'
    )
    #: A limit was reached, or what the snippet reported isn't what's in the database.
    NOT_DECIDED = _Traits("not decided", "it could not be decided", declarable=False)
    #: Somebody else's code that this system can't contain, or a database that's unavailable.
    NOT_RUN = _Traits("not run", "it was not run", declarable=False)

    @property
    def sentence(self) -> str:
        return self.traits.sentence

    @property
    def short(self) -> str:
        return self.traits.short or self.value

    @property
    def remedy(self) -> str:
        return self.traits.remedy

    @property
    def passes(self) -> bool:
        return self.traits.passes

    @property
    def refused(self) -> bool:
        return self.traits.refused

    @property
    def defines(self) -> bool:
        return self.traits.defines

    @property
    def declarable(self) -> bool:
        return self.traits.declarable


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
    #: The required schema that was assumed: statements that build it.
    assumed: tuple[str, ...] = ()
    locks: tuple[Lock, ...] = ()
    #: Of the schema after the way up; for comparing, not for reading.
    fingerprint: str = ""
    #: What the warnings come down to.
    differences: tuple[Difference, ...] = ()
    #: SQLite refuses it, and would take it in a batch.
    needs_batch: bool = False
