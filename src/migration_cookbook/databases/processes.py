"""The process of a PostgreSQL server that we started. Standard library only: the keeper uses it too."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

#: Waiting in small steps for something that has no event to wait for.
STEP_S = 0.01


def postmaster(data: Path, mark: str) -> int | None:
    """Return the process id of the living server of the folder `data`, or None.

    A process is ours only if `mark` is in its command line, so a zombie and
    a recycled process id count as dead.
    """
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if is_marked(pid, mark) else None


def is_marked(pid: int, mark: str) -> bool:
    """Whether a living process `pid` was started with `mark` in its arguments."""
    return f"cluster_name={mark}" in _arguments(pid)


def end(pid: int, mark: str) -> bool:
    """Stop a server: politely, then at once, then by force. Whether it is gone."""
    for number, patience in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if not is_marked(pid, mark):
            return True
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while is_marked(pid, mark) and time.monotonic() < deadline:
            time.sleep(STEP_S)
    return not is_marked(pid, mark)


def _arguments(pid: int) -> list[str]:
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return []
    answer = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return answer.stdout.split()
