"""A folder in memory for the tests' databases.

Where do thousands of small databases come and go quickly? In memory, where there's enough of it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from migration_cookbook.workspace import sweep, temporary_folder
from migration_cookbook.workspace.folders import let_server_enter, server_group

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where Linux has a file system in memory. Others have none, and Docker's is small.
_MEMORY = Path("/dev/shm")
#: Room for a few servers, with some dozens of databases of 8 MB each.
_ENOUGH = 4 * 2**30


@contextlib.contextmanager
def tmpfs_folder(memory: Path = _MEMORY) -> Iterator[Path | None]:
    """Make a folder in memory, gone afterwards; None where there is too little of it."""
    if not _fits(memory):
        yield None
        return
    # A socket's path has room for few letters.
    ours = memory / f"cookbook-{os.getuid()}"
    if not _is_ours(ours):
        print(
            f"{ours} isn't a private folder of yours, so the tests use the disk. Remove it to use memory.",
            file=sys.stderr,
        )
        yield None
        return
    sweep(ours)
    # PostgreSQL's data are in it, too. Where root can't let its account through, they would be on the disk.
    let_server_enter(ours)
    with temporary_folder(ours) as folder:
        let_server_enter(folder)
        yield folder


def _is_ours(folder: Path) -> bool:
    """Whether the folder is one that only we can have made and filled; made if there's none.

    Everybody may write to its parent, so a link or another user's folder may be in its place.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if (status := _status(folder)) is None or status.st_uid != os.getuid():
        return False
    if not _is_closed(status):
        # An empty one, of an earlier version, can be made anew.
        with contextlib.suppress(OSError):
            folder.rmdir()
            folder.mkdir(mode=0o700)
        status = _status(folder)
    return status is not None and status.st_uid == os.getuid() and _is_closed(status)


def _is_closed(status: os.stat_result) -> bool:
    """Whether nobody else may enter; the account of root's server may go through."""
    mode = stat.S_IMODE(status.st_mode)
    return mode == 0o700 or (mode == 0o710 and status.st_gid == server_group())


def _status(folder: Path) -> os.stat_result | None:
    """Return what's known of a folder; None for a link and for anything else that isn't one."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _fits(memory: Path) -> bool:
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        return False
    status = os.statvfs(memory)
    # Some tests run programs that they write.
    runs_programs = not status.f_flag & os.ST_NOEXEC
    free = min(status.f_bavail * status.f_frsize, psutil.virtual_memory().available)
    return runs_programs and free >= _ENOUGH
