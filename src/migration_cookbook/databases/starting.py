"""From a workspace to a running server: made if it's missing, made again if its data are damaged.

Everything here expects the caller to hold the workspace's lock `server`.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from migration_cookbook.databases import processes
from migration_cookbook.databases.account import Account, server_account
from migration_cookbook.databases.cluster import Cluster, keeper_role, objects_role
from migration_cookbook.databases.connections import connect_admin
from migration_cookbook.databases.initdb import has_proof, initialize
from migration_cookbook.databases.launching import DamagedError, launch
from migration_cookbook.databases.placing import place, removed_on_failure
from migration_cookbook.workspace import CookbookError, private_folder, write_atomically

if TYPE_CHECKING:
    from migration_cookbook.databases.binaries import Binaries
    from migration_cookbook.workspace import Workspace

# Without the first two lines each sandbox's role could fill these databases with objects of its own.
_PREPARATION = """\
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{keeper}') THEN CREATE ROLE {keeper} NOLOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{objects}') THEN CREATE ROLE {objects} NOLOGIN; END IF;
END $$;
"""


def start(
    workspace: Workspace, binaries: Binaries, reason: str | None = None
) -> tuple[Cluster, tuple[str, ...]]:
    """Start the workspace's server, and return it with what to tell the user.

    `reason` says why the data can't be used, if the caller knows.
    """
    account = server_account()
    with removed_on_failure(workspace, account) as created:
        cluster = place(workspace, binaries, account, created)
        if pid := cluster.pid():
            processes.end(pid, cluster.mark)
        return cluster, _started(workspace, cluster, binaries, account, reason)


def _started(
    workspace: Workspace, cluster: Cluster, binaries: Binaries, account: Account, reason: str | None
) -> tuple[str, ...]:
    """Start a cluster that has its folders; return what to tell the user."""
    notices: list[str] = []
    if reason := reason or _unusable(cluster, binaries):
        notices.append(_set_aside(workspace, cluster, reason))
    initialize(cluster, binaries, account)
    try:
        launch(cluster, binaries, account)
    except DamagedError as damage:
        notices.append(_set_aside(workspace, cluster, f"is damaged ({damage})"))
        initialize(cluster, binaries, account)
        try:
            launch(cluster, binaries, account)
        except DamagedError as again:
            raise CookbookError(f"PostgreSQL doesn't start: {again}. Its log is {cluster.output}.") from None
    return tuple(notices)


def prepare(cluster: Cluster) -> None:
    """Close the common databases and create the roles that never log in, once a cluster."""
    with contextlib.suppress(OSError):
        # A workspace that lost its record is another installation, on the same server.
        if cluster.prepared.read_text(encoding="utf-8", errors="replace") == cluster.installation:
            return
    names = {"keeper": keeper_role(cluster.installation), "objects": objects_role(cluster.installation)}
    with connect_admin(cluster.url) as connection:
        connection.execute(_PREPARATION.format(**names).encode())
    write_atomically(cluster.prepared, cluster.installation)


def _unusable(cluster: Cluster, binaries: Binaries) -> str | None:
    """Return why an initialized cluster can't be used, in words that follow "PostgreSQL's data"."""
    if not cluster.initialized.exists():
        return None
    try:
        major = (cluster.data / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "is damaged (PG_VERSION can't be read)"
    if major != str(binaries.major):
        return f"was made by PostgreSQL {major}, not {binaries.major}"
    return None if has_proof(cluster) else "has lost its password"


def _set_aside(workspace: Workspace, cluster: Cluster, reason: str) -> str:
    """Move data that can't be used to the kept files; return what to tell the user."""
    number = 1
    while (kept := workspace.kept / f"postgres-{number}").exists():
        number += 1
    private_folder(workspace.kept)
    shutil.move(cluster.data, kept)
    cluster.initialized.unlink(missing_ok=True)
    cluster.prepared.unlink(missing_ok=True)
    return (
        f"PostgreSQL's data {reason}. It is kept in {kept.relative_to(workspace.root.parent)}; "
        "a new server was made, so run the notebook's %sandbox cell again."
    )
