"""The time that a learner waits, measured on this machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from migration_cookbook import practice
from migration_cookbook.bench.workspace import temporary_workspace
from migration_cookbook.databases import server
from migration_cookbook.kernels.manager import WarmKernelManager
from migration_cookbook.practice import attempt
from migration_cookbook.sandbox import opening
from migration_cookbook.workspace import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from migration_cookbook.workspace import Workspace

_PATIENCE_S = 60
_REVISION_COMMAND = "%alembic upgrade head"


@dataclass(frozen=True)
class Timing:
    """One thing that was measured, in seconds or as a ratio, and what it should be."""

    name: str
    values: tuple[float, ...]
    #: The figure is good up to this; for a ratio, from this on.
    limit: float
    ratio: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def good(self) -> bool:
        return self.median >= self.limit if self.ratio else self.median <= self.limit


def run() -> int:
    """Measure all of it, and print it as a table; 0 if all timings are good."""
    table = Table(
        "what", "median", "fastest", "slowest", "runs", "should be", title="What a learner waits for"
    )
    missed = 0
    with Console(stderr=True).status("Measuring, for about two minutes ..."):
        for timing in measure():
            form = "{:.1f} x" if timing.ratio else "{:.3f} s"
            bound = (
                f"{'≥' if timing.ratio else '≤'} {form.format(timing.limit)}"
                if isfinite(timing.limit)
                else ""
            )
            values = (timing.median, min(timing.values), max(timing.values))
            table.add_row(
                timing.name,
                *(form.format(value) for value in values),
                str(len(timing.values)),
                bound if timing.good else f"{bound} (missed)",
            )
            missed += not timing.good
    Console().print(table)
    return 1 if missed else 0


def measure() -> Iterator[Timing]:
    """Yield each timing as soon as it's known."""
    with temporary_workspace() as workspace:
        yield Timing("server, cold start", (_timed(lambda: server.attach(workspace)),), 2.0)
        yield Timing("server, attach", _repeated(lambda: server.attach(workspace), 15), 0.05)
        kernel = {HOME_VARIABLE: str(workspace.root)}
        _kernel_to_sandbox(kernel)
        yield Timing(
            "kernel start to first %sandbox",
            tuple(_kernel_to_sandbox(kernel) for _ in range(7)),
            2.0,
        )
        with _Kernel(kernel) as one:
            one.run("%load_ext migration_cookbook\n%sandbox bench --at 0003")
            again = _repeated(lambda: one.run("%sandbox bench --at 0003"), 15)
            yield Timing("%sandbox NAME --at REV", again, 0.2)
            yield from _against_subprocess(workspace, one)
        yield from _practice(workspace)


def _practice(workspace: Workspace) -> Iterator[Timing]:
    """Measure how long a check of a solved exercise takes."""
    checks = []
    for exercise in practice.exercises().values():
        sandbox, _ = practice.open_exercise(workspace, exercise)
        # What the solution comes to is found out once, with the first check.
        practice.check(workspace, exercise, sandbox, "?")
        databases = {dialect: listed[0] for dialect, listed in sandbox.databases.items()}
        attempt.perform(sandbox.folder, databases, exercise.solution_steps, exercise.id)
        checks.append(_timed(partial(practice.check, workspace, exercise, sandbox, "?")))
    yield Timing("%check, over all exercises", tuple(checks), 1.0)


def _against_subprocess(workspace: Workspace, one: _Kernel) -> Iterator[Timing]:
    """Run one pending revision on both databases: in the notebook, and as the alembic command run twice."""
    inside, outside = [], []
    for _ in range(7):
        one.run("%sandbox bench --at 0004 --database-at 0003")
        inside.append(_timed(lambda: one.run(_REVISION_COMMAND)))
        one.run("%sandbox bench --at 0004 --database-at 0003")
        outside.append(_timed(lambda: _subprocess_upgrades(workspace)))
    yield Timing(f"{_REVISION_COMMAND}, both databases", tuple(inside), 0.1)
    yield Timing("the alembic command, twice", tuple(outside), float("inf"))
    ratios = tuple(slow / fast for slow, fast in zip(outside, inside, strict=True))
    yield Timing("how many times faster", ratios, 10, ratio=True)


def _subprocess_upgrades(workspace: Workspace) -> None:
    opened = opening.resume(workspace, "bench")
    for databases in opened.databases.values():
        url = databases[0].url.render_as_string(hide_password=False)
        subprocess.run(
            [Path(sys.executable).with_name("alembic"), "upgrade", "head"],
            cwd=opened.folder,
            env=os.environ | {"BOOKSHOP_DATABASE_URL": url},
            check=True,
            capture_output=True,
        )


class _Kernel:
    """A kernel as JupyterLab starts it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._manager = WarmKernelManager(transport="ipc")
        self._manager.start_kernel(env=os.environ | environment)
        self._client: Any = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_PATIENCE_S)

    def __enter__(self) -> _Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def run(self, code: str) -> None:
        reply = self._client.execute_interactive(code, timeout=_PATIENCE_S, output_hook=lambda _: None)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"{code!r} failed: {reply['content'].get('evalue')}")


def _kernel_to_sandbox(environment: dict[str, str]) -> float:
    start = time.perf_counter()
    with _Kernel(environment) as kernel:
        kernel.run("%load_ext migration_cookbook\n%sandbox bench --at 0003")
        return time.perf_counter() - start


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _repeated(work: Callable[[], Any], times: int) -> tuple[float, ...]:
    return tuple(_timed(work) for _ in range(times))
