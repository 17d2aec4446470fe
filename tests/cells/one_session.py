"""A backend that can do little: real PostgreSQL databases without roles, for one session, in this process.

It makes its databases on a real server, as a role that may do no more than that. What it lacks is held: a
second session in a database, and a second process, are refused and make the test fail.
"""

from __future__ import annotations

import contextlib
import subprocess
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from psycopg import conninfo
from psycopg._connection_base import BaseConnection

from migration_cookbook.databases import driver_hooks, server
from migration_cookbook.databases.backend import Capabilities
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.user_server import UserServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace

_ROLE = "one_session"

#: For a test that needs no more than the backend here can do: it runs on the kit's own server, too.
EVERY_BACKEND = pytest.mark.parametrize("backend", ["kit", "one session"], indirect=True)


class OneSessionServer(UserServer):
    """A server of which the kit may ask little."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        has_roles=False, has_second_session=False, can_run_processes=False
    )


@contextlib.contextmanager
def one_session_server(host: Server, workspace: Workspace) -> Iterator[OneSessionServer]:
    """A backend for the workspace, whose databases are on `host`."""
    with connect(host.url) as admin:
        admin.execute(f"CREATE ROLE {_ROLE} LOGIN CREATEDB PASSWORD 'alone'".encode())
        admin.execute(f"CREATE DATABASE {_ROLE} OWNER {_ROLE} STRATEGY file_copy".encode())
    workspace.databases.mkdir(parents=True, exist_ok=True)
    url = host.url.set(username=_ROLE, password="alone", database=_ROLE)
    yield OneSessionServer(workspace, "one session", host.version, url)


@contextlib.contextmanager
def attached(backend: OneSessionServer) -> Iterator[None]:
    """Have the kit use the backend for the block, and hold what it can't do."""
    broken: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "attach", lambda workspace: backend)
        patch.setattr(server, "capabilities", lambda: backend.capabilities)
        patch.setattr(server, "restart", lambda workspace: ())
        _refuse_second_sessions(patch, broken)
        _refuse_processes(patch, broken)
        yield
    assert broken == []


def _refuse_second_sessions(patch: pytest.MonkeyPatch, broken: list[str]) -> None:
    sessions: weakref.WeakValueDictionary[str, BaseConnection[Any]] = weakref.WeakValueDictionary()
    opened = vars(BaseConnection)["_connect_gen"].__func__

    def alone(
        cls: type[BaseConnection[Any]], /, text: str = "", **given: Any
    ) -> Generator[Any, Any, BaseConnection[Any]]:
        name = conninfo.conninfo_to_dict(text)["dbname"]
        before = sessions.get(str(name))
        # The backend's own calls to the server stand for what another one does without SQL.
        if name != _ROLE and before is not None and not before.closed:
            broken.append(f"a second session in {name}")
            raise AssertionError(broken[-1])
        connection: BaseConnection[Any] = yield from opened(cls, text, **given)
        sessions[str(name)] = connection
        return connection

    patch.setattr(BaseConnection, "_connect_gen", classmethod(alone))
    patch.setattr(driver_hooks, "_postgres_connect", classmethod(alone))


def _refuse_processes(patch: pytest.MonkeyPatch, broken: list[str]) -> None:
    def refused(self: object, command: object, *_: Any, **__: Any) -> None:
        broken.append(f"a process, {command}")
        raise AssertionError(broken[-1])

    patch.setattr(subprocess.Popen, "__init__", refused)
