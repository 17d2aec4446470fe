"""Where the files of a server of our own go: in the workspace, or outside if its account can't come in."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from typing import TYPE_CHECKING

from migration_cookbook.databases import outside
from migration_cookbook.databases.account import Account, socket_fits
from migration_cookbook.databases.cluster import Cluster, home_inside, known, save
from migration_cookbook.databases.initdb import has_proof
from migration_cookbook.workspace import CookbookError, is_private, private_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.databases.binaries import Binaries
    from migration_cookbook.workspace import Workspace


def place(workspace: Workspace, binaries: Binaries, account: Account, created: list[Path]) -> Cluster:
    """Choose and make the server's folders, and record them; folders made outside are added to `created`."""
    before = known(workspace)
    inside = home_inside(workspace)
    if before is not None and _is_usable(workspace, before, account):
        home, password = before.home, before.password
    else:
        home = (
            inside if _open_inside(workspace, inside, account) else _short_folder(workspace, account, created)
        )
        password = secrets.token_urlsafe(24)
    account.own(home)
    home.chmod(0o700)
    sockets = _sockets(workspace, home, before, account, created)
    outside.adopt(workspace, (home,) if sockets == home / "s" else (home, sockets))
    placed = Cluster(workspace.installation, binaries.origin, password, home, sockets)
    save(workspace, placed)
    return placed


@contextlib.contextmanager
def removed_on_failure(workspace: Workspace, account: Account) -> Iterator[list[Path]]:
    """Remove the folders created outside the workspace if the block fails; the log is saved."""
    created: list[Path] = []
    try:
        yield created
    except BaseException as error:
        text = str(error)
        for folder in created:
            text = _save_log(workspace, folder, text)
            outside.remove(folder, account.uid)
        if isinstance(error, CookbookError) and text != str(error):
            raise CookbookError(text) from None
        raise


def _save_log(workspace: Workspace, folder: Path, text: str) -> str:
    """Move the log into the workspace; return the error's text with its new path."""
    log, saved = folder / "pg.log", workspace.databases / "pg.log"
    if str(log) not in text:
        return text
    with contextlib.suppress(OSError):
        write_atomically(saved, log.read_text(encoding="utf-8", errors="replace"), mode=0o600)
    return text.replace(str(log), str(saved))


def _is_usable(workspace: Workspace, before: Cluster, account: Account) -> bool:
    """Whether the home of the server is still there, is ours, and can be entered by its account."""
    home = before.home
    if not outside.is_outside(home, workspace.root):
        return not home.is_symlink() and home.is_dir() and _open_inside(workspace, home, account)
    if not is_private(home, account.uid) or not account.reaches(home):
        return False
    marker = outside.read_marker(home)
    # Earlier versions wrote no marker, but the proof of the password nobody else can write.
    return (marker is not None and marker.installation == before.installation) or has_proof(before)


def _open_inside(workspace: Workspace, inside: Path, account: Account) -> bool:
    """Give the folder in the workspace to the account; return whether it can enter it."""
    if inside.is_symlink():
        raise CookbookError(f"{inside} is a link. Move it away, and run this again.")
    private_folder(inside)
    with contextlib.suppress(OSError):
        account.own(inside)
    if account.reaches(inside):
        return True
    workspace.let_server_enter()
    return account.reaches(inside)


def _short_folder(workspace: Workspace, account: Account, created: list[Path]) -> Path:
    """Create a folder outside, marked as this workspace's."""
    folder = account.short_folder()
    try:
        outside.adopt(workspace, [folder])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    created.append(folder)
    return folder


def _sockets(
    workspace: Workspace, home: Path, before: Cluster | None, account: Account, created: list[Path]
) -> Path:
    """Return the socket's folder: in the server's home, or outside where that path would be too long."""
    if socket_fits(home / "s"):
        folder = home / "s"
        if folder.is_symlink():
            folder.unlink()
        folder.mkdir(mode=0o700, exist_ok=True)
        account.own(folder)
        folder.chmod(0o700)
        return folder
    if before is not None and is_private(before.sockets, account.uid):
        marker = outside.read_marker(before.sockets)
        if marker is not None and marker.installation == workspace.installation:
            return before.sockets
    return _short_folder(workspace, account, created)
