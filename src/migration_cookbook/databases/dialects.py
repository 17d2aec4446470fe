"""Which kinds of database is the book for?"""

from __future__ import annotations

import enum


class Dialect(enum.StrEnum):
    SQLITE = "sqlite"
    POSTGRES = "postgres"

    @property
    def title(self) -> str:  # type: ignore[override]  # a property where str has a method
        """The name as the reader knows it."""
        return "SQLite" if self is Dialect.SQLITE else "PostgreSQL"


#: In the order in which they run and are shown.
BOTH = (Dialect.SQLITE, Dialect.POSTGRES)
