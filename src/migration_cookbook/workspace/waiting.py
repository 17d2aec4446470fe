"""Wait for a lock that another process holds, but not for a process that does nothing.

A lock may be held for minutes by a process that works: a build, a round of tests, initdb on
a slow disk. A stopped one may hold it for ever. So what counts is the time without a sign of
life from the holder: its main thread woke up, or it and its children used the processor.
Each wait of the kit's own for the server ends by itself within that time, so a holder that
shows none for half a minute doesn't work any more. Where the system doesn't say who holds
the lock, and in another container, nobody can tell a worker from a stopped one, and the
limit is the same for both.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.workspace.errors import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: After so long without a sign of life a line says what is waited for.
NOTICE_S = 3.0
#: After so long without a sign of life the wait ends with an error.
LIMIT_S = 30.0
#: The same where the system doesn't tell who the holder is: it may be a long build in another container.
_BLIND_LIMIT_S = 600.0
#: How often the lock is tried; how often the holder is looked at.
_STEP_S, _LOOK_S = 0.02, 0.5
#: So much of the processor's time, its children's included, counts as work. Idle kernels use less in half a minute.
_WORK_S = 0.5


@dataclass(frozen=True)
class _Life:
    """What grows while a process works."""

    stopped: bool
    #: How often its main thread woke up, and for how many ticks it ran.
    main_thread: tuple[int, int]
    #: The processor's time of all its threads and of its children.
    processor_s: float

    def shows_work_since(self, before: _Life) -> bool:
        if self.stopped:
            return False
        return (
            self.main_thread != before.main_thread or abs(self.processor_s - before.processor_s) > _WORK_S
        )


def lock(descriptor: int, path: Path) -> None:
    """Take the lock of an open file, exclusively, as soon as its holder gives it up."""
    if _lock_now(descriptor):
        return
    wait = _Wait(descriptor, path)
    while not _lock_now(descriptor):
        wait.look()
        time.sleep(_STEP_S)


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Wait:
    """A wait for one lock: who holds it, and when the holder last showed a sign of life."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path
        self._began = self._seen = time.monotonic()
        self._looked = -_LOOK_S
        self._holder: int | None = None
        self._life: _Life | None = None
        self._announced = False

    def look(self) -> None:
        """Announce a long wait; end one that has no prospect."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        self._watch_holder(now)
        idle = now - self._seen
        # In a notebook stderr is part of the recorded output, so the line is for a holder that does nothing.
        plain = sys.stderr is sys.__stderr__ and now - self._began > NOTICE_S
        if not self._announced and (idle > NOTICE_S or plain):
            self._announced = True
            print(f"Waiting for {self._name}, held by {self._who} ...", file=sys.stderr, flush=True)
        if idle > (_BLIND_LIMIT_S if self._life is None else LIMIT_S):
            raise CookbookError(self._hopeless)

    def _watch_holder(self, now: float) -> None:
        holder = _holder(self._descriptor)
        life = None if holder is None else _life(holder)
        before = self._life
        if holder != self._holder or (life is not None and (before is None or life.shows_work_since(before))):
            self._seen = now if self._holder is not None or before is not None else self._seen
            self._holder, self._life = holder, life

    @property
    def _name(self) -> str:
        return f"the lock {self._path.name}" if self._path.suffix == ".lock" else f"the folder {self._path}"

    @property
    def _who(self) -> str:
        if self._holder is None or self._life is None:
            return "a process that can't be identified"
        return f"the process {self._holder} ({_program(self._holder)})"

    @property
    def _hopeless(self) -> str:
        what = f"{self._who[0].upper()}{self._who[1:]} holds {self._name} of the workspace"
        if self._life is None:
            return f"{what}. End the cookbook's other processes, and run this again."
        if _is_stopped(self._holder):
            return (
                f"{what}, but it's stopped. Continue it with `kill -CONT {self._holder}` "
                f"or end it with `kill -9 {self._holder}`, and run this again."
            )
        return (
            f"{what}, and has done nothing for {LIMIT_S:.0f} seconds. End it with `kill {self._holder}`, "
            "and run this again."
        )


def _holder(descriptor: int) -> int | None:
    """Return the process that holds the lock of an open file, as far as the system tells."""
    found = os.fstat(descriptor)
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    by_device: dict[str, int] = {}
    for words in _locks(Path("/proc/locks")):
        where, _, inode = words[-3].rpartition(":")
        if inode == str(found.st_ino):
            by_device[where] = int(words[-4])
    # Some file systems have another device there than in their files' status.
    holder = by_device.get(device) or next(iter(by_device.values()), None)
    if holder is None:
        return None
    if _life(holder) is None:
        # The process that took it is dead; one that inherited the open file keeps it.
        return _heir(found)
    return holder


def _locks(path: Path) -> Iterator[list[str]]:
    """Return the held locks of that list of the system's: number, kind, mode, access, process, file, start, end."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if "FLOCK" in words and "->" not in words:
            yield words


def _heir(wanted: os.stat_result) -> int | None:
    for information in Path("/proc").glob("[0-9]*/fdinfo/*"):
        with contextlib.suppress(OSError):
            opened = (information.parents[1] / "fd" / information.name).stat()
            if os.path.samestat(opened, wanted) and any(_locks(information)):
                return int(information.parts[2])
    return None


def _life(process: int) -> _Life | None:
    """Return what a process does; None if it's gone, or can't be seen from here."""
    fields = _status_fields(process)
    if fields is None:
        return None
    switches = 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                switches = int(line.split()[1])
    main = _status_fields(process, f"task/{process}/") or fields
    ticks = sum(_ticks(each) for each in _family(process))
    # A wait in another thread of this process: its own looking about is no work of the holder's.
    own = process == os.getpid()
    return _Life(
        fields[0] in "Tt",
        (0, 0) if own else (switches, _ticks(main)),
        0.0 if own else ticks / os.sysconf("SC_CLK_TCK"),
    )


def _is_stopped(process: int | None) -> bool:
    fields = None if process is None else _status_fields(process)
    return fields is not None and fields[0] in "Tt"


def _status_fields(process: int, thread: str = "") -> list[str] | None:
    """Return the fields of `/proc/…/stat` from the state on; the name before them may have spaces in it."""
    try:
        text = Path(f"/proc/{process}/{thread}stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields if fields and fields[0] not in "ZX" else None


def _ticks(fields: list[str]) -> int:
    """Return the time of a process and of its children that ended."""
    return sum(int(each) for each in fields[11:15])


def _family(process: int) -> Iterator[list[str]]:
    """Return the fields of a process and of all below it."""
    waiting, met = [process], set()
    while waiting:
        each = waiting.pop()
        if each in met or (fields := _status_fields(each)) is None:
            continue
        met.add(each)
        yield fields
        for listing in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting += [int(word) for word in listing.read_text(encoding="utf-8").split()]


def _program(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    text = " ".join(" ".join(words).split())
    return f"{text[:60]}…" if len(text) > 60 else text or "ended meanwhile"
