"""The growth of what the kit takes, with the number of sandboxes and of notebooks."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migration_cookbook.bench.plot import Chart, Line, picture
from migration_cookbook.bench.workspace import temporary_workspace
from migration_cookbook.databases import cluster
from migration_cookbook.editions.book import Book
from migration_cookbook.editions.build import build
from migration_cookbook.editions.compare import check_notebooks
from migration_cookbook.editions.reference import write_reference
from migration_cookbook.sandbox import opening
from migration_cookbook.sandbox.plan import plan
from migration_cookbook.workspace import CookbookError, open_workspace, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.workspace import Workspace

#: Where the picture is put, in the workspace.
PICTURE = "growth.svg"
SANDBOXES = (1, 10, 100, 500)
NOTEBOOKS = (10, 100)
#: Fresh sandboxes that are timed at each count; the fastest counts.
_TIMED = 9
#: A new sandbox may take so many times what it takes on a server with few.
_FLAT = 2.0
#: A notebook among many may take so many times what it takes among few.
_LINEAR = 1.25
#: For the most sandboxes, and as much again to be safe.
_DISK_GB = 9

_PAGE = """\
---
title: "Page {number}"
minutes: {{teach: 1, practice: 1}}
outcomes:
  - see a column come
before: []
databases: [sqlite, postgres]
---

# Page {number}

```{{code-cell}}
%load_ext migration_cookbook
%sandbox page-{number} --at 0004 --database-at 0003
```

```{{code-cell}}
%alembic upgrade head
```

```{{code-cell}}
%%sql
SELECT count(*) AS n FROM books
```
"""


@dataclass(frozen=True)
class SandboxesMeasured:
    """What a new sandbox takes on a server that has `count` of them."""

    count: int
    #: Seconds on that server, and at the same moments on one that has few.
    many: float
    few: float
    #: What the workspace and the server's data take.
    disk_mb: int

    @property
    def good(self) -> bool:
        return self.many <= _FLAT * self.few


@dataclass(frozen=True)
class NotebooksMeasured:
    """Seconds for a book of `count` equal pages."""

    count: int
    built: float
    checked: float

    def good(self, fewest: NotebooksMeasured) -> bool:
        """Whether it grew no faster than the number of pages."""
        factor = _LINEAR * self.count / fewest.count
        return self.built <= factor * fewest.built and self.checked <= factor * fewest.checked


@dataclass
class Growth:
    """All that was measured, as far as it has come."""

    sandboxes: list[SandboxesMeasured] = field(default_factory=list)
    notebooks: list[NotebooksMeasured] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return all(each.good for each in self.sandboxes) and all(
            each.good(self.notebooks[0]) for each in self.notebooks
        )

    def svg(self) -> str:
        return picture("How the cookbook grows", [self._sandboxes(), self._notebooks()])

    def _sandboxes(self) -> Chart:
        return Chart(
            "A new sandbox",
            "sandboxes on the server, and disk",
            "ms",
            tuple(each.count for each in self.sandboxes),
            (
                Line("on this server", tuple(each.many * 1000 for each in self.sandboxes)),
                Line("on one with few", tuple(each.few * 1000 for each in self.sandboxes)),
            ),
            tuple(f"{each.disk_mb / 1000:.1f} GB" for each in self.sandboxes),
        )

    def _notebooks(self) -> Chart:
        return Chart(
            "Each notebook of a book",
            "notebooks in the book",
            "s",
            tuple(each.count for each in self.notebooks),
            (
                Line("built", tuple(each.built / each.count for each in self.notebooks)),
                Line("checked", tuple(each.checked / each.count for each in self.notebooks)),
            ),
        )


def run() -> int:
    """Measure, and draw the picture in the workspace; 0 if all figures are good."""
    return measure_and_draw(open_workspace())


def measure_and_draw(workspace: Workspace) -> int:
    """Measure, print each figure as soon as it's known, and draw a picture; 0 if all are good."""
    growth = Growth()
    for sandbox in sandboxes():
        growth.sandboxes.append(sandbox)
        print(
            f"{sandbox.count:4} sandboxes: a new one takes {sandbox.many * 1000:.0f} ms, on a server with few "
            f"{sandbox.few * 1000:.0f} ms{'' if sandbox.good else ' (not flat)'}; {sandbox.disk_mb} MB on disk",
            flush=True,
        )
    for notebook in notebooks():
        growth.notebooks.append(notebook)
        good = notebook.good(growth.notebooks[0])
        print(
            f"{notebook.count:4} notebooks: built in {notebook.built:.0f} s, checked in {notebook.checked:.0f} s"
            f"{'' if good else ' (more than linear)'}",
            flush=True,
        )
    write_atomically(workspace.root / PICTURE, growth.svg())
    print(f"The picture is {workspace.root / PICTURE}.")
    return 0 if growth.good else 1


def sandboxes() -> Iterator[SandboxesMeasured]:
    """Fill one server with sandboxes, and time new ones on the way."""
    with temporary_workspace() as full, temporary_workspace() as sparse:
        _require_disk(full)
        for workspace in (full, sparse):
            # The first one builds the template that all others are copied from.
            _open(workspace, "new")
        made = 1
        for count in SANDBOXES:
            for number in range(made, count):
                _open(full, f"page-{number}")
            made = count
            # In turns: whatever else the computer does then slows both alike.
            pairs = [(_open(full, "new"), _open(sparse, "new")) for _ in range(_TIMED)]
            many, few = (min(seconds) for seconds in zip(*pairs, strict=True))
            yield SandboxesMeasured(count, many, few, _disk_mb(full))


def notebooks() -> Iterator[NotebooksMeasured]:
    """Build and check books of more and more equal pages."""
    for count in NOTEBOOKS:
        with temporary_workspace() as workspace:
            book = _book(workspace.root / "book", count)
            start = time.perf_counter()
            built = build(book, workspace)
            between = time.perf_counter()
            said: list[str] = []
            failed = check_notebooks(book, workspace, said.append)
            if built.failures or failed:
                raise CookbookError(f"The measured pages fail: {[*map(str, built.failures), *said][0]}")
            yield NotebooksMeasured(count, between - start, time.perf_counter() - between)


def _open(workspace: Workspace, name: str) -> float:
    wanted = plan(name, at="0003", database_at=None, bare=False, rows=True, databases="1")
    start = time.perf_counter()
    opening.open_fresh(workspace, wanted)
    return time.perf_counter() - start


def _book(root: Path, pages: int) -> Book:
    book = Book(root)
    book.chapters.mkdir(parents=True)
    book.lock.touch()
    write_reference(book)
    for number in range(1, pages + 1):
        (book.chapters / f"page-{number}.md").write_text(_PAGE.format(number=number), encoding="utf-8")
    return book


def _require_disk(workspace: Workspace) -> None:
    free = shutil.disk_usage(workspace.root).free / 1e9
    if free < _DISK_GB:
        raise CookbookError(
            f"{SANDBOXES[-1]} sandboxes need {_DISK_GB} GB in {tempfile.gettempdir()}, and {free:.0f} GB are free. "
            "Name another folder with TMPDIR=/some/folder."
        )


def _disk_mb(workspace: Workspace) -> int:
    folders = {workspace.root}
    if (known := cluster.known(workspace)) is not None and workspace.root not in known.home.parents:
        folders.add(known.home)
    return sum(_size(folder) for folder in folders) // 10**6


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # The server's own files come and go.
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total
