"""The database systems that the book is for, and what differs between them as data."""

from __future__ import annotations

import enum


class Dialect(enum.StrEnum):
    """A database system. The value is how files and options of the kit spell it."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"

    @property
    def title(self) -> str:  # type: ignore[override]  # a property where str has a method
        """The name as the reader knows it."""
        return _TITLES[self]


_TITLES = {Dialect.SQLITE: "SQLite", Dialect.POSTGRES: "PostgreSQL"}

#: In the order in which they run and are shown.
BOTH = (Dialect.SQLITE, Dialect.POSTGRES)
