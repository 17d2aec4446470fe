"""The process from which kernels are forked.

It imports what notebooks import, and then does as it's told over a socket: fork a kernel, or
say how one ended. It ends when nobody is left at the other end of the socket; its kernels see
that their parent is gone, and end too.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import socket
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What a kernel and the cell language import in any case; they bring the rest along.
IMPORTED = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.magics",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "jedi",
    "psutil",
    "tornado.platform.asyncio",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "pandas",
    "sql.run",
    "IPython.core.logger",
    "IPython.core.magics.extension",
    "migration_cookbook.cells",
    "migration_cookbook.verify.process.checking",
)
#: The longest message: an environment may have this many bytes.
LONGEST_MESSAGE = 1 << 20


def main() -> NoReturn:
    """Import, then answer on the socket that file descriptor 0 is."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    before = dict(os.environ)
    for name in IMPORTED:
        importlib.import_module(name)
    # What imports set, they'd have set in each kernel.
    added = dict(os.environ.items() - before.items())
    gc.collect()
    gc.freeze()
    control.sendall(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LONGEST_MESSAGE, 3)
        if not message:
            break
        _answer(control, json.loads(message), descriptors, added)
        for descriptor in descriptors:
            os.close(descriptor)
    os._exit(0)


def _answer(
    control: socket.socket, request: dict[str, Any], descriptors: Sequence[int], added: Mapping[str, str]
) -> None:
    if "reap" in request:
        _, status = os.waitpid(request["reap"], 0)
        control.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        return
    here = os.getpid()
    pid = os.fork()
    if pid == 0:
        request["environment"] |= added
        out, error, ready = descriptors
        _become_kernel(control, here, out, error, ready, **request)
    descriptor = os.pidfd_open(pid)
    socket.send_fds(control, [str(pid).encode()], [descriptor])
    os.close(descriptor)


def _become_kernel(
    control: socket.socket,
    parent: int,
    out: int,
    error: int,
    ready: int,
    arguments: list[str],
    cwd: str,
    environment: dict[str, str],
) -> NoReturn:
    """Run a kernel in this process, as if it had been started by itself."""
    status = 1
    try:
        control.close()
        os.setsid()
        for standard, stream in ((1, out), (2, error)):
            os.dup2(stream, standard)
            os.close(stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(cwd)
        time.tzset()
        _forget_random_state()
        _run_kernel(arguments, parent, ready)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _forget_random_state() -> None:
    """Give this kernel random numbers of its own; Python's own module sees to that by itself."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def _run_kernel(arguments: list[str], parent: int, ready: int) -> None:
    from ipykernel.kernelapp import IPKernelApp

    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [str(launcher and launcher.origin), *arguments]
    kernel = IPKernelApp.instance()
    # The library read the number of its parent when it was imported.
    kernel.initialize([*arguments, f"--IPKernelApp.parent_handle={parent}"])
    # Who waits for the other end sees that its sockets are there.
    os.close(ready)
    kernel.start()
