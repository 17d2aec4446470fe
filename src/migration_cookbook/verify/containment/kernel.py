"""Linux's system calls that Python has no function for."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from typing import Any

#: As `calls.NUMBERS` has its columns.
_MACHINES = ("x86_64", "aarch64")

_NO_NEW_PRIVILEGES = 38
_PARENT_DEATH_SIGNAL = 1

_CAPABILITY_VERSION = 0x20080522
#: To read, but not to write, what Landlock leaves open and somebody else owns.
_READ_SEARCH = 1 << 2


class UnsupportedError(Exception):
    """This system has not what containment needs; the message names it."""


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def machine() -> int:
    """The column of `calls.NUMBERS` for this machine."""
    if os.name != "posix" or platform.system() != "Linux":
        raise UnsupportedError("only Linux can contain a process")
    if platform.machine() not in _MACHINES or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise UnsupportedError(f"the system calls of {platform.machine()} are not known")
    return _MACHINES.index(platform.machine())


def call(number: int, *arguments: Any) -> int:
    """The system call; an error is an OSError."""
    result = int(_library().syscall(ctypes.c_long(number), *map(_word, arguments)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _word(argument: Any) -> Any:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def drop_privileges() -> None:
    """No program that is started gains any; what root has by its capabilities is gone."""
    _control(_NO_NEW_PRIVILEGES, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted and inheritable, for the lower half of the capabilities and for the upper.
    sets = (ctypes.c_uint32 * 6)()
    if _library().capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    kept = sets[1] & _READ_SEARCH
    if _library().capset(header, (ctypes.c_uint32 * 6)(kept, kept)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def unshare(what: int) -> bool:
    """Leave namespaces that are shared with others; False where this process may not."""
    return int(_library().unshare(ctypes.c_int(what))) == 0


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """The system call; an error is an OSError."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    options = None if data is None else data.encode()
    if _library().mount(*words, ctypes.c_ulong(flags), options) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def die_with_parent(signal: int) -> None:
    _control(_PARENT_DEATH_SIGNAL, signal)


def _control(option: int, value: int) -> None:
    if _library().prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
