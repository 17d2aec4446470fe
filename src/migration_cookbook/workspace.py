"""Where do the kit's files live, and who may touch them at this moment?

Everything a learner makes and everything the kit keeps stands below one folder,
the workspace: `workspace/` in a checkout, or the folder named by COOKBOOK_HOME.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Raised when the meaning of files in the workspace changes.
LAYOUT = 1

#: Names the folder to use instead of the checkout's own workspace.
HOME_VARIABLE = "COOKBOOK_HOME"


class CookbookError(Exception):
    """Something the user can mend. The message is one line and says how."""


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
        folder = self.root / "locks"
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def building(self) -> contextlib.AbstractContextManager[Path]:
        """An empty folder for what is being made, gone afterwards; `sweep` sees that it is in use."""
        return passing_folder(self._buildings)

    def sweep(self) -> list[str]:
        """Remove what killed processes left half made; the names of the folders."""
        return sweep(self._buildings)

    @property
    def _buildings(self) -> Path:
        return self.databases / "building"


@contextlib.contextmanager
def passing_folder(parent: Path) -> Iterator[Path]:
    """An empty folder in `parent`, gone afterwards; `sweep` sees that it is in use."""
    while True:
        folder = parent / secrets.token_hex(4)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        with _locked(folder) as ours:
            # A sweep that came in between took the folder for a dead process's.
            if not ours or not folder.is_dir():
                continue
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


def sweep(parent: Path) -> list[str]:
    """Remove the passing folders of killed processes; their names."""
    removed = []
    for folder in parent.glob("*"):
        with _locked(folder) as free:
            if free:
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
    return removed


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock, if nobody else does."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
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


def checkout() -> Path | None:
    """The checkout that this package is run from, if there is one."""
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "sandbox_project" / "alembic.ini").is_file() else None


def open_workspace(root: Path | None = None) -> Workspace:
    """The workspace at `root`, or the one this process belongs to; made if missing."""
    folder = (root or _default_root()).absolute()
    if '"' in str(folder) or ":" in str(folder):
        raise CookbookError(
            f'The path {folder} has a " or a : in it. Move the folder to a path without them.'
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise CookbookError(
                f"The workspace {folder} belongs to another user of this computer. "
                f"Clone the cookbook into a folder of your own, or set {HOME_VARIABLE}=/some/folder."
            )
        return Workspace(folder, _installation(folder))
    except OSError as error:
        raise CookbookError(
            f"The workspace {folder} can't be made ({error.strerror}). Name another with {HOME_VARIABLE}=/some/folder."
        ) from None


def explained(error: OSError) -> str | None:
    """What the user can mend about the disk, in one line; None if the error is about something else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "There is no space left on the disk. Make some, and run this again."
    if error.errno == errno.EROFS:
        return f"{error.filename} lies on a disk that is read-only. Set {HOME_VARIABLE}=/some/folder to one you may write."
    return None


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole or not at all, also when killed in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """The content of a JSON file, or None where there is none or it is torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _default_root() -> Path:
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named).expanduser()
    if folder := checkout():
        return folder / "workspace"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "migration-cookbook"


def _installation(folder: Path) -> str:
    path = folder / "installation.json"
    known = read_json(path)
    if known is None:
        path_lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(path_lock, fcntl.LOCK_EX)
            known = read_json(path)
            if known is None:
                known = {"installation": secrets.token_hex(4), "layout": LAYOUT}
                write_atomically(path, json.dumps(known) + "\n")
        finally:
            os.close(path_lock)
    if known.get("layout") != LAYOUT:
        raise CookbookError(
            f"The workspace {folder} was made by another version of the cookbook. "
            "Move it away, and the next command makes a fresh one."
        )
    return str(known["installation"])
