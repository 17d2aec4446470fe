"""A database of ours, and a template, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

    from migration_cookbook.databases.dialects import Dialect


@dataclass(frozen=True)
class Database:
    """A database that the kit made. Its repr doesn't show the password."""

    dialect: Dialect
    #: PostgreSQL: the database's name and its role's. SQLite: the file's path.
    name: str
    #: Everything needed to connect, so that nothing is taken from the environment.
    url: sa.URL


@dataclass(frozen=True)
class Template:
    """A finished database that nobody connects to and sandboxes are cloned from."""

    dialect: Dialect
    #: PostgreSQL: the database's name. SQLite: the file's path.
    name: str
