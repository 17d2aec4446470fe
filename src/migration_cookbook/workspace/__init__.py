"""The folder in which the kit's files are, and its locks.

Everything a learner makes and everything the kit keeps is below one folder,
the workspace: `workspace/` in a checkout, or the folder named by COOKBOOK_HOME.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migration_cookbook.workspace import waiting
from migration_cookbook.workspace.errors import CookbookError
from migration_cookbook.workspace.folders import (
    close_contents,
    close_folder,
    is_private,
    let_server_enter,
    temporary_folder,
    private_folder,
    sweep,
)
from migration_cookbook.workspace.records import (
    is_text,
    keep_copy,
    read_json,
    read_record,
    unreadable,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "HOME_VARIABLE",
    "LAYOUT",
    "CookbookError",
    "Workspace",
    "checkout",
    "explained",
    "is_private",
    "is_text",
    "keep_copy",
    "open_workspace",
    "temporary_folder",
    "private_folder",
    "read_json",
    "read_record",
    "sweep",
    "unreadable",
    "write_atomically",
]

#: Raised when the meaning of files in the workspace changes.
LAYOUT = 1

#: Names the folder to use instead of the checkout's own workspace.
HOME_VARIABLE = "COOKBOOK_HOME"


#: What the kit makes in the workspace. Anything else there is the user's.
_FOLDERS = (
    *("build", "databases", "jupyter", "kept", "locks", "matrix"),
    *("notebooks", "practice", "sandboxes", "test"),
)
_FILES = ("installation.json", "handed-out.json", "cookbook.log", "cookbook.log.1")

_INSTALLATION = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class Workspace:
    """The folder in which the kit and the learner work."""

    root: Path
    #: Eight hex digits, part of the name of each database and role we make.
    installation: str

    @property
    def sandboxes(self) -> Path:
        return self.root / "sandboxes"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def kept(self) -> Path:
        """What a fresh start would have lost: changed notebooks and files."""
        return self.root / "kept"

    @property
    def databases(self) -> Path:
        """SQLite files and templates, the journal, the embedded server."""
        return self.root / "databases"

    @property
    def jupyter(self) -> Path:
        return self.root / "jupyter"

    @property
    def log(self) -> Path:
        return self.root / "cookbook.log"

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock `name` against every other process of this workspace.

        The system releases it when the holder dies, however it dies.
        """
        path = self.root / "locks" / f"{name}.lock"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (IsADirectoryError, PermissionError) as error:
            raise unreadable(path, error) from None
        try:
            waiting.lock(descriptor, path)
            yield
        finally:
            os.close(descriptor)

    def let_server_enter(self) -> None:
        """Let the account of root's server go through to its data; in a folder of the user's own, don't."""
        way = [self.databases]
        for folder in (self.root, *self.root.parents):
            way.append(folder)
            record = None
            with contextlib.suppress(CookbookError):  # what is above may be anybody's
                record = read_record(folder / "installation.json", _is_valid)
            if record is not None:
                if _is_shared(folder, record):
                    return
                # The workspaces of builds and of tests are inside another, with folders in between.
                for each in way:
                    let_server_enter(each)
                way = []

    def building(self) -> contextlib.AbstractContextManager[Path]:
        """Create an empty folder for what's being made, removed afterwards; `sweep` sees that it's in use."""
        return temporary_folder(self._buildings)

    def sweep(self) -> list[str]:
        """Remove what killed processes left unfinished; return the names of the folders."""
        return sweep(self._buildings)

    @property
    def _buildings(self) -> Path:
        return self.databases / "building"


def checkout() -> Path | None:
    """Return the checkout that this package is run from, if there is one."""
    folder = Path(__file__).resolve().parents[3]
    return folder if (folder / "sandbox_project" / "alembic.ini").is_file() else None


def open_workspace(root: Path | None = None) -> Workspace:
    """Return the workspace at `root`, or the one this process belongs to; made if missing."""
    folder = (root or _default_root()).absolute()
    if '"' in str(folder) or ":" in str(folder):
        raise CookbookError(
            f'The path {folder} has a " or a : in it. Move the folder to a path without them.'
        )
    try:
        _close_umask()
        # What is above the workspace isn't ours to close.
        folder.parent.mkdir(parents=True, exist_ok=True)
        private_folder(folder)
        if folder.stat().st_uid != os.getuid():
            raise CookbookError(
                f"The workspace {folder} belongs to another user of this computer. "
                f"Clone the cookbook into your own folder, or set {HOME_VARIABLE}=/some/folder."
            )
        record = _record(folder)
        _close(folder, record)
        return Workspace(folder, str(record["installation"]))
    except OSError as error:
        raise CookbookError(
            f"The workspace {folder} can't be made ({error.strerror}). Name another with {HOME_VARIABLE}=/some/folder."
        ) from None


def _close_umask() -> None:
    """Keep others from writing what is created from here on, also by Alembic, SQLite and Jupyter.

    Only a umask that lets everybody write is changed, as some containers have it.
    """
    before = os.umask(0o077)
    os.umask(before if before & stat.S_IWOTH else before | stat.S_IWGRP | stat.S_IWOTH)


def _close(folder: Path, record: dict[str, Any]) -> None:
    """Close the workspace to other users, also one that an earlier version made.

    Nobody reaches what is in a closed folder, so its contents are looked through
    only where it was open. A folder that had other files in it when it became a
    workspace keeps its mode, which is its owner's business; what is ours in it doesn't.
    """
    status = folder.stat()
    was_open = bool(status.st_mode & 0o077) and not (status.st_mode & 0o777 == 0o710)
    if not _is_shared(folder, record):
        close_folder(folder)
    close_contents(folder, _FILES)
    for name in _FOLDERS:
        ours = folder / name
        with contextlib.suppress(OSError):
            found = ours.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                continue
            opened = was_open and bool(found.st_mode & 0o077)
            close_folder(ours)
            if opened or name == "databases":
                close_contents(ours, deep=opened)


def _is_shared(folder: Path, record: dict[str, Any]) -> bool:
    """Whether the folder has other uses: its mode isn't ours to change."""
    return record.get("shared") is True or bool(folder.stat().st_mode & stat.S_ISVTX)


def explained(error: OSError) -> str | None:
    """Return what the user can fix about the disk, in one line; None if the error is about something else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "There is no space left on the disk. Make some, and run this again."
    if error.errno == errno.EROFS:
        return f"{error.filename} lies on a disk that is read-only. Set {HOME_VARIABLE}=/some/folder to one you may write."
    return None


def _default_root() -> Path:
    if named := os.environ.get(HOME_VARIABLE):
        try:
            return Path(named).expanduser()
        except RuntimeError:
            user = named.partition("/")[0]
            raise CookbookError(
                f"{HOME_VARIABLE} begins with {user}, but this computer has no such user. Set it to a full path."
            ) from None
    if folder := checkout():
        return folder / "workspace"
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        raise CookbookError(f"You have no home folder. Set {HOME_VARIABLE}=/some/folder.") from None
    return cache / "migration-cookbook"


def _record(folder: Path) -> dict[str, Any]:
    """Return what the workspace says of itself; written where it says nothing, or nothing that makes sense."""
    path = folder / "installation.json"
    known = read_record(path, _is_valid)
    if known is None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            waiting.lock(descriptor, folder)
            known = read_record(path, _is_valid)
            if known is None:
                known = _fresh_record(folder, path)
                write_atomically(path, json.dumps(known) + "\n")
        finally:
            os.close(descriptor)
    if known["layout"] != LAYOUT:
        raise CookbookError(
            f"The workspace {folder} was made by another version of the cookbook. "
            "Move it away, and the next command makes a fresh one."
        )
    return known


def _is_valid(record: dict[str, Any]) -> bool:
    layout = record.get("layout")
    # Another version may name its installations in another way.
    return type(layout) is int and (layout != LAYOUT or is_installation(record.get("installation")))


def is_installation(value: object) -> bool:
    return isinstance(value, str) and _INSTALLATION.fullmatch(value) is not None


def _fresh_record(folder: Path, path: Path) -> dict[str, Any]:
    """Return a new installation; a damaged record's one where the server's record still names it."""
    others = [each.name for each in folder.iterdir() if each != path and each.name not in _FOLDERS]
    server = read_record(folder / "databases" / "server.json", lambda record: True) if path.exists() else None
    known = (server or {}).get("installation")
    keep_copy(path, folder / "kept")
    record = {"installation": known if is_installation(known) else secrets.token_hex(4), "layout": LAYOUT}
    return record | ({"shared": True} if others and not path.exists() else {})
