"""A filter in the kernel for the system calls that this process may still make, for good.

A call to `connect` is answered by somebody outside, who hands in a connection of his
own: whatever the process asks for, that is the only one it gets.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING

from migration_cookbook.verify.containment import kernel
from migration_cookbook.verify.containment.calls import NUMBERS, PRETENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECCOMP = (317, 277)
_SET_FILTER, _NEW_LISTENER = 1, 1 << 3
_ARCHITECTURES = (0xC000003E, 0xC00000B7)
#: x86_64 knows a second set of numbers, with this bit.
_OTHER_NUMBERS = 0x40000000

_ALLOW, _KILL, _ASK = 0x7FFF0000, 0x80000000, 0x7FC00000
#: With the number of the error; with none, the call does nothing and says that it did.
_REFUSE = 0x00050000

_LOAD, _EQUAL, _BITS, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
#: Where the data that a filter sees has the call's number, the machine, the first argument.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_THREAD = 0x10000
_ACCESS_MODE, _CUT = 3, os.O_TRUNC
#: What a file, a terminal or a socket may be told; not: whom to send signals.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_PRCTL_NAMES = (15, 16)

# As linux/seccomp.h has them; the numbers of the ioctls hold the structures' sizes.
_NOTICE = struct.Struct("=QII iIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_DESCRIPTOR = struct.Struct("=QIIII")
_RECEIVE, _SEND, _HAND_IN = 0xC0502100, 0xC0182101, 0x40182103
_INSTEAD_OF = 1

Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def install() -> int:
    """Hold this process to the calls allowed; a descriptor on which the questions arrive."""
    which = kernel.machine()
    program = _program(which, os.getpid())
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    filter_ = _Program(len(program), code)
    try:
        return kernel.call(_SECCOMP[which], _SET_FILTER, _NEW_LISTENER, ctypes.byref(filter_))
    except OSError as error:
        raise kernel.UnsupportedError(
            f"the kernel takes no filter of system calls ({error.strerror})"
        ) from None


def answer(listener: int, connect: Callable[[], socket.socket]) -> None:
    """Answer one call of `connect`."""
    notice = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, notice, True)
    except FileNotFoundError:
        # Whoever asked is gone.
        return
    asked, *_, descriptor = _NOTICE.unpack(notice)[:7]
    problem = 0
    try:
        with connect() as connection:
            handed = _DESCRIPTOR.pack(
                asked, _INSTEAD_OF, connection.fileno(), descriptor & 0xFFFFFFFF, os.O_CLOEXEC
            )
            fcntl.ioctl(listener, _HAND_IN, handed)
    except OSError as error:
        problem = -(error.errno or errno.EACCES)
    with contextlib.suppress(FileNotFoundError):
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(asked, 0, problem, 0))


def _program(which: int, pid: int) -> list[Instruction]:
    program = [
        _load(_ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[which]),
        _return(_KILL),
        _load(_NUMBER),
    ]
    if which == 0:
        program += [(_AT_LEAST, 0, 1, _OTHER_NUMBERS), _return(_KILL)]
    special = _special(pid)
    for name, numbers in NUMBERS.items():
        if (number := numbers[which]) is not None:
            block = special.get(name, [_return(_ALLOW)])
            program += [(_EQUAL, 0, len(block), number), *block]
    return [*program, _return(_REFUSE | errno.EPERM)]


def _special(pid: int) -> dict[str, list[Instruction]]:
    """Calls that are allowed with some arguments only."""
    local = [*_only(0, (socket.AF_UNIX,)), *_only(1, (socket.SOCK_STREAM,), mask=0xF), _return(_ALLOW)]
    itself = [*_only(0, (pid,)), _return(_ALLOW)]
    return {
        "connect": [_return(_ASK)],
        "socket": local,
        "socketpair": local,
        "kill": itself,
        "tgkill": itself,
        "fcntl": [*_only(1, _FCNTL), _return(_ALLOW)],
        "ioctl": [*_only(1, _IOCTL), _return(_ALLOW)],
        "prctl": [*_only(0, _PRCTL_NAMES), _return(_ALLOW)],
        # Of its own limits it may ask; nobody else's, and no new ones.
        "prlimit64": [*_only(0, (0,)), *_only(2, (0,)), *_only(2, (0,), upper=True), _return(_ALLOW)],
        # A thread, and no process. The newer call hides its arguments, so the older one is to be used.
        "clone": [_load(_ARGUMENTS), (_BITS, 1, 0, _THREAD), _return(_REFUSE | errno.EPERM), _return(_ALLOW)],
        "clone3": [_return(_REFUSE | errno.ENOSYS)],
        **{name: [_return(_REFUSE)] for name in PRETENDED},
        "open": _no_cutting_of_what_is_only_read(1),
        "openat": _no_cutting_of_what_is_only_read(2),
    }


def _no_cutting_of_what_is_only_read(argument: int) -> list[Instruction]:
    """Landlock did not see O_RDONLY | O_TRUNC before its ABI 3."""
    return [
        _load(_ARGUMENTS + 8 * argument),
        (_AND, 0, 0, _CUT | _ACCESS_MODE),
        (_EQUAL, 0, 1, _CUT | os.O_RDONLY),
        _return(_REFUSE | errno.EPERM),
        _return(_ALLOW),
    ]


def _only(
    argument: int, values: tuple[int, ...], *, mask: int | None = None, upper: bool = False
) -> Iterator[Instruction]:
    """Go on only if the (half of the) argument is one of the values."""
    yield _load(_ARGUMENTS + 8 * argument + (4 if upper else 0))
    if mask is not None:
        yield (_AND, 0, 0, mask)
    for position, value in enumerate(values):
        yield (_EQUAL, len(values) - position, 0, value)
    yield _return(_REFUSE | errno.EPERM)


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _return(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)
