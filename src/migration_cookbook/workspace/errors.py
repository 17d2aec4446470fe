"""The error that a user can fix."""

from __future__ import annotations


class CookbookError(Exception):
    """Something the user can fix. The message is one line and says how."""
