"""Kernels that are talked to cell by cell, and may be killed in the middle of one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Any

import nbformat

from lab_desk import wait_until_ready
from migration_cookbook.editions.blindspots import cell_problems
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.build import kernel_environment
from migration_cookbook.editions.reference import differences
from migration_cookbook.kernels.manager import WarmKernelManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

    from migration_cookbook.workspace import Workspace

PATIENCE_S = 60.0


class KernelDied(Exception):
    """The kernel is gone, and with it the answer."""


@dataclass(frozen=True)
class Ended:
    """What a cell put out, and the line of its error if it failed."""

    texts: tuple[str, ...]
    error: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@dataclass(frozen=True)
class Kernel:
    client: BlockingKernelClient
    manager: WarmKernelManager | None = None

    @property
    def pid(self) -> int:
        assert self.manager is not None
        return int(self.manager.provisioner.process.pid)

    @property
    def alive(self) -> bool:
        return self.manager is None or bool(self.manager.is_alive())

    def begin(self, cell: str) -> str:
        return str(self.client.execute(cell))

    def end(self, message: str) -> Ended:
        """Wait until the cell is done."""
        outputs = self._outputs(message)
        errors = [output for output in outputs if output.output_type == "error"]
        texts = [output.text if "text" in output else _plain(output) for output in outputs]
        return Ended(tuple(texts), "\n".join(errors[0].traceback) if errors else None)

    def attempt(self, cell: str) -> Ended:
        return self.end(self.begin(cell))

    def run(self, cell: str) -> str:
        ended = self.attempt(cell)
        assert ended.error is None, f"{cell}\n{ended.text}\n{ended.error}"
        return ended.text

    def run_all(self, path: Path) -> None:
        """Run every cell of a notebook: none fails, and each puts out what is recorded."""
        compare = not differences(this_book())
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type != "code":
                continue
            recorded = _texts(cell.outputs)
            cell.outputs = self._outputs(self.begin(cell.source))
            cell.execution_count = 1
            problem = next(iter(cell_problems(cell)), None)
            assert problem is None, f"cell {number} of {path.name}: {problem}\n{_texts(cell.outputs)}"
            if compare:
                fresh = _texts(cell.outputs)
                if "%sandbox" in cell.source:  # what happened before may be said above its own line
                    fresh, recorded = [fresh[-1].splitlines()[-1]], [recorded[-1].splitlines()[-1]]
                assert fresh == recorded, f"cell {number} of {path.name}"

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def _outputs(self, message: str) -> list[Any]:
        outputs: list[Any] = []
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                heard: dict[str, Any] = self.client.get_iopub_msg(timeout=0.2)
            except Empty:
                if self.manager is not None and not self.manager.is_alive():
                    raise KernelDied from None
                assert time.monotonic() < deadline, f"no answer; so far {outputs}"
                continue
            if heard["parent_header"].get("msg_id") != message:
                continue
            if heard["msg_type"] in ("display_data", "execute_result", "stream", "error"):
                outputs.append(nbformat.v4.output_from_msg(heard))
            elif heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
                return outputs


def _plain(output: Any) -> str:
    return str(output.get("data", {}).get("text/plain", ""))


def _texts(outputs: list[Any]) -> list[str]:
    return [_plain(output) for output in outputs if "data" in output]


@contextlib.contextmanager
def open_kernel(home: Workspace, **variables: str) -> Iterator[Kernel]:
    """A fresh kernel of this environment, in the folder where a learner's notebooks lie."""
    manager = WarmKernelManager()
    environment = kernel_environment(home) | {"IPYTHONDIR": str(home.root.parent / "ipython")} | variables
    manager.start_kernel(env=environment)
    with connected(manager.blocking_client(), manager) as kernel:
        yield kernel


@contextlib.contextmanager
def connected(client: BlockingKernelClient, manager: WarmKernelManager | None = None) -> Iterator[Kernel]:
    client.start_channels()
    try:
        wait_until_ready(client)
        yield Kernel(client, manager)
    finally:
        client.stop_channels()
        if manager is not None:
            manager.shutdown_kernel(now=True)
