"""A PostgreSQL server as a backend: what the kit's own server and one of the user's have in common.

They differ in how a database shows that it's ours and that it's finished: `kit_server` says it with
roles, `user_server` with a journal.
"""

from __future__ import annotations

import abc
import contextlib
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

import psycopg

from migration_cookbook.databases import administration
from migration_cookbook.databases.connections import (
    LOCK_LIMIT_S,
    STATEMENT_LIMIT_S,
    Connection,
    connect_admin,
)
from migration_cookbook.databases.database import Database, Template
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import fresh_name, prefix, stable_name
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

    from migration_cookbook.databases.administration import CatalogEntry
    from migration_cookbook.databases.backend import Capabilities
    from migration_cookbook.workspace import Workspace

#: The label of a database for the moment: a kill leaves one that `sweep` drops.
BUILDING = "building"

#: A random name is practically never taken twice; somebody may have taken it on purpose.
_ATTEMPTS = 5

#: With fewer bytes left on its disk no server goes on: a segment of its journal takes 16 MB.
_NO_SPACE = 16 * 2**20


@dataclass(frozen=True)
class Server(abc.ABC):
    """A running server that databases can be made on."""

    capabilities: ClassVar[Capabilities]

    workspace: Workspace
    #: "own" (COOKBOOK_POSTGRES_URL), "embedded" (the wheel's programs) or "system".
    origin: str
    #: As in "18.6".
    version: str
    #: Connects as the administrator: the superuser, or the role that the user named.
    url: sa.URL
    #: One line each, to be told to the user.
    notices: tuple[str, ...] = field(default=(), compare=False)
    #: The administrator's connection, while it's shared.
    administrator: Connection | None = field(default=None, compare=False, repr=False)

    def create(self, label: str) -> Database:
        """Create an empty database."""
        with self._admin() as admin:
            return self._make(admin, label, None)

    def clone(self, template: Template, label: str) -> Database:
        """Create a database from a template."""
        with self._admin() as admin:
            return self._make(admin, label, template)

    def template(self, key: str, build: Callable[[Database], None]) -> Template:
        """Return the template of this key; if there is none, `build` fills a new database that becomes it."""
        name = stable_name(self.workspace.installation, "template", key)
        with self.workspace.lock(name), self._admin() as admin:
            found = administration.find(admin, name)
            if found is not None and not self._is_ours(admin, found):
                raise CookbookError(
                    f"The database {name} is not the cookbook's. Rename it; the cookbook needs the name."
                )
            if found is None or not found.is_template:
                self._drop(admin, name, found)
                self._build(admin, name, build)
        return Template(Dialect.POSTGRES, name)

    @contextlib.contextmanager
    def temporary_database(self) -> Iterator[Database]:
        """Create an empty database for the block."""
        with self._admin() as admin:
            database = self._make(admin, BUILDING, None)
            try:
                yield database
            finally:
                # A server that was stopped meanwhile drops it when it is swept the next time.
                with contextlib.suppress(psycopg.OperationalError):
                    self._drop(admin, database.name, administration.find(admin, database.name))

    @contextlib.contextmanager
    def copied(self, database: Database) -> Iterator[Database]:
        """Copy a database with its rows for the block. The role stays the original's."""
        with self._admin() as admin:
            name = fresh_name(self.workspace.installation, BUILDING)
            administration.claim(admin, name)
            try:
                self._copy(admin, database, name)
                yield Database(Dialect.POSTGRES, name, database.url.set(database=name))
            except psycopg.errors.ObjectInUse:
                raise CookbookError(
                    "The sandbox's database can't be copied while a session is open in it. End the sessions first."
                ) from None
            finally:
                self._drop(admin, name, administration.find(admin, name))

    def restore_settings(self, database: Database) -> Database:
        """Undo what a sandbox's role may have changed about itself and its database.

        The database comes back with the server's address of today.
        """
        with self._admin() as admin:
            found = administration.find(admin, database.name)
            if found is None or not self._is_ours(admin, found):
                raise CookbookError(
                    "The sandbox's PostgreSQL database is gone. Run the notebook's %sandbox cell again."
                )
            with admin.transaction():
                self._restore(admin, database)
            return self._database(database.name, database.url.password)

    def drop(self, database: Database) -> None:
        """Drop a database of ours, whoever is connected. One that's gone already isn't an error."""
        self.drop_named(database.name)

    def drop_named(self, name: str) -> None:
        """Drop the database or template of this name, if it's ours."""
        with self._admin() as admin:
            found = administration.find(admin, name)
            if found is not None and not self._is_ours(admin, found):
                raise CookbookError(f"The database {name} is not the cookbook's. It was left alone.")
            self._drop(admin, name, found)

    def names(self) -> list[str]:
        """Return the names of this installation's finished databases, without the templates."""
        with self._admin() as admin:
            return [
                found.name
                for found in self._all(admin)
                if not found.is_template and not self._is_unfinished(admin, found)
            ]

    def sweep(self) -> list[str]:
        """Drop what killed processes left unfinished; return the names."""
        with self._admin() as admin:
            dropped = []
            for listed in self._all(admin):
                if not self._is_unfinished(admin, listed) or not administration.claim_if_free(
                    admin, listed.name
                ):
                    continue
                # Another process may have finished it, or dropped it, since it was listed.
                found = administration.find(admin, listed.name)
                if found is not None and self._is_unfinished(admin, found):
                    self._drop(admin, found.name, found)
                    dropped.append(found.name)
            self._sweep_remains(admin)
            return dropped

    @contextlib.contextmanager
    def shared_admin_connection(self) -> Iterator[Self]:
        """Share one administrator's connection between several calls, and keep their claims until the end."""
        with self._admin() as admin:
            yield replace(self, administrator=admin)

    @abc.abstractmethod
    def _is_ours(self, admin: Connection, found: CatalogEntry) -> bool:
        """Whether this installation made the database."""

    @abc.abstractmethod
    def _is_finished(self, admin: Connection, found: CatalogEntry) -> bool:
        """Whether the making of a database of ours came to its end."""

    @abc.abstractmethod
    def _make_named(self, admin: Connection, name: str, source: Template | None) -> Database | None:
        """Create a database under this name, which is claimed; return None if the name is taken."""

    @abc.abstractmethod
    def _copy(self, admin: Connection, original: Database, name: str) -> None:
        """Copy a database under a name that says it's unfinished."""

    @abc.abstractmethod
    def _restore(self, admin: Connection, database: Database) -> None:
        """Undo changes of the database's settings and of the access to it."""

    @abc.abstractmethod
    def _promote(self, admin: Connection, building: str, name: str) -> None:
        """Make a built database, to which nobody is connected, the template `name`."""

    @abc.abstractmethod
    def _forget(self, admin: Connection, name: str, found: CatalogEntry | None) -> None:
        """Remove what belonged to a database that is dropped; `found` is what it was, if it was there."""

    @abc.abstractmethod
    def _sweep_remains(self, admin: Connection) -> None:
        """Remove what killed processes left beside databases."""

    @abc.abstractmethod
    def _database(self, name: str, password: object) -> Database:
        """Return the value that leads to the database of this name."""

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Connection]:
        """Connect as the administrator, or use the shared connection; an error becomes one line."""
        try:
            if self.administrator is not None:
                yield self.administrator
                return
            with connect_admin(self.url) as connection:
                yield connection
        except psycopg.OperationalError as error:
            raise CookbookError(f"PostgreSQL can't do it: {_reason(self.workspace, error)}") from error

    def _make(self, admin: Connection, label: str, source: Template | None) -> Database:
        """Create a database under a claim that lasts until `admin` is closed."""
        for _ in range(_ATTEMPTS):
            name = fresh_name(self.workspace.installation, label)
            administration.claim(admin, name)
            if (database := self._make_named(admin, name, source)) is not None:
                return database
        raise CookbookError("PostgreSQL has somebody else's databases under each name tried. Try again.")

    def _build(self, admin: Connection, name: str, build: Callable[[Database], None]) -> None:
        database = self._make(admin, BUILDING, None)
        try:
            build(database)
            administration.terminate_clients(admin, database.name)
            self._promote(admin, database.name, name)
        except Exception:
            self._drop(admin, database.name, administration.find(admin, database.name))
            raise

    def _drop(self, admin: Connection, name: str, found: CatalogEntry | None) -> None:
        """Drop what the caller knows to be ours; claimed, so that `sweep` in another process leaves it alone."""
        administration.claim(admin, name)
        if found is not None:
            administration.drop_database(admin, found)
        self._forget(admin, name, found)

    def _all(self, admin: Connection) -> list[CatalogEntry]:
        """Return every database of this installation."""
        listed = administration.find_all(admin, prefix(self.workspace.installation))
        return [found for found in listed if self._is_ours(admin, found)]

    def _is_unfinished(self, admin: Connection, found: CatalogEntry) -> bool:
        """Whether a database of ours was never finished, or is being made at this moment."""
        if found.is_template:
            return False
        if found.name.startswith(f"{prefix(self.workspace.installation)}{BUILDING}_"):
            return True
        return not self._is_finished(admin, found)


def _reason(workspace: Workspace, error: psycopg.Error) -> str:
    """Return why the server can't do it, in words for the user."""
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return (
            f"it waited {LOCK_LIMIT_S} seconds for a lock that another session holds. "
            "End that session (in a notebook, restart its kernel), and run this again."
        )
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"a statement took more than {STATEMENT_LIMIT_S} seconds. Run this again when the computer is less busy."
    # On a full disk the server goes down without a word to its clients.
    if error.diag.message_primary is None and shutil.disk_usage(workspace.root).free < _NO_SPACE:
        return "there is no space left on the disk. Make some, and run this again."
    return error.diag.message_primary or str(error).strip().splitlines()[0]
