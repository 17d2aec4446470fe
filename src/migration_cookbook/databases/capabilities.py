"""The capabilities of the databases here, as data: nothing above asks which server it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from migration_cookbook.databases import server, sqlite
from migration_cookbook.databases.dialects import Dialect

if TYPE_CHECKING:
    from migration_cookbook.databases.backend import Capabilities

#: What a cell may need, by the name in `Capabilities`.
Need = Literal["has_second_session", "can_run_processes"]

_LACKS: dict[Need, str] = {
    "has_second_session": "{} has only one session here, and this needs a second one",
    "can_run_processes": "this needs another process, and none can reach {} here",
}


def capabilities(dialect: Dialect) -> Capabilities:
    """Return what can be done with databases of this dialect, without starting a server."""
    return {Dialect.SQLITE: sqlite.CAPABILITIES, Dialect.POSTGRES: server.capabilities()}[dialect]


def lack(dialect: Dialect, *needs: Need) -> str | None:
    """Return why what has these needs can't run on databases of this dialect; None if it can."""
    able = capabilities(dialect)
    return next((_LACKS[need].format(dialect.title) for need in needs if not getattr(able, need)), None)
