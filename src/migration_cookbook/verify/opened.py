"""A page as it was opened: its bytes, and where the file that they come from really is.

It's read once, from one descriptor. Whoever puts another file in its place afterwards is too late.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path

from migration_cookbook.workspace import CookbookError

#: No page that somebody reads is longer; a notebook with pictures may be long.
LARGEST = 16 * 2**20

_FILE_OF_DESCRIPTOR = 50  # F_GETPATH of macOS


@dataclass(frozen=True)
class OpenedPage:
    """The content of a page, with what was true of its file when it was opened."""

    path: Path
    content: bytes = field(repr=False)
    #: Without links; None where the system can't say.
    real: Path | None
    owner: int
    mode: int


def open_page(path: Path) -> OpenedPage:
    """Open and read a page."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise CookbookError(f"{path} can't be read: {error.strerror}.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CookbookError(f"{path} isn't a file. Name a file or a folder.")
        if status.st_size > LARGEST:
            raise CookbookError(
                f"{path} has {status.st_size // 2**20:,} MB. A page may have {LARGEST // 2**20} MB at most: "
                "split it, or name the part that has the snippets."
            )
        content = _all_of(descriptor, path)
        return OpenedPage(path, content, _real(descriptor, status, path), status.st_uid, status.st_mode)
    except OSError as error:
        raise CookbookError(f"{path} can't be read: {error.strerror}.") from None
    finally:
        os.close(descriptor)


def _all_of(descriptor: int, path: Path) -> bytes:
    content = bytearray()
    while part := os.read(descriptor, 2**20):
        content += part
        if len(content) > LARGEST:
            raise CookbookError(f"{path} grows while it's read. Run this again when it has come to an end.")
    return bytes(content)


def _real(descriptor: int, status: os.stat_result, path: Path) -> Path | None:
    """Where the opened file is, as the kernel knows it."""
    try:
        if sys.platform == "darwin":
            import fcntl

            answer = fcntl.fcntl(descriptor, _FILE_OF_DESCRIPTOR, b"\0" * 1024)
            found = Path(os.fsdecode(answer.rstrip(b"\0")))
        elif Path("/proc/self/fd").is_dir():
            found = Path(f"/proc/self/fd/{descriptor}").readlink()
        else:
            found = Path(os.path.realpath(path))
        # It may have been removed or replaced since.
        return found if os.path.samestat(found.lstat(), status) else None
    except OSError:
        return None
