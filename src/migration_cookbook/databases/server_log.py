"""The log of a server of our own, and the errors in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration_cookbook.databases.cluster import Cluster

#: What isn't the fault of a server's data, so no reason to set them aside.
CIRCUMSTANCES = (
    "No space left",
    "Cannot allocate memory",
    "could not create shared memory",
    "Permission denied",
    "Too many open files",
)


def read_log(cluster: Cluster) -> str:
    """Return the log since the last start, or nothing where there is none."""
    try:
        return cluster.output.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def complaints(cluster: Cluster) -> list[str]:
    """Return the log's lines that report an error."""
    levels = ("FATAL:", "PANIC:", "error:")
    return [line for line in read_log(cluster).splitlines() if any(level in line for level in levels)]


def last_complaint(cluster: Cluster) -> str:
    """Return the error that was logged last, or else the last line, without its time stamp."""
    lines = [line for line in read_log(cluster).splitlines() if line.strip()]
    line = (complaints(cluster) or lines or ["no reason given"])[-1]
    for level in ("FATAL:  ", "PANIC:  ", "error: "):
        line = line.split(level, 1)[-1]
    return line.strip()
