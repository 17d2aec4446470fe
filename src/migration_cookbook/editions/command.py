"""The commands `cookbook build` and `cookbook print`, with what they print."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from migration_cookbook.editions import pdf
from migration_cookbook.editions.build import build, check, choose
from migration_cookbook.editions.facts import check_facts, load_facts
from migration_cookbook.editions.generated import GENERATED_PAGES
from migration_cookbook.editions.pages import PAGE_KINDS, read_pages
from migration_cookbook.editions.print_page import edition_of, render
from migration_cookbook.editions.recorded import recorded_notebooks
from migration_cookbook.editions.sheet import read_sheet, sheet_paths
from migration_cookbook.workspace import open_workspace, write_atomically

#: Both sides of one sheet of paper.
MOST_PAGES = 2

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from migration_cookbook.editions.book import Book
    from migration_cookbook.workspace import Workspace


def build_command(
    book: Book, workspace: Workspace, names: Iterable[str] = (), *, everything: bool = False
) -> int:
    """Build the notebooks and the generated pages; return 0 if there is no problem."""
    with _bar() as progress:
        built = build(book, workspace, tuple(names), progress, everything=everything)
    for failure in built.failures:
        print(failure)
    if built.failures:
        print("Nothing was written.")
        return 1
    for slug in built.removed:
        print(f"notebooks/{slug}.ipynb is removed: it has no chapter.")
    executed = {*built.written, *built.unchanged} - {*built.skipped}
    for page, text in _other_files(book, workspace, executed).items():
        write_atomically(page, text)
    report = check_facts(load_facts(book.facts), recorded_notebooks(book))
    for problem in report.problems:
        print(problem)
    print(f"Notebooks written: {len(built.written)}, unchanged: {len(built.unchanged)}.")
    if built.skipped:
        print(
            f"Not executed: {len(built.skipped)}, because nothing that they depend on has changed; "
            "`cookbook build --all` executes them too."
        )
    return 1 if report.problems else 0


def check_command(book: Book, workspace: Workspace, names: Iterable[str] = ()) -> int:
    """Build without writing, and compare with what is recorded; return 0 if it is the same."""
    chosen = tuple(names)
    pages = {chapter.slug for chapter in choose(read_pages(book.chapters), chosen)}
    with _bar() as progress:
        found = list(check(book, workspace, chosen, progress))
    if not found:
        found = [
            f"{page.relative_to(book.root).as_posix()} is not what the facts and pages say."
            for page, text in _other_files(book, workspace, pages).items()
            if not page.exists() or page.read_text(encoding="utf-8") != text
        ]
    for difference in found:
        print(difference)
    print("Run `cookbook build`." if found else "Everything is as a fresh build makes it.")
    return 1 if found else 0


def print_command(book: Book, names: Iterable[str] = ()) -> int:
    """Lay the cheatsheets out as HTML and PDF; return 0 if none has more pages than two."""
    chosen = {chapter.slug for chapter in choose(read_pages(book.chapters), names)}
    sheets = [
        sheet
        for path in sheet_paths(book.chapters)
        if (sheet := read_sheet(path, book.chapters)).slug in chosen
    ]
    longest = 0
    with contextlib.ExitStack() as stack:
        browser = None
        for sheet in sheets:
            page = book.printed_page(sheet.slug)
            text = render(sheet, book)
            write_atomically(page, text)
            paper = page.with_suffix(".pdf")
            if pdf.edition_of(paper) != edition_of(text):
                browser = browser or stack.enter_context(pdf.browser())
                pdf.write_pdf(browser, page, paper)
            pages = pdf.count_pages(paper)
            longest = max(longest, pages)
            print(f"{paper.relative_to(book.root).as_posix()}: {pages} page{'s' if pages > 1 else ''}.")
    if longest > MOST_PAGES:
        print(f"A sheet has at most {MOST_PAGES} pages: leave something out.")
    return 1 if longest > MOST_PAGES else 0


def _other_files(book: Book, workspace: Workspace, executed: Collection[str]) -> dict[Path, str]:
    """Return what a build writes besides the notebooks: generated pages, and what the kinds of pages add."""
    files = {page.path(book): page.text(book) for page in GENERATED_PAGES}
    chosen = {chapter.path for slug, chapter in read_pages(book.chapters).items() if slug in executed}
    home = open_workspace(workspace.root / "build")
    for kind in PAGE_KINDS:
        if kind.other_files is not None:
            files |= kind.other_files(book, home, chosen)
    return files


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each page that is running."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, int] = {}

        def report(slug: str, done: int, cells: int) -> None:
            if slug not in tasks:
                tasks[slug] = bars.add_task(slug, total=cells)
            bars.update(tasks[slug], completed=done, visible=done < cells)  # type: ignore[arg-type]

        yield report
