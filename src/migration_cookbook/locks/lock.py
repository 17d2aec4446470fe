"""A lock that a statement took on one relation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lock:
    """A lock on one relation of PostgreSQL, and what it did to others."""

    relation: str
    #: The strongest: `ACCESS EXCLUSIVE`.
    mode: str
    rewritten: bool
    #: Of SELECT, INSERT and UPDATE.
    waiting: tuple[str, ...]
    #: It is new: until it commits, nobody else can see it, so nobody waits.
    made: bool = False
