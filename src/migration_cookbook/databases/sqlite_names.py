"""The file behind a name that SQLite is given, and whether it's one of ours.

Which file would SQLite open for this path, URI or ATTACH?
"""

from __future__ import annotations

import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path


def opened_file(name: str, *, uri: bool) -> str | None:
    """Return the path that SQLite would open, None for a database in memory.

    A URI whose meaning isn't certain comes back as it is: no file of ours has such a path.
    """
    path = _path_of_uri(name) if uri and name.startswith("file:") else name
    return None if path in ("", ":memory:", None) else path


def _path_of_uri(uri: str) -> str | None:
    """Read a URI as SQLite does: of several modes the last one counts, and a VFS may open anything."""
    location, _, query = uri.removeprefix("file:").partition("#")[0].partition("?")
    path = _decoded(location)
    if location.startswith("//"):
        host, slash, rest = location[2:].partition("/")
        path = _decoded(slash + rest)
        if host not in ("", "localhost"):
            return uri
    options = [tuple(map(_decoded, part.partition("=")[::2])) for part in query.split("&")]
    modes = [value for key, value in options if key == "mode"]
    if "\0" in path or any(key == "vfs" or "\0" in key + value for key, value in options) or len(modes) > 1:
        return uri
    return None if modes == ["memory"] else path


def _decoded(text: str) -> str:
    return os.fsdecode(urllib.parse.unquote_to_bytes(os.fsencode(text)))


@dataclass(frozen=True)
class AllowedFile:
    """A database file as it was when the permission to open it was given."""

    path: str
    #: Device and inode; None for a file that didn't exist yet.
    identity: tuple[int, int] | None

    @classmethod
    def at(cls, name: str) -> AllowedFile | None:
        """Take the file at this path; None if it's a link, which could lead to any file."""
        path = os.path.realpath(name)
        if Path(name).is_symlink():
            return None
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            return cls(path, None)
        # A second name of the file may be in somebody's folder.
        return cls(path, (status.st_dev, status.st_ino)) if status.st_nlink == 1 else None

    def is_at(self, name: str | bytes) -> bool:
        """Whether this name leads to the file, and to no other that took its place."""
        path = os.path.realpath(os.fsdecode(name))
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            return path == self.path
        if (status.st_dev, status.st_ino) == self.identity:
            return True
        # A project may remove its database and make it anew.
        return path == self.path and status.st_nlink == 1
