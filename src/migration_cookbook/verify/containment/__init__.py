"""How does somebody else's Python run so that it can reach nothing but its scratch database?

The boundary is a process of its own, shut in by the kernel: a fresh environment, one
folder, one socket, few system calls, limits on time, memory and output. What it answers
is read strictly; whether it is true, others must find out.
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

from migration_cookbook.verify.containment import inside
from migration_cookbook.worker import JobResult, Limits, Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Without these some interpreters don't find their libraries.
_NEEDED = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
_HOWS = ("returned", "raised", "too much memory")
_LONGEST_LINE = 1000


class NotContained(Exception):
    """This system can't shut a process in; the message says what it lacks."""


class ContainedWorker:
    """A warm process, from which each contained one is forked afresh."""

    def __init__(self, *preload: str) -> None:
        environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
        self._worker = Worker(inside.__name__, *preload, environment=environment)

    def start(self) -> None:
        """Let the process warm up while the caller does something else."""
        self._worker.start()

    def close(self) -> None:
        self._worker.close()

    def kill(self) -> None:
        """End what runs, at once; from another thread, too."""
        self._worker.kill()

    def run(
        self,
        function: str,
        arguments: Mapping[str, Any],
        folder: Path,
        server: Path | None = None,
        limits: Limits | None = None,
        longest: int = inside.ANSWER_LIMIT,
    ) -> JobResult:
        """Call `module:function` with these arguments of JSON. It may write into `folder`, and
        all its connections lead to the socket `server`. Its answer may have `longest` bytes."""
        limits = limits or Limits()
        job = {
            "function": function,
            "arguments": arguments,
            "folder": str(folder),
            "server": str(server) if server else None,
            "memory": limits.memory,
            "longest": longest,
        }
        ended = self._worker.run(f"{inside.__name__}:{inside.run.__name__}", job, limits)
        if ended.how != "returned":
            return ended
        return _believed(ended.value, ended.output, limits, longest)


def _believed(answer: Any, output: str, limits: Limits, longest: int) -> JobResult:
    """The answer, if it is one."""
    said, status = answer["said"], answer["status"]
    known = _parsed(said)
    if not answer["contained"]:
        raise NotContained(known["error"] if known else "the process that shuts itself in was ended")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return JobResult(
                "too long", error=f"it ran for more than {limits.seconds:g} seconds", output=output
            )
        if len(said) > longest:
            return JobResult("died", error="its answer has no end", output=output)
        return JobResult("died", error=f"it was ended by {signal.Signals(number).name}", output=output)
    if os.WEXITSTATUS(status) != 0:
        error = f"it ended its own process with status {os.WEXITSTATUS(status)}"
        return JobResult("died", error=error, output=output)
    if known is None:
        return JobResult("died", error="its answer can't be read", output=output)
    return JobResult(known["how"], known.get("value"), known.get("error", "")[:_LONGEST_LINE], output)


def _parsed(said: str) -> dict[str, Any] | None:
    """One line that holds one object with what an answer has, and nothing else; None if it is not that."""
    if said.count("\n") != 1 or not said.endswith("\n"):
        return None
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or answer.keys() - {"how", "value", "error"}:
        return None
    known = answer.get("how") in (*_HOWS, "open") and isinstance(answer.get("error", ""), str)
    return answer if known else None
