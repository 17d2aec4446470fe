"""What did one relation have to bear?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lock:
    """What one relation of PostgreSQL had to bear."""

    relation: str
    #: The strongest: `ACCESS EXCLUSIVE`.
    mode: str
    rewritten: bool
    #: Of SELECT, INSERT and UPDATE.
    waiting: tuple[str, ...]
    #: It is new: until it commits, nobody else can see it, so nobody waits.
    made: bool = False
