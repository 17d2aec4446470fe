"""The server's folders outside the workspace, and when they are removed. Standard library only, for the keeper.

A socket's path has room for few letters, and root's server can't enter every checkout, so
some folders are in the temp folder. Each has a marker with its owner's installation, because another
user may take a name in the temp folder once it's free. Data whose workspace is missing
stay for a day, because a checkout may be renamed or its disk unmounted for a while.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases import processes
from migration_cookbook.workspace import is_private, is_text, read_record, write_atomically

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from migration_cookbook.workspace import Workspace

#: How long data stay after their workspace was last seen.
GRACE_S = 24 * 3600.0

#: Who the folder belongs to.
MARKER = "cookbook.json"
#: The same for people, once the workspace is missing.
NOTICE = "README.txt"

_NAME = re.compile(r"cookbook-[a-z0-9_]{8}")

_NOTICE_TEXT = """\
These are the PostgreSQL databases of a Migration Cookbook.

Its workspace, {root},
has been missing since {since}.
Put the workspace back and run any cookbook command to keep these files.
They are removed after {until}.
"""


@dataclass(frozen=True)
class Marker:
    """What a folder outside says of itself."""

    installation: str
    root: str
    #: The time at which the workspace was first found missing, in seconds since 1970.
    missing_since: float | None = None


def is_outside(folder: Path, root: Path | str) -> bool:
    return not folder.is_relative_to(root)


def read_marker(folder: Path) -> Marker | None:
    """Return the marker of a folder, if we wrote it; links are not followed."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            descriptor = os.open(
                MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above
            )
        finally:
            os.close(above)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid():
                return _marker(json.load(file))
    return None


def _marker(found: Any) -> Marker | None:
    if not isinstance(found, dict) or found.keys() != {"installation", "root", "missing_since"}:
        return None
    since = found["missing_since"]
    if not is_text(found["installation"], found["root"]) or not (since is None or type(since) is float):
        return None
    return Marker(**found)


def mark(folder: Path, marker: Marker) -> None:
    """Write a folder's marker, and with it the notice for people."""
    if read_marker(folder) == marker:
        return
    write_atomically(folder / MARKER, json.dumps(asdict(marker)) + "\n", mode=0o600)
    notice = folder / NOTICE
    if marker.missing_since is None:
        notice.unlink(missing_ok=True)
        return
    since, until = (
        datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
        for moment in (marker.missing_since, marker.missing_since + GRACE_S)
    )
    write_atomically(notice, _NOTICE_TEXT.format(root=marker.root, since=since, until=until), mode=0o600)


def mark_missing(folder: Path) -> None:
    """Begin the day at whose end the folder is removed."""
    marker = read_marker(folder)
    if marker is not None and marker.missing_since is None:
        mark(folder, replace(marker, missing_since=time.time()))


def adopt(workspace: Workspace, folders: Iterable[Path]) -> None:
    """Mark folders in use as this workspace's, wherever it is now."""
    for folder in folders:
        if is_outside(folder, workspace.root) and folder.is_dir() and not folder.is_symlink():
            mark(folder, Marker(workspace.installation, str(workspace.root)))


def is_original(record: dict[str, Any], databases: Path, root: Path | str) -> bool:
    """Whether the server's record was written in this workspace, and not in one that this is a copy of.

    A disk may get another device number when it is mounted again, so the same place counts too.
    """
    try:
        status = databases.stat()
    except OSError:
        return False
    device, inode = record["folder"]
    return bool(inode == status.st_ino and (device == status.st_dev or record.get("root") == str(root)))


def is_record(record: dict[str, Any]) -> bool:
    """Whether the server's record has all that it needs."""
    texts = [record.get(name) for name in ("password", "origin", "home", "sockets")]
    folder = record.get("folder")
    return (
        is_text(*texts)
        and bool(record["password"])
        and all(not record[name] or Path(record[name]).is_absolute() for name in ("home", "sockets"))
        and isinstance(folder, list)
        and [type(each) for each in folder] == [int, int]
    )


def is_claimed(folder: Path, root: str) -> bool:
    """Whether the workspace that is at `root` now has its server's files in this folder."""
    databases = Path(root, "databases")
    try:
        record = read_record(databases / "server.json", is_record)
    except Exception:
        return True  # what can't be read may well claim it
    return (
        record is not None
        and str(folder) in (record["home"], record["sockets"])
        and is_original(record, databases, root)
    )


def remove(folder: Path, owner: int) -> None:
    """Remove a folder outside, if it is one of ours."""
    if is_private(folder, owner) and read_marker(folder) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def remove_all(workspace: Workspace, owner: int) -> None:
    """Remove all folders outside that are this workspace's, with their servers: for a temporary one."""
    for folder in _private_folders(owner):
        marker = read_marker(folder)
        if marker is not None and marker.root == str(workspace.root):
            _end_server(folder, marker)
            remove(folder, owner)


def _end_server(folder: Path, marker: Marker) -> None:
    name = server_mark(marker.installation, folder)
    if (pid := processes.postmaster(folder / "data", name)) is not None:
        processes.end(pid, name)


def sweep(workspace: Workspace, owner: int, in_use: Container[Path]) -> None:
    """Remove what dead processes left in the temp folder. The caller holds the workspace's lock `server`."""
    for folder in _private_folders(owner):
        if folder not in in_use:
            with contextlib.suppress(OSError):
                _remove_if_unused(workspace, folder, owner)


def _remove_if_unused(workspace: Workspace, folder: Path, owner: int) -> None:
    """Remove a folder that isn't in use here, if nobody needs it any more."""
    marker = read_marker(folder)
    if marker is None:
        _remove_if_empty(folder)
    elif marker.root == str(workspace.root) and not (folder / "data").exists():
        remove(folder, owner)  # of a start that was killed: we hold the lock, so nobody starts now
    elif marker.root != str(workspace.root) and is_claimed(folder, marker.root):
        if marker.missing_since is not None:
            mark(folder, replace(marker, missing_since=None))
    else:
        _remove_after_grace(folder, marker, owner)


def _private_folders(owner: int) -> Iterator[Path]:
    """Yield our private folders, by name and owner, in the places for short paths."""
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        with contextlib.suppress(OSError), os.scandir(base) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and is_private(Path(entry.path), owner):
                    yield Path(entry.path)


def _remove_if_empty(folder: Path) -> None:
    """Remove the folder of a process that was killed before it could write the marker, once it's old."""
    if time.time() - folder.stat().st_mtime > GRACE_S:
        folder.rmdir()


def _remove_after_grace(folder: Path, marker: Marker, owner: int) -> None:
    """End the server of a folder that nobody claims; let the day of its data begin, or end."""
    _end_server(folder, marker)
    since, now = marker.missing_since, time.time()
    if since is None or since > now:  # a clock may have been put back
        mark(folder, replace(marker, missing_since=now))
    elif now - since > GRACE_S:
        remove(folder, owner)


def server_mark(installation: str, home: Path) -> str:
    """Return the name in the server's command line. A copy of the workspace has another inode, so another mark."""
    return f"cookbook_{installation}_{home.stat().st_ino}"
