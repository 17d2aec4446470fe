"""Restrict the files that this process may read and write, for good, with Linux's Landlock.

Where the kernel knows more than files, it also takes TCP away, and signals to others and
the sockets that have no file. Its versions are distinguished by a number, the ABI.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

from migration_cookbook.verify.containment import kernel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: The numbers of these three are the same on all machines.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_FOLDER, _REMOVE_FILE, _MAKE_FOLDER, _MAKE_FILE = (1 << bit for bit in (4, 5, 7, 8))
_MOVE, _TRUNCATE = 1 << 13, 1 << 14

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE_FOLDER | _MAKE_FILE | _MOVE | _TRUNCATE
#: What a rule about a single file may speak of.
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

#: By ABI: how many kinds of access to files are known, to the network, and how many scopes.
_KNOWN = {1: (13, 0, 0), 2: (14, 0, 0), 3: (15, 0, 0), 4: (15, 2, 0), 5: (16, 2, 0), 6: (16, 2, 2)}


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """From now on only these files and folders, and what's in them. Those that don't exist are left out."""
    files, network, scopes = ((1 << count) - 1 for count in _KNOWN[min(_version(), max(_KNOWN))])
    attributes = (ctypes.c_uint64 * 3)(files, network, scopes)
    size = 8 if not network else 16 if not scopes else 24
    ruleset = kernel.call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    with _closing(ruleset):
        for paths, access in ((readable, _READ), (writable, _WRITE)):
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    _allow(ruleset, path, access & files)
        kernel.call(_RESTRICT_SELF, ruleset, 0)


def _version() -> int:
    try:
        return kernel.call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError as error:
        raise kernel.UnsupportedError(f"the kernel offers no Landlock ({error.strerror})") from None


def _allow(ruleset: int, path: Path, access: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    with _closing(folder):
        rule = _Rule(access if path.is_dir() else access & _OF_A_FILE, folder)
        kernel.call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
