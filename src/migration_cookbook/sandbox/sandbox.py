"""A sandbox: a folder with a project, and one SQLite and one PostgreSQL database, or several."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook import schema as schemas
from migration_cookbook.databases import engines, server
from migration_cookbook.databases.capabilities import capabilities
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.sandbox import alembic_private, commandline, files, history, state
from migration_cookbook.sandbox.outcome import Outcome
from migration_cookbook.workspace import CookbookError, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.sandbox.command import Command
    from migration_cookbook.workspace import Workspace

#: The clock of a sandbox starts here and goes on by a minute for each revision file.
FIRST_MOMENT = datetime(2026, 1, 5, 9, 0)


#: A database's schema, and the revisions it's at.
_Seen = tuple[schemas.Schema, tuple[str, ...]]


@dataclass(frozen=True)
class Sandbox:
    """An open sandbox."""

    name: str
    workspace: Workspace
    databases: Mapping[Dialect, tuple[Database, ...]]
    #: Why there is no PostgreSQL, with the remedy; None where there is.
    unavailable: str | None
    versions: Mapping[Dialect, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.workspace.sandboxes / self.name

    def require_open(self) -> None:
        """Start the server again if it died, and say so if another notebook took the sandbox over."""
        known = self._state()["databases"]
        for dialect, databases in self.databases.items():
            if [each["name"] for each in known.get(dialect.value, ())] != [each.name for each in databases]:
                raise CookbookError(
                    f"Another notebook has opened the sandbox {self.name} anew. "
                    f"Run %sandbox {self.name} again, or give this notebook's sandbox another name."
                )
        # With something to tell, the server was made anew: this sandbox's databases are not in it.
        if Dialect.POSTGRES in self.databases and (notices := server.restart(self.workspace)):
            raise CookbookError(" ".join(notices))

    def engines(self) -> dict[str, sa.Engine]:
        """Return engines for plain Python cells: sqlite and postgres, sqlite_2 and so on."""
        named = {}
        for dialect, databases in self.databases.items():
            for position, database in enumerate(databases):
                named[dialect.value + (f"_{position + 1}" if position else "")] = engines.engine(database)
        return named

    def version(self, dialect: Dialect) -> str:
        return self.versions[dialect]

    def run(self, command: Command, dialect: Dialect, *, verbose: bool = False) -> Outcome:
        """Run a command against the databases of one kind."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._remembering_files())
            if not command.moves:
                return Outcome(dialect, commandline.execute(command, self._run(dialect, verbose)))
            look = stack.enter_context(_looking(self.databases[dialect][0]))
            before, place_before = look()
            printed = commandline.execute(command, self._run(dialect, verbose))
            after, place_after = self._afterwards(dialect, look)
        return Outcome(dialect, printed, place_before, place_after, schemas.difference(before, after))

    def _afterwards(self, dialect: Dialect, look: Callable[[], _Seen]) -> _Seen:
        """Look at the database after a command, also after one during which the server went down."""
        try:
            return look()
        except sa.exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
        server.attach(self.workspace)
        with engines.engine(self.databases[dialect][0]).connect() as another:
            return _seen(another)

    def run_on_files(self, command: Command) -> Outcome:
        """Run a command that needs no database; it is told the first one, should it look."""
        dialect = next(iter(self.databases))
        with self._remembering_files():
            return Outcome(dialect, commandline.execute(command, self._run(dialect, verbose=False)))

    def env_takes_part(self, command: Command) -> bool:
        """Whether env.py runs although the command needs no database (revision_environment)."""
        if command.name not in ("revision", "merge"):
            return False
        text = (self.folder / "alembic.ini").read_text() if (self.folder / "alembic.ini").is_file() else ""
        return bool(re.search(r"^revision_environment\s*=\s*true", text, re.MULTILINE))

    def schema(self, dialect: Dialect) -> schemas.Schema:
        with engines.engine(self.databases[dialect][0]).connect() as connection:
            return schemas.read(connection)

    def place(self, dialect: Dialect) -> tuple[str, ...]:
        """Return the revisions that a database is at."""
        with engines.engine(self.databases[dialect][0]).connect() as connection:
            return history.place(connection)

    def applied(self, dialect: Dialect) -> set[str]:
        """Return every revision that a database has run: those it's at, and those below."""
        if not self.databases.get(dialect):
            return set()
        parents = {entry.id: entry.down for entry in history.entries(self.folder)}
        applied, waiting = set(), list(self.place(dialect))
        while waiting:
            revision = waiting.pop()
            if revision not in applied:
                applied.add(revision)
                waiting += parents.get(revision, ())
        return applied

    def describe(self, error: BaseException) -> commandline.Failure:
        databases = [database for listed in self.databases.values() for database in listed]
        return commandline.describe(error, self.folder, databases)

    def write_file(self, relative: str, text: str) -> None:
        """Write a file of the project, and remember that it was the kit."""
        write_atomically(self.folder / relative, text)
        known = self._state()
        known["files"][relative] = hashlib.sha256(text.encode()).hexdigest()
        self._save(known)
        commandline.forget_modules(self.folder)

    def generated_text(self, relative: str, current: str) -> str:
        """Return the file as Alembic generated it, before code of a cell went into it."""
        known = self._state()
        if relative not in known["generated"]:
            known["generated"][relative] = current
            self._save(known)
        return str(known["generated"][relative])

    def rename_revision(self, entry: history.Entry, message: str) -> str:
        """Give a revision's file the name that belongs to another message."""
        directory = history.script_directory(self.folder)
        name = alembic_private.file_name(directory, entry.path.parent, entry.id, message, FIRST_MOMENT)
        old, new = entry.path, entry.path.with_name(name)
        old.rename(new)
        before, after = (path.relative_to(self.folder).as_posix() for path in (old, new))
        known = self._state()
        for paths in (known["files"], known["generated"]):
            if before in paths:
                paths[after] = paths.pop(before)
        self._save(known)
        return after

    def _run(self, dialect: Dialect, verbose: bool) -> commandline.Run:
        return commandline.Run(self.folder, self.databases[dialect], self._new_id, self._now, verbose)

    def _new_id(self) -> str:
        """Return the next revision id: random to look at, the same in each run of the notebook."""
        texts = files.revision_texts(self.folder)
        number = len(texts)
        while True:
            chosen = hashlib.sha256(f"{self.name} {number}".encode()).hexdigest()[:12]
            if not any(chosen in text for text in texts):
                return chosen
            number += 1

    def _now(self) -> datetime:
        return FIRST_MOMENT + timedelta(minutes=len(files.revision_texts(self.folder)))

    @contextlib.contextmanager
    def _remembering_files(self) -> Iterator[None]:
        """Remember what the block writes as the kit's, not as made by hand."""
        before = files.snapshot(self.folder)
        try:
            yield
        finally:
            after = files.snapshot(self.folder)
            if after != before:
                known = self._state()
                written = {name: digest for name, digest in after.items() if before.get(name) != digest}
                known["files"] |= written
                for name in written:
                    known["generated"].pop(name, None)
                self._save(known)

    def _state(self) -> dict[str, Any]:
        return state.read(self.workspace, self.name)

    def _save(self, known: Mapping[str, Any]) -> None:
        state.write(self.workspace, self.name, known)


@contextlib.contextmanager
def _looking(database: Database) -> Iterator[Callable[[], _Seen]]:
    """Look at a database again and again, over one connection where the database takes others meanwhile.

    AUTOCOMMIT: this connection holds no lock while a command runs.
    """
    engine = engines.engine(database).execution_options(isolation_level="AUTOCOMMIT")
    if not capabilities(database.dialect).has_second_session:
        yield lambda: _seen_once(engine)
        return
    with engine.connect() as connection:
        yield lambda: _seen(connection)


def _seen_once(engine: sa.Engine) -> _Seen:
    with engine.connect() as connection:
        return _seen(connection)


def _seen(connection: sa.Connection) -> _Seen:
    return schemas.read(connection), history.place(connection)
