"""The database systems that the book is for, and what differs between them as data."""

from __future__ import annotations

import enum
from typing import Self


class Dialect(enum.StrEnum):
    """A database system. The value is how files and options of the kit spell it."""

    SQLITE = "sqlite", "SQLite"
    POSTGRES = "postgres", "PostgreSQL"

    #: The name as the reader knows it.
    title: str  # type: ignore[assignment]  # a string where str has a method

    def __new__(cls, value: str, title: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.title = title
        return member


#: In the order in which they run and are shown.
BOTH = (Dialect.SQLITE, Dialect.POSTGRES)
