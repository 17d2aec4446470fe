"""The state of one open notebook: its sandbox, its last command, its open sessions."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.display import display

from migration_cookbook.databases.capabilities import lack
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.display.answers import Answer, combine
from migration_cookbook.display.parts import Note, Part
from migration_cookbook.verify import database_versions
from migration_cookbook.workspace import CookbookError, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from migration_cookbook.cells.sessions import Sessions
    from migration_cookbook.databases.capabilities import Need
    from migration_cookbook.databases.database import Database
    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.schema import Change


@dataclass(frozen=True)
class LastMigration:
    """The last upgrade, downgrade or stamp: what it sent to a database and changed there."""

    command: str
    sent: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass
class Notebook:
    """The state behind the magics of one kernel."""

    shell: InteractiveShell
    workspace: Workspace = field(default_factory=open_workspace)
    moves: dict[Dialect, LastMigration] = field(default_factory=dict)
    #: The databases on which the last cell under `%%fails` lacked what it needs.
    left_out: set[Dialect] = field(default_factory=set)
    _sandbox: Sandbox | None = None
    _sessions: Sessions | None = None

    @property
    def sandbox(self) -> Sandbox:
        if self._sandbox is None:
            raise CookbookError(
                "There is no sandbox yet. Run the cell with %sandbox at the top of the notebook first."
            )
        if not self._sandbox.folder.is_dir():
            raise CookbookError(f"The sandbox's folder is gone. Run %sandbox {self._sandbox.name} again.")
        self._sandbox.require_open()
        return self._sandbox

    @property
    def has_sandbox(self) -> bool:
        return self._sandbox is not None

    @property
    def sessions(self) -> Sessions:
        """The named sessions of %%sql, kept open between cells."""
        from migration_cookbook.cells.sessions import Sessions

        if self._sessions is None:
            self._sessions = Sessions()
        return self._sessions

    def leave(self) -> None:
        """Leave the sandbox: close its sessions, leave its folder."""
        if self._sessions is not None:
            self._sessions.close()
        os.chdir(self.workspace.root)
        if self._sandbox is not None:
            for name in self._sandbox.engines():
                self.shell.user_ns.pop(name, None)
        self._sandbox = None
        self.moves.clear()

    def enter(self, sandbox: Sandbox) -> None:
        """Work in this sandbox from now on: folder, engines, imports."""
        self._sandbox = sandbox
        os.chdir(sandbox.folder)
        for name, engine in sandbox.engines().items():
            self.shell.user_ns[name] = engine

    def databases(self, on: Dialect | None) -> list[Dialect]:
        """Return the databases on which a cell runs: the one named, or both."""
        return [on] if on else list(BOTH)

    def database(self, dialect: Dialect) -> Database | None:
        """Return the sandbox's database, None if PostgreSQL is unavailable."""
        databases = self.sandbox.databases.get(dialect)
        return databases[0] if databases else None

    def version(self, dialect: Dialect) -> str | None:
        """Return the version of the database that a cell runs on, even without a sandbox; None if it is unavailable."""
        if self._sandbox is None:
            return database_versions(self.workspace, (dialect,))[dialect] or None
        return self.sandbox.version(dialect) if self.database(dialect) is not None else None

    def lack(self, dialect: Dialect, *needs: Need) -> str | None:
        """Say why a cell with these needs can't run on a database, for `%%fails` too; None if it can."""
        reason = lack(dialect, *needs)
        if reason:
            self.left_out.add(dialect)
        return reason

    def not_run(self, dialect: Dialect, *needs: Need) -> Answer:
        """Return the answer of a database that wasn't asked: it can't be, or an interrupt came first."""
        if self.database(dialect) is None:
            return Answer(dialect, (Note(f"not run: {self.sandbox.unavailable}"),))
        if lacking := self.lack(dialect, *needs):
            return Answer(dialect, (Note(f"not run: {lacking}."),))
        return Answer(dialect, (Note("not run: the interrupt came first"),))

    def require_moved(self, dialects: Iterable[Dialect]) -> None:
        """Raise an error if the last command that changes databases ran on none of these."""
        if self.moves and not any(dialect in self.moves for dialect in dialects):
            names = " and ".join(dialect.title for dialect in self.moves)
            raise CookbookError(f"The last command that changes databases ran on {names} only.")

    def publish(self, parts: Iterable[Part], sent: Mapping[Dialect, Sequence[str]] | None = None) -> None:
        """Show the parts as one output, as HTML and as the same in plain text."""
        shown = list(parts)
        if not shown:
            return
        plain = "\n".join(line for part in shown for line in part.plain())
        # JupyterLab would take $ signs for mathematics.
        html = f'<div class="mathjax_ignore">{"".join(part.html() for part in shown)}</div>'
        metadata: dict[str, Any] = {}
        if sent and any(sent.values()):
            metadata = {
                "cookbook": {"sent": {dialect.value: list(lines) for dialect, lines in sent.items() if lines}}
            }
        display({"text/plain": plain, "text/html": html}, raw=True, metadata=metadata)

    def publish_answers(
        self,
        answers: Sequence[Answer],
        before: Iterable[Part] = (),
        sent: Mapping[Dialect, Sequence[str]] | None = None,
    ) -> None:
        """Show what each database answered, once where they agree."""
        self.publish([*before, *combine(answers)], sent)

    def publish_picture(self, svg: str, plain: Sequence[str]) -> None:
        """Show a picture that also says in words what it shows."""
        display({"text/plain": "\n".join(plain), "image/svg+xml": svg}, raw=True)
