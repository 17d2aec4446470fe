"""What trials need: a workspace, a server, and that no other process uses them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.databases import server
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from migration_cookbook.databases.backend import Backend
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class TrialResources:
    """What trial projects are made with."""

    workspace: Workspace
    #: None where there is no PostgreSQL.
    server: Backend | None
    #: Why, and what to do about it.
    unavailable: str | None

    def available(self, dialects: Iterable[Dialect]) -> tuple[Dialect, ...]:
        """Return those of the databases that are available."""
        return tuple(dialect for dialect in dialects if dialect is Dialect.SQLITE or self.server)


@contextlib.contextmanager
def trial_resources(workspace: Workspace) -> Iterator[TrialResources]:
    """Provide what trials need; one process at a time, so that none removes another's projects."""
    with workspace.lock("practice"), contextlib.ExitStack() as stack:
        host, unavailable = None, None
        try:
            host = stack.enter_context(server.attach(workspace).shared_admin_connection())
        except CookbookError as error:
            unavailable = str(error)
        yield TrialResources(workspace, host, unavailable)
