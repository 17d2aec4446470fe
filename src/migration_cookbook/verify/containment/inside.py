"""Run a function where it can reach nothing but one folder and one PostgreSQL server.

This is between a warm process and somebody else's code: it forks once more. The child
shuts itself in and calls the function; the parent hands it its connections and reads its
answer, and believes neither.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import selectors
import signal
import site
import socket
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from migration_cookbook.verify.containment import kernel, landlock, namespace, seccomp

#: The reports of some trials, with all their SQL, are some kilobytes.
ANSWER_LIMIT = 4_000_000

#: How long it may live after its last word.
_GRACE_S = 0.5
_STEP_S = 0.001

_FILES_OPEN = 128
_FILE_SIZE = 64_000_000

#: What the system's own libraries need.
_OF_THE_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom"),
)


def run(
    function: str, arguments: dict[str, Any], folder: str, server: str | None, memory: int, longest: int
) -> dict[str, Any]:
    """Call `module:function` shut in. `folder` is all it may write, `server` the socket it is connected to."""
    mine, its = socket.socketpair()
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        _be_contained(function, arguments, Path(folder), memory, its, sending)
    its.close()
    os.close(sending)
    listener = _listener(mine)
    said = _wait(receiving, listener, server, longest)
    status = _end(child, _GRACE_S if len(said) <= longest else 0)
    return {"contained": listener is not None, "said": said.decode(errors="replace"), "status": status}


def _listener(mine: socket.socket) -> int | None:
    """What the child sends as soon as it is shut in; None if it could not do that."""
    with mine:
        _, descriptors, _, _ = socket.recv_fds(mine, 1, 1)
    return descriptors[0] if descriptors else None


def _wait(receiving: int, listener: int | None, server: str | None, longest: int) -> bytes:
    """All that the child writes until it closes its end, or says too much."""
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(receiving, selectors.EVENT_READ)
        if listener is not None:
            selector.register(listener, selectors.EVENT_READ)
        while len(said) <= longest:
            for key, _ in selector.select():
                if key.fd == listener:
                    seccomp.answer(listener, lambda: _connection(server))
                elif received := os.read(receiving, 65536):
                    said += received
                else:
                    return bytes(said)
    return bytes(said)


def _end(child: int, grace: float) -> int:
    """How it ended, by itself or by us."""
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(_STEP_S)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _connection(server: str | None) -> socket.socket:
    if server is None:
        raise PermissionError
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server)
    connection.setblocking(False)
    return connection


def _be_contained(
    function: str, arguments: dict[str, Any], folder: Path, memory: int, its: socket.socket, sending: int
) -> NoReturn:
    """The child: shut itself in, call the function, write down what came of it, and be gone."""
    status = 1
    try:
        try:
            _shut_in(folder, memory, its, sending)
            said = _call(function, arguments)
        except (kernel.UnsupportedError, OSError) as error:
            said = {"how": "open", "error": str(error)}
        _write(sending, json.dumps(said).encode() + b"\n")
        sys.stdout.flush()
        status = 0
    finally:
        os._exit(status)


def _shut_in(folder: Path, memory: int, its: socket.socket, sending: int) -> None:
    kernel.die_with_parent(signal.SIGKILL)
    kept = sorted((its.fileno(), sending))
    for start, end in ((3, kept[0]), (kept[0] + 1, kept[1]), (kept[1] + 1, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(start, end)
    os.chdir(folder)
    os.environ.clear()
    os.environ |= {"HOME": str(folder), "TMPDIR": str(folder)}
    tempfile.tempdir = None
    # There is no room for .pyc files, and none shall be looked for where a snippet may write.
    sys.dont_write_bytecode = True
    _limit(memory)
    readable, writable = _readable(), (folder, Path(os.devnull))
    namespace.hide(readable, writable)
    kernel.drop_privileges()
    landlock.restrict(readable, writable)
    listener = seccomp.install()
    with its:
        socket.send_fds(its, [b"."], [listener])
    os.close(listener)


def _limit(memory: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    # Shared memory counts in addresses only.
    addresses = pages * os.sysconf("SC_PAGE_SIZE") + memory
    for which, amount in (
        (resource.RLIMIT_AS, addresses),
        (resource.RLIMIT_NOFILE, _FILES_OPEN),
        (resource.RLIMIT_FSIZE, _FILE_SIZE),
    ):
        _, most = resource.getrlimit(which)
        allowed = amount if most == resource.RLIM_INFINITY else min(amount, most)
        resource.setrlimit(which, (allowed, allowed))


def _readable() -> list[Path]:
    """The interpreter and its libraries, and this package, wherever it is."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    own = [sysconfig.get_path(name) for name in names]
    prefixes = [Path(prefix, "lib") for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)]
    package = Path(__file__).parents[2]
    return [*map(Path, (*own, *site.getsitepackages(), *_OF_THE_SYSTEM)), *prefixes, package]


def _call(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    module, _, name = function.partition(":")
    try:
        value = getattr(importlib.import_module(module), name)(**arguments)
        json.dumps(value)
    except MemoryError:
        return {"how": "too much memory"}
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return {"how": "raised", "error": f"{type(error).__name__}: {error}"}
    return {"how": "returned", "value": value}


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
