"""A process that runs a throwaway server, and removes all of it when its starter is gone. Standard library only.

It ends the server when its standard input ends, which also happens when the starter is killed.
If it is killed itself, the kernel ends the server with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import sys
import time

_PARENT_DEATH_SIGNAL = 1
_PATIENCE_S = 5.0
_STEP_S = 0.01


def supervise(job: dict[str, object]) -> None:
    """Run `command` in `folder` as `uid` and `gid` within `limits`; afterwards remove `folders`."""
    server = os.fork()
    if server == 0:
        _become_the_server(job)
    try:
        while True:
            ready, _, _ = select.select([0], [], [], 0.2)
            if ready and not os.read(0, 1):
                return
            if os.waitpid(server, os.WNOHANG) != (0, 0):
                server = 0
                return
    finally:
        if server:
            _end(server)
        for folder in job["folders"]:  # type: ignore[attr-defined]
            shutil.rmtree(folder, ignore_errors=True)


def _become_the_server(job: dict[str, object]) -> None:
    try:
        os.setsid()
        output = os.open(str(job["output"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for name, amount in job["limits"].items():  # type: ignore[attr-defined]
            which = getattr(resource, name)
            _, most = resource.getrlimit(which)
            allowed = amount if most == resource.RLIM_INFINITY else min(amount, most)
            resource.setrlimit(which, (allowed, allowed))
        if job["uid"] != os.getuid():
            os.fchown(output, job["uid"], job["gid"])  # type: ignore[arg-type]
            os.setgroups([])
            os.setgid(job["gid"])  # type: ignore[arg-type]
            os.setuid(job["uid"])  # type: ignore[arg-type]
        if sys.platform == "linux":
            # After the change of user, which would undo it.
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        os.chdir(str(job["folder"]))
        command = job["command"]
        os.execve(command[0], command, job["environment"])  # type: ignore[index,arg-type]
    finally:
        os._exit(127)


def _end(server: int) -> None:
    for number in (signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, number)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if os.waitpid(server, os.WNOHANG) != (0, 0):
                return
            time.sleep(_STEP_S)


if __name__ == "__main__":
    supervise(json.loads(sys.argv[1]))
