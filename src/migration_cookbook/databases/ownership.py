"""The names of our databases, and the journal that confirms which are ours.

Only these are migrated, emptied or dropped. On the cookbook's own server a database's owner shows it: a
role of this installation. On a server of the user's, and for files, it's what the journal confirms; an
intent alone gives no right to anything.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.workspace import explained, is_text, unreadable, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.workspace import Workspace

#: PostgreSQL cuts longer names, silently.
LONGEST_NAME = 63

_LABEL = re.compile(r"[a-z][a-z0-9_]*")

#: A journal of more lines is rewritten without what is gone.
_COMPACT_AFTER = 500


def prefix(installation: str) -> str:
    return f"cookbook_{installation}_"


def fresh_name(installation: str, label: str) -> str:
    """Return a random name that's practically never taken: `cookbook_<installation>_<label>_<8 hex digits>`."""
    return _name(installation, label, secrets.token_hex(4))


def stable_name(installation: str, label: str, key: str) -> str:
    """Return the same name for the same key."""
    return _name(installation, label, hashlib.sha256(key.encode()).hexdigest()[:16])


def _name(installation: str, label: str, end: str) -> str:
    start = prefix(installation)
    words = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    words = words[: LONGEST_NAME - len(start) - len(end) - 1].strip("_")
    if not _LABEL.fullmatch(words):
        raise ValueError(f"{label!r} gives no label of a database: it must begin with a letter a to z")
    return f"{start}{words}_{end}"


class State(enum.StrEnum):
    """How far the making of a database came. The values are in the journals of every workspace."""

    #: About to be made. Not a right.
    INTENDED = "intended"
    #: Made by us, perhaps not finished.
    MADE = "made"
    FINISHED = "whole"
    #: Dropped, or never made because the name was taken.
    GONE = "gone"


@dataclass(frozen=True)
class Entry:
    state: State
    #: The database's oid; empty for files.
    mark: str


class Journal:
    """What we made where no owner can say it; one line an event, on the disk before we go on."""

    def __init__(self, workspace: Workspace, of: str) -> None:
        digest = hashlib.sha256(of.encode()).hexdigest()[:12]
        self._path: Path = workspace.databases / f"journal-{digest}.jsonl"
        self._workspace = workspace

    def note(self, name: str, state: State, mark: str = "") -> None:
        line = json.dumps({"name": name, "state": state, "mark": mark})
        with self._workspace.lock("journal"):
            self._append(line)
            if self._path.stat().st_size > _COMPACT_AFTER * len(line):
                self._compact()

    def entries(self) -> dict[str, Entry]:
        """Return the newest entry of each name, without what's gone."""
        found: dict[str, Entry] = {}
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return found
        except OSError as error:
            raise unreadable(self._path, error) from None
        for line in lines:
            try:
                record = json.loads(line)
                name, mark = record["name"], record["mark"]
                if is_text(name, mark):
                    found[name] = Entry(State(record["state"]), mark)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # a line torn by a kill; what it said had not been acted upon
        return {name: entry for name, entry in found.items() if entry.state is not State.GONE}

    def confirms(self, mark: str) -> bool:
        """Whether we made what carries this mark."""
        made = (State.MADE, State.FINISHED)
        return any(entry.mark == mark and entry.state in made for entry in self.entries().values())

    def _append(self, line: str) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if explained(error) is not None:
                raise
            raise unreadable(self._path, error) from None
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (("\n" if torn else "") + line + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _compact(self) -> None:
        kept = [
            json.dumps({"name": name, "state": entry.state, "mark": entry.mark})
            for name, entry in self.entries().items()
        ]
        write_atomically(self._path, "".join(f"{line}\n" for line in kept), mode=0o600)
