"""Kill a process between each two lines of the room `databases`, with no seam in the code itself."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook import databases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_ROOM = str(Path(databases.__file__).parent)


def lines_run(action: Callable[[], object]) -> int:
    """How many different lines of the room the action runs, the first time each."""
    seen: set[tuple[str, int]] = set()
    _traced(action, lambda place: seen.add(place))
    return len(seen)


def killed_at_each_line(action: Callable[[], object], count: int, stride: int = 1) -> Iterator[int]:
    """Run the action in `count` children, each killed before another line; yields after each death."""
    for number in range(1, count, stride):
        child = os.fork()
        if child == 0:
            _run_until(action, number)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0, f"the child failed by itself before line {number}"
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield number


def _run_until(action: Callable[[], object], number: int) -> None:
    seen: set[tuple[str, int]] = set()

    def visit(place: tuple[str, int]) -> None:
        seen.add(place)
        if len(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        _traced(action, visit)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _traced(action: Callable[[], object], visit: Callable[[tuple[str, int]], object]) -> None:
    def trace(frame: FrameType, event: str, argument: object) -> object:
        if not frame.f_code.co_filename.startswith(_ROOM):
            return None
        if event == "line":
            visit((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        action()
    finally:
        sys.settrace(None)
