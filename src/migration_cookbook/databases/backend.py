"""The protocols behind which databases are made, whoever makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from migration_cookbook.databases.database import Database, Template
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class Capabilities:
    """What can be done with the databases of a backend."""

    #: Each database has its own role, which can do nothing elsewhere on the server.
    has_roles: bool
    #: A database can be used by several sessions at once, so one can wait for another's lock.
    has_second_session: bool
    #: Another process can be started, and reaches the databases.
    can_run_processes: bool


class DatabaseSource(Protocol):
    """Whatever makes databases of one dialect for one workspace."""

    @property
    def workspace(self) -> Workspace: ...

    def create(self, label: str) -> Database:
        """Create an empty database."""

    def clone(self, template: Template, label: str) -> Database:
        """Create a database from a template."""

    def template(self, key: str, build: Callable[[Database], None]) -> Template:
        """Return the template of this key; if there is none, `build` fills a new database that becomes it."""

    def drop(self, database: Database) -> None:
        """Drop a database of this workspace. One that's gone already isn't an error."""


class Backend(DatabaseSource, Protocol):
    """A source of PostgreSQL databases."""

    @property
    def origin(self) -> str:
        """Where the server comes from, in one word for the user."""

    @property
    def version(self) -> str:
        """PostgreSQL's version, as in "18.6"."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def notices(self) -> tuple[str, ...]:
        """What to tell the user, one line each."""

    def temporary_database(self) -> AbstractContextManager[Database]:
        """Create an empty database for the block."""

    def copied(self, database: Database) -> AbstractContextManager[Database]:
        """Copy a database with its rows for the block."""

    def restore_settings(self, database: Database) -> Database:
        """Undo what its user changed about the database itself; return it with today's address."""

    def drop_named(self, name: str) -> None:
        """Drop the database or template of this name, if it's this workspace's."""

    def names(self) -> list[str]:
        """Return the names of this workspace's finished databases, without the templates."""

    def sweep(self) -> list[str]:
        """Drop what killed processes left unfinished; return the names."""

    def shared_admin_connection(self) -> AbstractContextManager[Self]:
        """Share one administrator's connection between several calls, and keep their claims until the end."""
