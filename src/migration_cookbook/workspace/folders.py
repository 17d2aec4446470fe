"""Folders that only their owner may enter, and their removal without following links.

A name that somebody else can guess may be taken: by a link, or by a folder of another
user. So a folder is trusted for what its descriptor says, never for its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.workspace.errors import CookbookError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

#: What everybody but the owner may do.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder(folder: Path) -> Path:
    """Create a folder with those above it that are missing, all closed to other users."""
    if not folder.is_dir():
        if folder.parent != folder:
            private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Create an empty folder in `parent` for the block; `sweep` sees that it's in use."""
    while True:
        private_folder(parent)
        with _own_folder(parent) as above:
            if above is None:
                raise CookbookError(
                    f"The folder {parent} is a link, belongs to another user or can be written by others. "
                    "Remove it, and run this again."
                )
            name = secrets.token_hex(4)
            try:
                os.mkdir(name, 0o700, dir_fd=above)
            except FileExistsError:
                continue
            except FileNotFoundError:
                continue  # the parent was removed since, with all that was in it
            folder = parent / name
            with _locked(name, above) as ours:
                # A sweep that came in between took the folder for a dead process's.
                if not ours or not folder.is_dir():
                    continue
                try:
                    yield folder
                finally:
                    shutil.rmtree(name, ignore_errors=True, dir_fd=above)
                return


def sweep(parent: Path) -> list[str]:
    """Remove the passing folders of killed processes; their names. What we didn't create is left alone."""
    removed: list[str] = []
    with _own_folder(parent) as above:
        if above is None:
            return removed
        for name in os.listdir(above):
            with _locked(name, above) as free:
                if free:
                    shutil.rmtree(name, ignore_errors=True, dir_fd=above)
                    removed.append(name)
    return removed


def is_private(folder: Path, owner: int | None = None) -> bool:
    """Whether the path is a folder, not a link, of this owner (ourselves), that nobody else may enter."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == (os.getuid() if owner is None else owner)
        and not found.st_mode & _OTHERS
    )


def close_folder(folder: Path) -> None:
    """Take everybody else's rights to a folder of ours; root's stays open to the server's account."""
    found = folder.stat()
    allowed = 0o710 if found.st_mode & 0o777 == 0o710 and found.st_gid == server_group() else 0o700
    if found.st_mode & _OTHERS & ~allowed:
        folder.chmod(stat.S_IMODE(found.st_mode) & allowed | 0o700)


def let_server_enter(folder: Path) -> None:
    """Let the account of root's server go through a folder, and nobody else: it may not list it.

    The server of root runs as `nobody`, so with 0700 its data could never be inside the
    workspace. With 0711 every user could go through; the group does it without that.
    """
    group = server_group()
    if group is None:
        return
    found = folder.stat()
    if found.st_uid == os.getuid() and (found.st_gid != group or found.st_mode & 0o777 != 0o710):
        # First the rights: in between, the old group must not get them.
        folder.chmod(0o700)
        os.chown(folder, -1, group)
        folder.chmod(0o710)


def server_group() -> int | None:
    """Return the group of the account that runs root's server; None where we run it ourselves."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_gid
    except KeyError:
        return None


def close_contents(folder: Path, only: Container[str] | None = None, *, deep: bool = False) -> None:
    """Take others' rights to what is ours in a folder, and with `deep` to all that is below it."""
    for _, folders, names, above in os.fwalk(folder):
        for name in (*folders, *names):
            if only is None or name in only:
                _close(name, above)
        if not deep:
            return


def _close(name: str, above: int) -> None:
    """Relative to the folder's descriptor, and never through a link."""
    with contextlib.suppress(OSError):  # gone since, or a socket, or not ours to open
        seen = os.stat(name, dir_fd=above, follow_symlinks=False)
        kind = stat.S_IFMT(seen.st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR) or not seen.st_mode & _OTHERS:
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        try:
            found = os.fstat(descriptor)
            if found.st_uid == os.getuid() and found.st_gid != server_group():
                os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~_OTHERS)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[int | None]:
    """Open a folder of ours; yield its descriptor, or None if it is missing or anything else."""
    descriptor = _opened(folder, None)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _opened(folder: Path | str, above: int | None) -> int | None:
    try:
        descriptor = os.open(
            folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above
        )
    except OSError:
        return None
    found = os.fstat(descriptor)
    # A file system that somebody mounted there has a device of its own.
    mounted = above is not None and os.fstat(above).st_dev != found.st_dev
    if found.st_uid != os.getuid() or found.st_mode & stat.S_IWOTH or mounted:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def _locked(name: str, above: int) -> Iterator[bool]:
    """Hold a folder's lock, if it is ours and nobody else holds it."""
    descriptor = _opened(name, above)
    if descriptor is None:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
