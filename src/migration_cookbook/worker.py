"""The learner's Python, run in another process with limits, so that it can't take this one along.

A warm process imports once what the jobs need, and forks a child for each of them.
These are limits, no containment: the child may do whatever its user may.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_GRACE_S = 2.0
_COLLECTED_AT = 100_000
_OUTPUT_KEPT = 20_000
_OUTPUT_LIMIT = 100_000_000
#: Nothing that a job is asked for is as long.
_ANSWER_LIMIT = 50_000_000
_PARENT_DEATH_SIGNAL = 1


@dataclass(frozen=True)
class Limits:
    """What one job may use up."""

    seconds: float = 10.0
    #: Of data, not of addresses: libraries map far more than they ever touch.
    memory: int = 2**30


@dataclass(frozen=True)
class JobResult:
    """How a job ended."""

    how: Literal["returned", "raised", "too long", "too much memory", "died"]
    #: What the function returned.
    value: Any = None
    #: The exception as one line, or what ended the process.
    error: str = ""
    #: What was printed, standard error too; of much, the end.
    output: str = ""


class Worker:
    """A warm process, started with the first job and ended with this one."""

    def __init__(self, *preload: str, environment: Mapping[str, str] | None = None) -> None:
        self._preload = preload
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Let the process warm up while the caller does something else."""
        if self._process is None or self._process.poll() is not None:
            start = start_process if self._environment is None else start_cold
            self._process = start(self._preload, self._environment)

    def run(self, function: str, arguments: Mapping[str, Any], limits: Limits | None = None) -> JobResult:
        """Call `module:function` with these arguments, all of JSON, in a child with limits."""
        job = {"function": function, "arguments": arguments, "limits": asdict(limits or Limits())}
        with self._lock:
            self.start()
            try:
                return self._exchange(json.dumps(job).encode() + b"\n")
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the process, and the job it may be at."""
        if (process := self._process) is None:
            return
        self._process = None
        # The process takes the end of its input for the end of its work.
        with contextlib.suppress(BrokenPipeError):
            _stream(process.stdin).close()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _stream(process.stdout).close()

    def kill(self) -> None:
        """End the job that runs in another thread, and the process with it; the next job starts another."""
        if (process := self._process) is not None:
            process.kill()

    def _exchange(self, request: bytes) -> JobResult:
        process = self._process
        assert process is not None
        answer = b""
        with contextlib.suppress(BrokenPipeError):
            _stream(process.stdin).write(request)
            _stream(process.stdin).flush()
            answer = _stream(process.stdout).readline()
        if not answer:
            self.close()
            return JobResult("died", error="the process that runs it was ended")
        return JobResult(**json.loads(answer))


def start_cold(preload: Sequence[str], environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    """Start a process for a worker, which then imports these modules."""
    # -P: a json.py in somebody's working directory must not be imported.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "migration_cookbook.worker", *preload],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env=environment,
        # An interrupt is for the caller, who then closes this process.
        start_new_session=True,
    )


#: Starts a process with this one's environment. A kernel that was forked has a quicker way.
start_process: Callable[[Sequence[str], Mapping[str, str] | None], subprocess.Popen[bytes]] = start_cold


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def serve(preload: list[str]) -> None:
    """Be the warm process: read one job a line from standard input, until that ends."""
    requests, answers = os.dup(0), os.dup(1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    for name in preload:
        importlib.import_module(name)
    # The children share these pages for as long as nobody counts references in them.
    gc.collect()
    gc.freeze()
    pending = b""
    while True:
        while b"\n" not in pending:
            received = os.read(requests, 65536)
            if not received:
                return
            pending += received
        line, _, pending = pending.partition(b"\n")
        ended = _supervise(json.loads(line), requests)
        _write(answers, json.dumps(asdict(ended)).encode() + b"\n")


def _supervise(job: dict[str, Any], requests: int) -> JobResult:
    limits = Limits(**job["limits"])
    receiving, sending = os.pipe()
    parent = os.getpid()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.close(receiving)
            _work(job, limits, sending, output.fileno(), parent)
        os.close(sending)
        try:
            answer, in_time = _answer(receiving, requests, limits.seconds)
        finally:
            os.close(receiving)
            _kill(child)
            _, status = os.waitpid(child, 0)
        end = max(output.seek(0, os.SEEK_END) - _OUTPUT_KEPT, 0)
        output.seek(end)
        printed = output.read().decode(errors="replace")
    if answer.endswith(b"\n"):
        try:
            return JobResult(**json.loads(answer), output=printed)
        except (ValueError, TypeError, RecursionError):
            return JobResult("died", error="its answer can't be read", output=printed)
    if len(answer) > _ANSWER_LIMIT:
        return JobResult("died", error="its answer has no end", output=printed)
    if not in_time or _signal(status) == signal.SIGXCPU:
        return JobResult("too long", error=f"it ran for more than {limits.seconds:g} seconds", output=printed)
    return JobResult("died", error=_death(status), output=printed)


def _answer(receiving: int, requests: int, seconds: float) -> tuple[bytearray, bool]:
    """Return what the child wrote, and whether it was done in time."""
    deadline = time.monotonic() + seconds
    answer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(receiving, selectors.EVENT_READ)
        selector.register(requests, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fd == requests:
                    # Nobody asks twice without waiting: the caller is gone.
                    raise SystemExit
                received = os.read(receiving, 65536)
                answer += received
                if not received or answer.endswith(b"\n") or len(answer) > _ANSWER_LIMIT:
                    return answer, True
    return answer, False


def _kill(child: int) -> None:
    """Kill the child and the processes it has started."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)


def _work(job: dict[str, Any], limits: Limits, sending: int, output: int, parent: int) -> NoReturn:
    """Be the child: call the function, send what it returned, and end."""
    status = 1
    try:
        os.setsid()
        _die_with(parent)
        os.dup2(output, 1)
        os.dup2(output, 2)
        # Whoever writes to the caller's pipes would speak for this process.
        os.closerange(3, sending)
        os.closerange(sending + 1, os.sysconf("SC_OPEN_MAX"))
        _limit(limits)
        # In so short a life, looking for cycles again and again costs more than they do.
        gc.set_threshold(_COLLECTED_AT)
        _write(sending, json.dumps(_call(job)).encode() + b"\n")
        sys.stdout.flush()
        status = 0
    finally:
        os._exit(status)


def _die_with(parent: int) -> None:
    """End a job when the warm process is killed, and so can't end it. Only Linux can do this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _call(job: dict[str, Any]) -> dict[str, Any]:
    module, _, name = job["function"].partition(":")
    try:
        value = getattr(importlib.import_module(module), name)(**job["arguments"])
    except MemoryError:
        return {"how": "too much memory"}
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return {"how": "raised", "error": f"{type(error).__name__}: {error}"}
    return {"how": "returned", "value": value}


def _limit(limits: Limits) -> None:
    for which, amount in (
        (resource.RLIMIT_CPU, int(limits.seconds) + 1),
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_FSIZE, _OUTPUT_LIMIT),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(which)
        allowed = amount if most == resource.RLIM_INFINITY else min(amount, most)
        resource.setrlimit(which, (allowed, allowed))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _signal(status: int) -> int | None:
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else None


def _death(status: int) -> str:
    if (number := _signal(status)) is not None:
        return f"it was ended by {signal.Signals(number).name}"
    return f"it ended its own process with status {os.WEXITSTATUS(status)}"


if __name__ == "__main__":
    serve(sys.argv[1:])
