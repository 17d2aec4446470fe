"""A view of the file system in which only what may be read is there, where the kernel allows one.

Landlock keeps a process from opening files, not from asking whether they exist, how large they are and
when they changed. In a mount namespace with a root of its own there's nothing to ask about. Root may make
one; other users may where the system lets them have user namespaces.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.verify.containment import kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_READ_ONLY, _NO_SUID, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 2, 1 << 5, 1 << 12, 1 << 14, 1 << 18
#: In its place the new root is put together: every Linux has it, and nobody needs it any more.
_PLACE = "/proc"


def hide(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Leave nothing to be seen but these files and folders. False where that can't be done: all is as before."""
    own, group = os.getuid(), os.getgid()
    try:
        if not _separate(own, group):
            return False
        kernel.mount("none", "/", None, _RECURSIVE | _PRIVATE)
        kernel.mount("tmpfs", _PLACE, "tmpfs", _NO_SUID, "mode=0755,size=1m")
    except OSError:
        return False
    for path in sorted({*readable, *writable}, key=lambda one: len(one.parts)):
        _show(path)
    kernel.mount("tmpfs", _PLACE, None, _REMOUNT | _BIND | _READ_ONLY)
    here = Path.cwd()
    os.chroot(_PLACE)
    os.chdir(here)
    return True


def _separate(own: int, group: int) -> bool:
    """Take leave of the others' mounts; as an ordinary user by way of a user namespace."""
    if own == 0:
        return kernel.unshare(_NEW_MOUNTS)
    if not kernel.unshare(_NEW_USERS | _NEW_MOUNTS):
        return False
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{own} {own} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", name).write_text(text)
    return True


def _show(path: Path) -> None:
    """The file or folder at the same place in the new root."""
    if not path.exists():
        return
    place = Path(_PLACE, *path.parts[1:])
    # Within a folder that's shown already it's shown, too.
    if place.exists():
        return
    if path.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    kernel.mount(str(path), str(place), None, _BIND | _RECURSIVE)
