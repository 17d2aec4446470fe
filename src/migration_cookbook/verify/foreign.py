"""Whose code stands in this file? The user's own may do what the user may; anybody else's is contained."""

from __future__ import annotations

from pathlib import Path

from migration_cookbook.workspace import checkout


def foreign(path: Path) -> bool:
    """Whether the file is neither the book's nor one of the git checkout that the user works in."""
    # A link counts for what it leads to.
    mine = {_checkout_of(Path.cwd()), checkout()} - {None}
    return _checkout_of(path.resolve().parent) not in mine


def _checkout_of(folder: Path) -> Path | None:
    """The innermost checkout around a folder."""
    resolved = folder.resolve()
    return next((one for one in (resolved, *resolved.parents) if (one / ".git").exists()), None)
