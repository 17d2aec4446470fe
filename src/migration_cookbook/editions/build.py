"""Execution of the chapters' cells, and recording of their outputs.

Everything is executed before anything is written: a build that fails records nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

from migration_cookbook.databases.environment import known_environment
from migration_cookbook.editions import blindspots
from migration_cookbook.editions.inputs import Inputs
from migration_cookbook.editions.notebook import KERNEL, to_notebook, write_notebook
from migration_cookbook.editions.pages import read_pages
from migration_cookbook.editions.reference import require_reference, this_environment
from migration_cookbook.kernels import provisioner
from migration_cookbook.kernels.manager import AsyncWarmKernelManager
from migration_cookbook.workspace import (
    HOME_VARIABLE,
    CookbookError,
    Workspace,
    open_workspace,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from pathlib import Path

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.chapter import Cell, Chapter

    #: Gets the page's slug, how many of its code cells have run, and how many there are.
    Progress = Callable[[str, int, int], None]

_T = TypeVar("_T")

#: Kernels at the same time.
PARALLEL = 2
CELL_SECONDS = 120
#: Attempts to start a kernel.
_STARTS = 3


@dataclass(frozen=True)
class BuildFailure:
    """Why a chapter can't be recorded."""

    chapter: Chapter
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.chapter.place}:{self.line}: {self.message}"


@dataclass(frozen=True)
class BuildResult:
    """What a build did. With failures it wrote nothing."""

    failures: tuple[BuildFailure, ...] = ()
    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    #: Pages that weren't executed, because nothing that they depend on has changed.
    skipped: tuple[str, ...] = ()
    #: Notebooks whose chapter is gone.
    removed: tuple[str, ...] = ()


def build(
    book: Book,
    workspace: Workspace,
    names: Iterable[str] = (),
    progress: Progress | None = None,
    *,
    everything: bool = False,
) -> BuildResult:
    """Execute the named chapters and write their notebooks; without names, those whose inputs changed, or all."""
    chosen = tuple(names)
    chapters = _chosen(book, chosen)
    inputs = Inputs(book, open_workspace(workspace.root / "build"), this_environment(book))
    digests = inputs.digests(chapters)
    current = set() if chosen or everything else inputs.unchanged(digests)
    texts, failures = _execute_all(
        book, workspace, [each for each in chapters if each.slug not in current], progress
    )
    if failures:
        return BuildResult(failures)
    written = []
    for slug, text in texts.items():
        if _recorded_text(book.notebook(slug)) != text:
            write_atomically(book.notebook(slug), text)
            written.append(slug)
    inputs.remember({slug: digests[slug] for slug in texts})
    removed = () if chosen else blindspots.without_chapter(book, set(digests))
    for slug in removed:
        book.notebook(slug).unlink()
    unchanged = tuple(slug for slug in digests if slug not in written)
    return BuildResult(
        (), tuple(written), unchanged, tuple(slug for slug in digests if slug in current), removed
    )


def check(
    book: Book, workspace: Workspace, names: Iterable[str] = (), progress: Progress | None = None
) -> tuple[str, ...]:
    """Execute, compare with what is recorded, and return what differs; write nothing."""
    chosen = tuple(names)
    texts, failures = _execute_all(book, workspace, _chosen(book, chosen), progress)
    if failures:
        return tuple(str(failure) for failure in failures)
    found = [
        difference
        for slug, text in texts.items()
        if (difference := _difference(book.notebook(slug), slug, text))
    ]
    if not chosen:
        found += [
            f"notebooks/{slug}.ipynb has no chapter." for slug in blindspots.without_chapter(book, set(texts))
        ]
    return tuple(found)


def choose(chapters: dict[str, Chapter], names: Iterable[str]) -> list[Chapter]:
    """Return the chapters of these names; all of them for none. The last part of a slug is enough."""
    chosen = []
    for name in names:
        slug_or_name = name.removeprefix("chapters/").removesuffix(".md")
        matches = [slug for slug in chapters if slug_or_name in (slug, slug.rpartition("/")[2])]
        if len(matches) != 1:
            raise CookbookError(
                f"There is no chapter {name}; take a path below chapters/, without the ending."
            )
        chosen.append(chapters[matches[0]])
    return chosen or list(chapters.values())


def _chosen(book: Book, names: tuple[str, ...]) -> list[Chapter]:
    require_reference(book)
    chapters = choose(read_pages(book.chapters), names)
    if not chapters:
        raise CookbookError(f"There is no chapter below {book.chapters}.")
    return chapters


def _execute_all(
    book: Book, workspace: Workspace, chapters: list[Chapter], progress: Progress | None
) -> tuple[dict[str, str], tuple[BuildFailure, ...]]:
    with workspace.lock("build"):
        home = open_workspace(workspace.root / "build")
        execution = _Execution(book, home, this_environment(book), progress)
        results = _in_a_thread(execution.all, chapters)
    texts = {
        chapter.slug: text for chapter, text in zip(chapters, results, strict=True) if isinstance(text, str)
    }
    return texts, tuple(failure for failure in results if isinstance(failure, BuildFailure))


@dataclass(frozen=True)
class _Execution:
    book: Book
    home: Workspace
    environment: dict[str, str]
    progress: Progress | None

    async def all(self, chapters: list[Chapter]) -> list[str | BuildFailure]:
        places = asyncio.Semaphore(PARALLEL)

        async def one(chapter: Chapter) -> str | BuildFailure:
            async with places:
                return await self.one(chapter)

        # Without `return_exceptions` the first one that ends badly would leave the others' kernels alone.
        outcomes = await asyncio.gather(*(one(chapter) for chapter in chapters), return_exceptions=True)
        results: list[str | BuildFailure] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            results.append(outcome)
        return results

    async def one(self, chapter: Chapter) -> str | BuildFailure:
        notebook = to_notebook(chapter, self.environment)
        kept = nbformat.from_dict(notebook.metadata)
        failure = await self._execute(chapter, notebook)
        if failure is None:
            notebook.metadata = kept
            failure = _first_problem(chapter, notebook)
        return failure or write_notebook(notebook)

    async def _execute(self, chapter: Chapter, notebook: Any) -> BuildFailure | None:
        folder = self.book.notebook(chapter.slug).parent
        folder.mkdir(parents=True, exist_ok=True)
        begun: list[Cell] = []
        for _ in range(_STARTS):
            failure = await self._execute_once(chapter, notebook, folder, begun)
            # A port that was free when it was chosen may be somebody else's a moment later.
            if failure is None or begun:
                break
        return failure

    async def _execute_once(
        self, chapter: Chapter, notebook: Any, folder: Path, begun: list[Cell]
    ) -> BuildFailure | None:
        client = self._client(chapter, notebook, begun)
        try:
            await client.async_execute(cwd=str(folder), env=self._env(chapter))
        except CellTimeoutError:
            return BuildFailure(chapter, begun[-1].line, f"the cell ran for more than {CELL_SECONDS} s.")
        except DeadKernelError:
            return BuildFailure(chapter, begun[-1].line, "the kernel died.")
        except RuntimeError as error:
            if begun:
                raise
            # At its exit the client cleans up once more, and prints a traceback if it finds no manager.
            client.create_kernel_manager()
            return BuildFailure(chapter, 1, f"the kernel does not start ({error}).")
        except CellControlSignal:
            # The cell's output says more, and is looked at with the others.
            return None
        return None

    def _client(self, chapter: Chapter, notebook: Any, begun: list[Cell]) -> NotebookClient:
        cells = sum(cell.cell_type == "code" for cell in notebook.cells)

        def begin(cell_index: int, **_: Any) -> None:
            begun.append(chapter.learners_cells[cell_index])

        def report(**_: Any) -> None:
            if self.progress:
                self.progress(chapter.slug, sum(cell.kind == "code" for cell in begun), cells)

        return NotebookClient(
            notebook,
            kernel_manager_class=AsyncWarmKernelManager,
            kernel_name=KERNEL,
            timeout=CELL_SECONDS,
            record_timing=False,
            coalesce_streams=True,
            allow_errors=False,
            store_widget_state=False,
            on_cell_execute=begin,
            on_cell_executed=report,
        )

    def _env(self, chapter: Chapter) -> dict[str, str]:
        ipython = self.home.root / "ipython" / chapter.slug.replace("/", "_")
        ipython.mkdir(parents=True, exist_ok=True)
        return kernel_environment(self.home) | {"IPYTHONDIR": str(ipython)}


def kernel_environment(home: Workspace) -> dict[str, str]:
    """Return the environment of a kernel that records or compares: nothing of the user's is in its outputs."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "COLUMNS", "LINES")
    environment = {key: value for key, value in known_environment().items() if key not in dropped}
    folders = {
        f"JUPYTER_{name}_DIR": str(home.jupyter / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    return (
        environment
        | folders
        | {
            HOME_VARIABLE: str(home.root),
            provisioner.VARIABLE: provisioner.NAME,
            "PYTHONHASHSEED": "0",
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }
    )


def _first_problem(chapter: Chapter, notebook: Any) -> BuildFailure | None:
    for cell, written in zip(notebook.cells, chapter.learners_cells, strict=True):
        if problem := next(iter(blindspots.cell_problems(cell)), None):
            return BuildFailure(chapter, written.line, problem)
    for problem in blindspots.order_problems(notebook):
        return BuildFailure(chapter, chapter.cells[0].line, problem)
    return None


def _recorded_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _difference(path: Path, slug: str, text: str) -> str | None:
    """Say in one line where the recorded notebook differs from a fresh one."""
    place = f"notebooks/{slug}.ipynb"
    recorded = _recorded_text(path)
    if recorded == text:
        return None
    if recorded is None:
        return f"{place} is missing."
    try:
        old = nbformat.reads(recorded, as_version=nbformat.NO_CONVERT)
    except Exception:
        return f"{place} is no notebook."
    new = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    for number, (before, after) in enumerate(zip(old.cells, new.cells, strict=False), 1):
        if before != after:
            parts = [
                key for key in ("cell_type", "id", "source", "outputs") if before.get(key) != after.get(key)
            ]
            return f"{place}: cell {number} ({after.id}) has other {', '.join(parts) or 'metadata'} than a fresh build."
    if len(old.cells) != len(new.cells):
        return f"{place} has {len(old.cells)} cells, a fresh build {len(new.cells)}."
    return f"{place} has other metadata than a fresh build."


def _in_a_thread(work: Callable[[list[Chapter]], Coroutine[Any, Any, _T]], chapters: list[Chapter]) -> _T:
    """Run the tasks in another thread.

    There the executing library can't put its signal handlers in: an interrupt reaches
    this thread, and ends all kernels instead of one.
    """
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> _T:
        if task := asyncio.current_task():
            running.append((asyncio.get_running_loop(), task))
        return await work(chapters)

    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(lambda: asyncio.run(main()))
        try:
            return outcome.result()
        except BaseException:
            for loop, task in running:
                # The loop may have come to its end by itself.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(task.cancel)
            # It comes to its end when all kernels have come to theirs.
            wait([outcome])
            raise
