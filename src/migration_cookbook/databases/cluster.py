"""A PostgreSQL server of our own as a value: its files, how to reach it, and its record in the workspace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.databases import outside, processes
from migration_cookbook.databases.connections import SOCKET_PORT, socket_url
from migration_cookbook.workspace import read_record, write_atomically

if TYPE_CHECKING:
    import sqlalchemy as sa

    from migration_cookbook.workspace import Workspace

SUPERUSER = "postgres"


@dataclass(frozen=True)
class Cluster:
    """A server's files and how to reach it; what `server.json` in the workspace says."""

    installation: str
    origin: str
    password: str
    #: The folder with data, log and marker files.
    home: Path
    #: The folder with the socket.
    sockets: Path

    def __repr__(self) -> str:
        return f"Cluster({str(self.home)!r})"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def output(self) -> Path:
        return self.home / "pg.log"

    @property
    def mark(self) -> str:
        return outside.server_mark(self.installation, self.home)

    @property
    def url(self) -> sa.URL:
        return socket_url(str(self.sockets), SUPERUSER, self.password, "postgres")

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{SOCKET_PORT}"

    @property
    def initialized(self) -> Path:
        """Exists when initdb came to its end."""
        return self.home / "initialized"

    @property
    def prepared(self) -> Path:
        """Exists when the roles of this installation do."""
        return self.home / "prepared"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The server's folders, none inside another."""
        return (self.home,) if self.sockets.is_relative_to(self.home) else (self.home, self.sockets)

    def pid(self) -> int | None:
        return processes.postmaster(self.data, self.mark) if self.home.is_dir() else None


def keeper_role(installation: str) -> str:
    """Return the role that owns template databases and databases that are still being made."""
    return f"cookbook_{installation}_keeper"


def objects_role(installation: str) -> str:
    """Return the role that owns what's in the templates, so that a clone can hand it to its own role."""
    return f"cookbook_{installation}_objects"


def known(workspace: Workspace) -> Cluster | None:
    """Return the cluster that this workspace has a record of, if any; its files may be gone."""
    record = read_record(_record_path(workspace), outside.is_record)
    if record is None:
        return None
    # In a copy of the workspace, folders elsewhere are still the original's.
    original = outside.is_original(record, workspace.databases, workspace.root)
    home = Path(record["home"]) if record["home"] and original else home_inside(workspace)
    sockets = Path(record["sockets"]) if record["sockets"] and original else home / "s"
    return Cluster(workspace.installation, record["origin"], record["password"], home, sockets)


def found(workspace: Workspace) -> Cluster | None:
    """Return the same, or where the record was lost what's in the workspace: enough to stop it."""
    cluster, inside = known(workspace), home_inside(workspace)
    if cluster is None and inside.is_dir():
        return Cluster(workspace.installation, "", "", inside, inside / "s")
    return cluster


def save(workspace: Workspace, cluster: Cluster) -> None:
    """Write the record from which `known` reads the cluster."""
    usual = home_inside(workspace)
    record = {
        "installation": cluster.installation,
        "root": str(workspace.root),
        "password": cluster.password,
        "origin": cluster.origin,
        "home": "" if cluster.home == usual else str(cluster.home),
        "sockets": "" if cluster.sockets == cluster.home / "s" else str(cluster.sockets),
        "folder": _identity(workspace),
    }
    write_atomically(_record_path(workspace), json.dumps(record) + "\n", mode=0o600)


def _record_path(workspace: Workspace) -> Path:
    return workspace.databases / "server.json"


def home_inside(workspace: Workspace) -> Path:
    """Return where a server's files are unless its account can't enter the workspace."""
    return workspace.databases / "server"


def _identity(workspace: Workspace) -> list[int]:
    """Return what tells the workspace from a copy of it, which must not take over the original's server."""
    status = workspace.databases.stat()
    return [status.st_dev, status.st_ino]
