"""What came of a trial, and the text that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from migration_cookbook.locks import Lock
    from migration_cookbook.verify.values.snippet import Form


@dataclass(frozen=True)
class Refusal:
    """Why a run ended, in the words of whoever refused."""

    kind: str
    message: str
    sqlstate: str | None = None
    statement: str | None = None
    #: It misses a function that the database has for other arguments, or under nearly this name.
    known_function: bool = False


@dataclass(frozen=True)
class Trial:
    """What came of it."""

    #: Where it ended; "text" where it could not be read.
    ended: Literal["text", "up", "down", "up again", "done"]
    refusal: Refusal | None = None
    sent: tuple[str, ...] = ()
    sent_down: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    #: What command lines printed, each behind its prompt.
    printed: tuple[str, ...] = ()
    #: How many operations and statements were seen.
    ran: int = 0
    #: Only definitions that nobody calls.
    idle: bool = False
    #: What the way up changed.
    changes: tuple[str, ...] = ()
    #: What still differs after the way down.
    left: tuple[str, ...] = ()
    #: It was refused in a transaction, and works without one.
    outside: bool = False
    #: Sentences about new defaults that no INSERT survives.
    unusable: tuple[str, ...] = ()
    #: Sentences about new columns whose type means nothing.
    untyped: tuple[str, ...] = ()
    #: What `--sql` would do otherwise.
    offline: tuple[str, ...] = ()
    #: Names that look like typos, as sentences.
    doubtful: tuple[str, ...] = ()
    #: Of the schema after the way up, to be compared with what others read.
    fingerprint: str = ""
    #: What the way up locks on PostgreSQL, if that was asked.
    locks: tuple[Lock, ...] = ()
    #: Why it was not run on a server that isn't the cookbook's own.
    not_run: str = ""


@dataclass(frozen=True)
class Text:
    """A snippet, as far as a trial needs it."""

    form: Form
    text: str
    before: tuple[tuple[Form, str], ...] = ()
    given: str | None = None
