"""Forking of kernels and their workers from a template process, one for each Python and its settings."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from migration_cookbook import package
from migration_cookbook.worker import start_cold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: macOS has fork(), but its system libraries may crash in the child.
CAN_FORK = sys.platform == "linux" and hasattr(os, "pidfd_open")

#: Variables that Python and the libraries read once, at their start: with others a kernel needs another template.
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG")
#: For the template alone: numpy would start threads, which a fork leaves behind; the debugger would print a warning.
_OWN = {"OPENBLAS_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
_SECONDS = 60.0
#: The longest message: an environment may have this many bytes.
LONGEST_MESSAGE = 1 << 20
#: Modules that lie in the current folder aren't for the template. Python's `-P` would hold for the kernels too.
_PROGRAM = "import sys; del sys.path[0]; from migration_cookbook.kernels.template import main; main()"


class TemplateError(Exception):
    """The template doesn't answer, so this kernel has to start cold."""


@dataclass
class Channel:
    """Our end of a socket to a template."""

    socket: socket.socket
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_ready: bool = True

    def __post_init__(self) -> None:
        self.socket.settimeout(_SECONDS)

    def ask(self, request: Mapping[str, object], descriptors: Sequence[int] = ()) -> tuple[bytes, list[int]]:
        """Return the template's answer, and the descriptors that came with it."""
        message = json.dumps(request).encode()
        if len(message) > LONGEST_MESSAGE:
            raise TemplateError("can't take so large an environment")
        self.wait_until_ready()
        with self._lock:
            try:
                socket.send_fds(self.socket, [message], list(descriptors))
                answer, received, _, _ = socket.recv_fds(self.socket, 100, 1)
            except OSError as error:
                raise TemplateError(f"doesn't answer ({error})") from error
        if not answer:
            raise TemplateError("has ended")
        return answer, received

    def fork(self, request: Mapping[str, object], descriptors: Sequence[int]) -> tuple[int, int]:
        """Return the number of a new process, and a descriptor for it."""
        answer, received = self.ask(request, descriptors)
        if not received:
            raise TemplateError(answer.decode())
        (descriptor,) = received
        os.set_inheritable(descriptor, False)
        return int(answer), descriptor

    def reap(self, pid: int) -> int:
        """Return how a process that has ended did so; its number is free from then on."""
        try:
            answer, _ = self.ask({"reap": pid})
        except TemplateError:
            # Whoever inherited the process has seen to it.
            return -signal.SIGKILL
        return int(answer)

    def wait_until_ready(self) -> None:
        """Wait until the template has imported everything."""
        with self._lock:
            try:
                if not self._is_ready and self.socket.recv(100) != b"ready":
                    raise TemplateError("has ended")
            except OSError as error:
                raise TemplateError(f"doesn't answer ({error})") from error
            self._is_ready = True


@dataclass
class ForkedProcess:
    """A process that was forked; has what callers use of `subprocess.Popen`."""

    pid: int
    channel: Channel
    _descriptor: int
    returncode: int | None = None
    stdin: IO[bytes] | None = None
    stdout: IO[bytes] | None = None
    stderr: None = None

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        if self.returncode is None and select.select([self._descriptor], [], [], 0)[0]:
            self.returncode = self.channel.reap(self.pid)
            os.close(self._descriptor)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return how."""
        if self.returncode is None and not select.select([self._descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        ended = self.poll()
        assert ended is not None
        return ended

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it's still there."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


@dataclass
class _Template:
    """A running template process, and the channel to it."""

    process: subprocess.Popen[bytes]
    channel: Channel
    #: Of the code that it has imported.
    version: frozenset[tuple[str, int, int]]

    @property
    def is_current(self) -> bool:
        """Whether it runs, and a kernel that starts now by itself would import the same code."""
        return self.process.poll() is None and self.version == _version()


_templates: dict[tuple[str, ...], _Template] = {}
_starting = threading.Lock()


def prepare(python: str, environment: Mapping[str, str]) -> None:
    """Start the template for such kernels, without waiting for it."""
    if CAN_FORK:
        _template(python, environment)


def wait_for_template(python: str, environment: Mapping[str, str]) -> None:
    """Start the template if need be, and wait until kernels can be forked from it."""
    _template(python, environment).channel.wait_until_ready()


def fork_kernel(
    python: str,
    arguments: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    streams: tuple[int, int] = (1, 2),
) -> ForkedProcess:
    """Fork a kernel that prints to these descriptors, from its template, which is started if need be.

    It listens when this returns, or has ended: who connects earlier has to try again, which takes longer.
    """
    channel = _template(python, environment).channel
    request = {"arguments": list(arguments), "cwd": cwd, "environment": dict(environment)}
    ready, ready_to_kernel = os.pipe()
    try:
        try:
            pid, descriptor = channel.fork(request, (*streams, ready_to_kernel))
        finally:
            os.close(ready_to_kernel)
        select.select([ready], [], [], _SECONDS)
    finally:
        os.close(ready)
    return ForkedProcess(pid, channel, descriptor)


def start_worker(
    channel: Channel, preload: Sequence[str], environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    """Start a worker of this kernel, by its template; cold where that's gone."""
    requests, to_worker = os.pipe()
    from_worker, answers = os.pipe()
    request = {"preload": list(preload), "environment": dict(environment or os.environ)}
    try:
        pid, descriptor = channel.fork(request, (requests, answers, 2))
    except TemplateError:
        os.close(to_worker)
        os.close(from_worker)
        return start_cold(preload, environment)
    finally:
        os.close(requests)
        os.close(answers)
    started = ForkedProcess(
        pid, channel, descriptor, stdin=os.fdopen(to_worker, "wb"), stdout=os.fdopen(from_worker, "rb")
    )
    # All that's asked of it is there.
    return cast("subprocess.Popen[bytes]", started)


def _template(python: str, environment: Mapping[str, str]) -> _Template:
    settings = {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}
    key = (python, *(f"{name}={value}" for name, value in sorted(settings.items())))
    with _starting:
        running = _templates.get(key)
        if running is None or not running.is_current:
            running = _templates[key] = _start(python, environment)
    return running


def _start(python: str, environment: Mapping[str, str]) -> _Template:
    # Before the code is imported: what changes meanwhile counts as newer.
    version = _version()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A message is taken whole, or not at all.
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LONGEST_MESSAGE)
    with theirs:
        process = subprocess.Popen(
            [python, "-c", _PROGRAM],
            env=dict(environment) | _OWN,
            stdin=theirs.fileno(),
            # An interrupt at the terminal is for whoever is in front of it.
            start_new_session=True,
        )
    return _Template(process, Channel(ours, _is_ready=False), version)


def _version() -> frozenset[tuple[str, int, int]]:
    """Return what changes with an update of the kit, or with a package that's installed or removed."""
    places = [*package.FOLDER.rglob("*.py"), Path(sysconfig.get_path("purelib"))]
    version = set()
    for path in places:
        # One that's gone by now is part of an update that's under way.
        with contextlib.suppress(FileNotFoundError):
            seen = path.stat()
            version.add((str(path), seen.st_mtime_ns, seen.st_ino))
    return frozenset(version)
