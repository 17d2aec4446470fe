"""Where do thousands of small databases come and go quickly? In memory, where there is enough of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from migration_cookbook.workspace import passing_folder, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where Linux has a file system in memory. Others have none, and Docker's is small.
_MEMORY = Path("/dev/shm")
#: Room for a few servers, with some dozens of databases of 8 MB each.
_ENOUGH = 4 * 2**30


@contextlib.contextmanager
def quick_folder(memory: Path = _MEMORY) -> Iterator[Path | None]:
    """A folder in memory, gone afterwards; None where there is too little of it."""
    if not _fits(memory):
        yield None
        return
    # A socket's path has room for few letters.
    ours = memory / f"cookbook-{os.getuid()}"
    sweep(ours)
    with passing_folder(ours) as folder:
        yield folder


def _fits(memory: Path) -> bool:
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        return False
    status = os.statvfs(memory)
    # Some tests run programs that they write.
    runs_programs = not status.f_flag & os.ST_NOEXEC
    free = min(status.f_bavail * status.f_frsize, psutil.virtual_memory().available)
    return runs_programs and free >= _ENOUGH
