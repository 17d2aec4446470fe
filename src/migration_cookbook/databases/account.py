"""The operating system's user that runs the server: PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration_cookbook.databases.environment import clean_environment
from migration_cookbook.workspace import CookbookError

#: A socket's full path may have 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET_PATH = 103

_SOCKET_NAME = "/.s.PGSQL.5432"


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL's programs: ourselves, or `nobody` where we are root."""

    uid: int
    gid: int

    @property
    def is_somebody_else(self) -> bool:
        return self.uid != os.getuid()

    def run(
        self, command: list[str | Path], folder: Path, output: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program as this account in `folder`; its output goes to a file, which a daemon may keep open."""
        clean_environment()
        options: dict[str, Any] = {}
        if self.is_somebody_else:
            options = {"user": self.uid, "group": self.gid, "extra_groups": []}
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        with (output or Path(os.devnull)).open("ab") as file:
            return subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                **options,
            )

    def own(self, path: Path) -> None:
        if self.is_somebody_else:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def reaches(self, folder: Path) -> bool:
        """Whether this account can enter an existing folder, asked by doing it."""
        if not self.is_somebody_else:
            return True
        try:
            return self.run(["/bin/sh", "-c", 'cd -- "$0"', folder], Path("/")).returncode == 0
        except OSError:
            return False

    def short_folder(self) -> Path:
        """Create a 0700 folder of this account, outside the workspace, with room for a socket's name."""
        for base in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
            likely = Path(base, "cookbook-12345678")
            if not socket_fits(likely) or not likely.parent.is_dir() or not self.reaches(likely.parent):
                continue
            folder = Path(tempfile.mkdtemp(prefix="cookbook-", dir=base))
            try:
                self.own(folder)
            except BaseException:
                folder.rmdir()
                raise
            return folder
        raise CookbookError(
            "There is no folder for PostgreSQL's socket. Set TMPDIR to a short path you may write."
        )


def server_account() -> Account:
    if os.getuid() != 0:
        return Account(os.getuid(), os.getgid())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CookbookError(
            "PostgreSQL doesn't run as root, and there is no user `nobody`. Run the cookbook as an ordinary user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def socket_fits(folder: Path) -> bool:
    """Whether a socket may be there: libpq takes a comma for the end of a host's name."""
    length = len(os.fsencode(folder)) + len(_SOCKET_NAME)
    return length <= LONGEST_SOCKET_PATH and not set(str(folder)) & set(",\\\n")
