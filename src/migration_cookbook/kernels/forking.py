"""Forking kernels from a template process, one for each Python and its settings."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migration_cookbook.kernels.template import LONGEST_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: macOS has fork(), but its system libraries may crash in the child.
CAN_FORK = sys.platform == "linux" and hasattr(os, "pidfd_open")

#: Variables that Python and the libraries read once, at their start: with others a kernel needs another template.
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG")
#: For the template alone: numpy would start threads, which a fork leaves behind; the debugger would print a warning.
_OWN = {"OPENBLAS_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
_SECONDS = 60.0
#: Modules that lie in the current folder aren't for the template. Python's `-P` would hold for the kernels too.
_PROGRAM = "import sys; del sys.path[0]; from migration_cookbook.kernels.template import main; main()"


class TemplateError(Exception):
    """The template doesn't answer, so this kernel has to start cold."""


@dataclass
class ForkedProcess:
    """A kernel that was forked; has what callers use of `subprocess.Popen`."""

    pid: int
    template: _Template
    _descriptor: int
    #: At its end when the kernel's sockets are there.
    _ready: int
    returncode: int | None = None
    stdin: None = None
    stdout: None = None
    stderr: None = None

    def wait_until_ready(self) -> None:
        """Wait until the kernel listens, or has ended: who connects earlier has to try again, which takes longer."""
        select.select([self._ready], [], [], _SECONDS)
        os.close(self._ready)

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        if self.returncode is None and select.select([self._descriptor], [], [], 0)[0]:
            self.returncode = self.template.reap(self.pid)
            os.close(self._descriptor)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return how."""
        if self.returncode is None and not select.select([self._descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
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
    """A running template process, and our end of its socket."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_ready: bool = False

    def fork(
        self, arguments: Sequence[str], cwd: str, environment: Mapping[str, str], streams: Sequence[int]
    ) -> ForkedProcess:
        """Fork a kernel."""
        request = {"arguments": list(arguments), "cwd": cwd, "environment": dict(environment)}
        ready, ready_to_kernel = os.pipe()
        try:
            answer, (descriptor,) = self._ask(request, (*streams, ready_to_kernel))
        except TemplateError:
            os.close(ready)
            raise
        finally:
            os.close(ready_to_kernel)
        os.set_inheritable(descriptor, False)
        return ForkedProcess(int(answer), self, descriptor, ready)

    def reap(self, pid: int) -> int:
        """Return how a kernel that has ended did so; its number is free from then on."""
        try:
            answer, _ = self._ask({"reap": pid})
        except TemplateError:
            # Whoever inherited the kernel has seen to it.
            return -signal.SIGKILL
        return int(answer)

    def _ask(self, request: Mapping[str, object], descriptors: Sequence[int] = ()) -> tuple[bytes, list[int]]:
        message = json.dumps(request).encode()
        if len(message) > LONGEST_MESSAGE:
            raise TemplateError("can't take so large an environment")
        self.wait_until_ready()
        with self.lock:
            try:
                socket.send_fds(self.control, [message], list(descriptors))
                answer, received, _, _ = socket.recv_fds(self.control, 100, 1)
            except OSError as error:
                raise TemplateError(f"doesn't answer ({error})") from error
        if not answer:
            raise TemplateError("has ended")
        return answer, received

    def wait_until_ready(self) -> None:
        """Wait until it has imported everything."""
        with self.lock:
            try:
                if not self.is_ready and self.control.recv(100) != b"ready":
                    raise TemplateError("has ended")
            except OSError as error:
                raise TemplateError(f"doesn't answer ({error})") from error
            self.is_ready = True

    @property
    def is_running(self) -> bool:
        """Whether it's still there."""
        return self.process.poll() is None


_templates: dict[tuple[str, ...], _Template] = {}
_starting = threading.Lock()


def prepare(python: str, environment: Mapping[str, str]) -> None:
    """Start the template for such kernels, without waiting for it."""
    if CAN_FORK:
        _template(python, environment)


def wait_for_template(python: str, environment: Mapping[str, str]) -> None:
    """Start the template if need be, and wait until kernels can be forked from it."""
    _template(python, environment).wait_until_ready()


def fork(
    python: str,
    arguments: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    streams: tuple[int, int] = (1, 2),
) -> ForkedProcess:
    """Fork a kernel from its template, which is started if need be. It prints to these descriptors."""
    return _template(python, environment).fork(arguments, cwd, environment, streams)


def _template(python: str, environment: Mapping[str, str]) -> _Template:
    settings = {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}
    key = (python, *(f"{name}={value}" for name, value in sorted(settings.items())))
    with _starting:
        running = _templates.get(key)
        if running is None or not running.is_running:
            running = _templates[key] = _start(python, environment)
    return running


def _start(python: str, environment: Mapping[str, str]) -> _Template:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A message is taken whole, or not at all.
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LONGEST_MESSAGE)
    ours.settimeout(_SECONDS)
    with theirs:
        process = subprocess.Popen(
            [python, "-c", _PROGRAM],
            env=dict(environment) | _OWN,
            stdin=theirs.fileno(),
            # An interrupt at the terminal is for whoever is in front of it.
            start_new_session=True,
        )
    return _Template(process, ours)
