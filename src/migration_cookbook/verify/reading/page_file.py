"""A page as it was opened: its bytes, and where the file that they come from really is.

It's read once, from one descriptor. Whoever puts another file in its place afterwards is too late.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path

from migration_cookbook.printable import one_line
from migration_cookbook.verify.reading.formats import format_of
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.workspace import CookbookError

_MEGABYTE = 1_000_000
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
    """Open and read a page; one that's too long, and what isn't a plain file, is refused unread."""
    try:
        # A pipe that nobody writes to would never open.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor has no path
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CookbookError(f"{one_line(str(path))} isn't a plain file. Name a page or a folder.")
            check_size(path, status.st_size)
            # It may grow meanwhile; files in /proc don't know their size.
            content = file.read(longest(path) + 1)
            real = _real(descriptor, status, path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CookbookError(f"{one_line(str(path))} can't be read: {reason}.") from None
    check_size(path, len(content))
    return OpenedPage(path, content, real, status.st_uid, status.st_mode)


def longest(path: Path) -> int:
    """Return how many bytes a page may have."""
    return format_of(path).megabytes * _MEGABYTE


def check_size(path: Path, size: int) -> None:
    """Refuse a page that's too long."""
    if size > longest(path):
        raise PageMistake(
            path.as_posix(),
            1,
            f"this page has more than {longest(path) // _MEGABYTE} MB, the most that is read; split it.",
        )


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
