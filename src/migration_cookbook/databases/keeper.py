"""The keeper: a small process that stops the server when nobody needs it any more.

It stops the server when no client came for long or when the workspace is gone. The
server's data outside the workspace stay for a day, in case it comes back. Nothing depends on it: when
it's killed, the next attach starts another. Standard library only, and psycopg when it looks for clients.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.databases import outside, processes
from migration_cookbook.workspace import CookbookError, Workspace, read_json, read_record

if TYPE_CHECKING:
    from migration_cookbook.databases.cluster import Cluster

#: A server that had no client for so long is stopped.
IDLE_S = 12 * 3600.0

#: How soon a server notices that its workspace was removed.
POLL_S = 1.0


@dataclass(frozen=True)
class Watched:
    """A server as the keeper sees it. No password: it is read when needed."""

    installation: str
    root: str
    home: str
    sockets: str
    mark: str

    @property
    def workspace(self) -> Workspace:
        return Workspace(Path(self.root), self.installation)

    def pid(self) -> int | None:
        return processes.postmaster(Path(self.home, "data"), self.mark)


def ensure(workspace: Workspace, cluster: Cluster) -> None:
    """Start a keeper unless one is at work. The caller holds the workspace's lock `server`."""
    descriptor = _acquire_keeper_lock(workspace)
    if descriptor is None:
        return
    watched = Watched(
        workspace.installation, str(workspace.root), str(cluster.home), str(cluster.sockets), cluster.mark
    )
    try:
        subprocess.run(
            [sys.executable, "-P", "-m", __name__, json.dumps(asdict(watched))],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[descriptor],
        )
    finally:
        os.close(descriptor)


def watch(
    watched: Watched, poll_s: float = POLL_S, idle_s: float = IDLE_S, grace_s: float = outside.GRACE_S
) -> None:
    """Return when the server is gone, after stopping it if that is called for."""
    folder = _identity(watched)
    pid = watched.pid()
    used, sessions, looked = time.monotonic(), -1, time.monotonic()
    while True:
        time.sleep(poll_s)
        if folder is None or _identity(watched) != folder:
            _stop_and_clean_up(watched, pid)
            if not _came_back(watched, poll_s, grace_s):
                return
            folder = _identity(watched)
            used, looked = time.monotonic(), time.monotonic()
        before, pid = pid, watched.pid()
        if pid != before:
            watched = _as_started(watched)
        if pid is None:
            if _is_done(watched):
                return
            continue
        if time.monotonic() - looked < idle_s / 50:
            continue
        looked = time.monotonic()
        clients, total = _client_counts(watched)
        if clients or total != sessions:
            used, sessions = looked, total
        elif looked - used > idle_s:
            _stop_if_idle(watched, pid)


def _as_started(watched: Watched) -> Watched:
    """Return the server as its record has it now: another start may have put it elsewhere."""
    record = read_record(watched.workspace.databases / "server.json", outside.is_record)
    if record is None:
        return watched
    home = Path(record["home"] or watched.workspace.databases / "server")
    sockets = record["sockets"] or str(home / "s")
    mark = outside.server_mark(watched.installation, home)
    return replace(watched, home=str(home), sockets=sockets, mark=mark)


def _is_done(watched: Watched) -> bool:
    """Whether the server stays stopped and left nothing outside the workspace."""
    if any(not Path(folder).is_relative_to(watched.root) for folder in (watched.home, watched.sockets)):
        return False
    try:
        with watched.workspace.lock("server"):
            return watched.pid() is None
    except (FileNotFoundError, CookbookError):
        return False  # the workspace is being removed, or a stopped process holds the lock


def _acquire_keeper_lock(workspace: Workspace) -> int | None:
    """Take the lock that a keeper holds until it ends; return None if another keeper has it."""
    path = workspace.databases / "keeper.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _identity(watched: Watched) -> tuple[int, int] | None:
    """Return what tells the workspace from another that took its place."""
    try:
        status = watched.workspace.databases.stat()
        Path(watched.home).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _stop_and_clean_up(watched: Watched, pid: int | None) -> None:
    """Stop the server of a workspace that's gone, remove its socket, and begin the day that its data stay."""
    if pid is not None:
        processes.end(pid, watched.mark)
    home, sockets = Path(watched.home), Path(watched.sockets)
    if _is_here(watched, sockets) and not sockets.is_relative_to(home):
        outside.remove(sockets, _owner(sockets))
    if _is_here(watched, home):
        outside.mark_missing(home)


def _came_back(watched: Watched, poll_s: float, grace_s: float) -> bool:
    """Whether the workspace is there again with a claim to its data; if it isn't in time, they are removed."""
    home, deadline = Path(watched.home), time.monotonic() + grace_s
    while outside.is_outside(home, watched.root):
        marker = outside.read_marker(home)
        # Somebody removed it, or the workspace was moved and found its data itself.
        if marker is None or marker.root != watched.root:
            return False
        if outside.is_claimed(home, watched.root):
            outside.mark(home, replace(marker, missing_since=None))
            return True
        if time.monotonic() > deadline:
            outside.remove(home, _owner(home))
            return False
        time.sleep(poll_s)
    return False


def _is_here(watched: Watched, folder: Path) -> bool:
    """Whether a folder outside is still this workspace's."""
    marker = outside.read_marker(folder) if outside.is_outside(folder, watched.root) else None
    return marker is not None and marker.root == watched.root


def _owner(folder: Path) -> int:
    """Return the owner of a marked folder: ourselves, or the account of root's server."""
    return folder.lstat().st_uid


def _client_counts(watched: Watched) -> tuple[int, int]:
    """Return how many clients the databases have now, and had ever. What can't be asked counts as used."""
    try:
        import psycopg

        record = read_json(watched.workspace.databases / "server.json")
        with psycopg.connect(
            host=watched.sockets, port=5432, user="postgres", dbname="postgres", password=record["password"]
        ) as connection:
            now = connection.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
            ever = connection.execute(
                "SELECT coalesce(sum(sessions), 0)::bigint FROM pg_stat_database WHERE datname <> 'postgres'"
            ).fetchone()
    except Exception:
        # The environment may have been removed, the server may be restarting: not a time to stop it.
        return 1, 0
    return (now or [1])[0], (ever or [0])[0]


def _stop_if_idle(watched: Watched, pid: int) -> None:
    """Stop the server, unless a client came in just now."""
    with contextlib.suppress(CookbookError), watched.workspace.lock("server"):
        clients, _ = _client_counts(watched)
        if clients == 0:
            processes.end(pid, watched.mark)


def _main(argument: str) -> None:
    # The starter waits for this process only: the keeper itself is nobody's child.
    if os.fork() == 0:
        with contextlib.suppress(OSError, CookbookError):
            watch(Watched(**json.loads(argument)))


if __name__ == "__main__":
    _main(sys.argv[1])
