"""The time that a check of the whole book takes, beside plain nbval on the same machine."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from migration_cookbook.bench.figures import Figure, print_figures
from migration_cookbook.bench.workspace import temporary_workspace
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.build import kernel_environment
from migration_cookbook.editions.compare import check_notebooks
from migration_cookbook.kernels import provisioner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.editions.book import Book

_TIMES_AS_FAST = 3.5


def run() -> int:
    """Measure for some minutes, and print each figure as it comes; 0 if all are good."""
    return print_figures(_measure(this_book()))


def _measure(book: Book) -> Iterator[Figure]:
    plain = _plain_nbval(book)
    yield Figure(f"nbval alone, one notebook after the other: {plain:.0f} s")
    ours = _our_check(book)
    yield Figure(f"`cookbook test --notebooks`: {ours:.0f} s")
    ratio = plain / ours
    yield Figure(f"{ratio:.1f} times as fast", f"≥ {_TIMES_AS_FAST}", ratio >= _TIMES_AS_FAST)


def _plain_nbval(book: Book) -> float:
    """Return the seconds that nbval takes by itself, with kernels as Jupyter starts them."""
    with temporary_workspace() as workspace:
        ipython = workspace.root / "ipython"
        ipython.mkdir()
        environment = kernel_environment(workspace) | {"IPYTHONDIR": str(ipython)}
        del environment[provisioner.VARIABLE]
        command = [
            *(sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-q"),
            *("--nbval", "--nbval-current-env", f"--rootdir={book.root}", str(book.notebooks)),
        ]
        start = time.perf_counter()
        subprocess.run(command, cwd=book.root, env=environment, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start


def _our_check(book: Book) -> float:
    with temporary_workspace() as workspace:
        start = time.perf_counter()
        problems: list[str] = []
        if check_notebooks(book, workspace, problems.append):
            raise RuntimeError("\n".join(problems))
        return time.perf_counter() - start
