"""The process from which kernels are forked, and the workers of kernels.

It imports what notebooks import, and then does as it's told over sockets, one to whoever manages the kernels
and one to each kernel: fork, or say how a forked process ended. It ends when nobody is left at the other end
of the first socket; its kernels see that their parent is gone, and end too.
"""

from __future__ import annotations

import builtins
import gc
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from migration_cookbook import worker
from migration_cookbook.kernels import forking
from migration_cookbook.kernels.forking import LONGEST_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
    "sql.run",
    "IPython.core.logger",
    "IPython.core.magics.extension",
    "migration_cookbook.cells",
    "migration_cookbook.verify.process.checking",
)


def main() -> NoReturn:
    """Import, then answer on the socket that file descriptor 0 is."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    before = dict(os.environ)
    _import_pandas()
    for name in IMPORTED:
        importlib.import_module(name)
    # What imports set, they'd have set in each kernel.
    added = dict(os.environ.items() - before.items())
    gc.collect()
    gc.freeze()
    control.sendall(b"ready")
    ForkServer(control, added).serve()
    os._exit(0)


def _import_pandas() -> None:
    """Import pandas as in a kernel: it looks once, when it's imported, whether it will show tables in a notebook."""
    builtins.get_ipython = lambda: SimpleNamespace(kernel=True)  # type: ignore[attr-defined]
    try:
        importlib.import_module("pandas")
    finally:
        del builtins.get_ipython  # type: ignore[attr-defined]


class ForkServer:
    """Forks processes for whoever is at the other end of a socket."""

    def __init__(self, control: socket.socket, added: Mapping[str, str]) -> None:
        self._control = control
        self._added = added
        #: By socket: the processes that were forked for whoever is at its other end.
        self._forked: dict[socket.socket, set[int]] = {control: set()}
        self._orphans: set[int] = set()

    def serve(self) -> None:
        """Answer until the manager is gone."""
        while True:
            # The workers of a kernel that's gone end soon after it, and nobody else takes note.
            waiting, _, _ = select.select(list(self._forked), [], [], 0.5 if self._orphans else None)
            self._orphans = {pid for pid in self._orphans if os.waitpid(pid, os.WNOHANG) == (0, 0)}
            for channel in waiting:
                message, descriptors, _, _ = socket.recv_fds(channel, LONGEST_MESSAGE, 3)
                if message:
                    self._answer(channel, json.loads(message), descriptors)
                elif channel is self._control:
                    return
                else:
                    self._orphans |= self._forked.pop(channel)
                    channel.close()
                for descriptor in descriptors:
                    os.close(descriptor)

    def _answer(self, channel: socket.socket, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            self._forked[channel].discard(request["reap"])
            channel.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            return
        first, second, third = descriptors
        try:
            if "preload" in request:
                pid = self._fork(lambda: _become_worker(first, second, third, **request))
            else:
                pid = self._fork_kernel((first, second, third), request)
        except OSError as error:
            # No process can be made at this moment: that ends nobody else's.
            channel.sendall(f"can't fork ({error.strerror})".encode())
            return
        self._forked[channel].add(pid)
        descriptor = os.pidfd_open(pid)
        socket.send_fds(channel, [str(pid).encode()], [descriptor])
        os.close(descriptor)

    def _fork_kernel(self, streams: tuple[int, int, int], request: dict[str, Any]) -> int:
        """Fork a kernel, with a socket by which it asks for workers."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = os.getpid()
        environment = request["environment"] | self._added
        # Among our sockets before the fork, so that the kernel closes its copy of this end.
        self._forked[ours] = set()
        try:
            return self._fork(
                lambda: _become_kernel(
                    here, theirs, *streams, request["arguments"], request["cwd"], environment
                )
            )
        except OSError:
            del self._forked[ours]
            ours.close()
            raise
        finally:
            theirs.close()

    def _fork(self, become: Callable[[], None]) -> int:
        """Fork a process that does this in a session of its own, without our sockets."""
        if pid := os.fork():
            return pid
        status = 1
        try:
            for channel in self._forked:
                channel.close()
            os.setsid()
            become()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def _become_kernel(
    parent: int,
    channel: socket.socket,
    out: int,
    error: int,
    ready: int,
    arguments: list[str],
    cwd: str,
    environment: dict[str, str],
) -> None:
    """Run a kernel in this process, as if it had been started by itself."""
    _set_up({1: out, 2: error}, cwd, environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    worker.start_process = partial(forking.start_worker, forking.Channel(channel))
    _run_kernel(arguments, parent, ready)


def _become_worker(
    requests: int, answers: int, error: int, preload: list[str], environment: dict[str, str]
) -> None:
    """Run a worker in this process, as if it had been started by itself."""
    _set_up({0: requests, 1: answers, 2: error}, "/", environment)
    worker.serve(preload)


def _set_up(streams: Mapping[int, int], cwd: str, environment: Mapping[str, str]) -> None:
    for standard, stream in streams.items():
        os.dup2(stream, standard)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    time.tzset()
    _forget_random_state()


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
