"""The plan of a fresh sandbox, checked before anything is touched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from migration_cookbook.sandbox import project
from migration_cookbook.workspace import CookbookError

_MOST_DATABASES = 9


@dataclass(frozen=True)
class Plan:
    """What a fresh sandbox will have in it."""

    name: str
    #: The revision of the files; "base" also for a bare sandbox.
    at: str
    database_at: str
    bare: bool
    rows: bool
    databases: int

    @property
    def label(self) -> str:
        """The name as a part of its databases' names, which begin with a letter."""
        # The server cuts long names: the hash keeps two long ones apart.
        return f"s_{self.name[:21]}_{hashlib.sha256(self.name.encode()).hexdigest()[:6]}"


def plan(
    name: str, *, at: str | None, database_at: str | None, bare: bool, rows: bool, databases: str
) -> Plan:
    """Return a checked plan: a mistake is reported before anything is touched."""
    check_name(name)
    if not re.fullmatch(r"[1-9]", databases):
        raise CookbookError(
            f"--databases takes a number from 1 to {_MOST_DATABASES}: %sandbox {name} --databases 2"
        )
    if bare:
        if at or database_at:
            raise CookbookError("--bare is an empty folder: leave out --at and --database-at.")
        return Plan(name, "base", "base", bare=True, rows=False, databases=int(databases))
    files_at = project.known_revision(at)
    stands = project.known_revision(database_at) if database_at else files_at
    ids = ["base", *(each.id for each in project.upto(files_at))]
    if stands not in ids:
        raise CookbookError(f"--database-at {stands} lies beyond --at {files_at}: the files end there.")
    return Plan(name, files_at, stands, bare=False, rows=rows, databases=int(databases))


def check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise CookbookError(
            f"`{name}` can't name a sandbox. Use the notebook's name: small letters, digits and hyphens, at most 40."
        )
