"""Comparison of the recorded outputs with fresh ones.

nbval runs every notebook and compares. The cells that ran are counted, and all cells must be.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from migration_cookbook.editions.blindspots import book_problems
from migration_cookbook.editions.build import PARALLEL, kernel_environment
from migration_cookbook.editions.pages import read_pages
from migration_cookbook.editions.recorded import notebook_paths, read_notebook
from migration_cookbook.editions.reference import differences, read_reference, require_reference
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.editions.book import Book
    from migration_cookbook.workspace import Workspace

CELL_SECONDS = 60


def check_notebooks(book: Book, workspace: Workspace, report: Callable[[str], None] = print) -> int:
    """Run all notebooks and compare their outputs; 0 if each cell ran and came out as recorded.

    Outside the reference environment the cells are run and not compared. The last line
    says how many ran, and how many were compared.
    """
    require_reference(book)
    other = differences(book)
    problems = book_problems(book, read_pages(book.chapters), read_reference(book))
    expected = code_cells(book)
    if not expected:
        problems.append(f"There are no notebooks below {book.notebooks}; run `cookbook build`.")
    code, ran = _run_nbval(book, workspace, compare=not other) if expected else (0, Counter[str]())
    for slug, cells in expected.items():
        if ran[slug] != cells:
            problems.append(f"notebooks/{slug}.ipynb: {ran[slug]} of {cells} cells ran.")
    for problem in problems:
        report(problem)
    if other:
        report(f"Outputs were not compared, this is not the reference environment: {'; '.join(other)}.")
    total, compared = sum(ran.values()), 0 if other else sum(ran.values())
    report(
        f"{total} of {sum(expected.values())} cells ran, in {len(expected)} notebooks; {compared} were compared."
    )
    return 1 if code or problems else 0


def code_cells(book: Book) -> dict[str, int]:
    """Count the cells to run, by notebook."""
    read = {slug: read_notebook(path) for slug, path in notebook_paths(book.notebooks).items()}
    return {
        slug: sum(cell.cell_type == "code" for cell in notebook.cells) if notebook else 0
        for slug, notebook in read.items()
    }


def _run_nbval(book: Book, workspace: Workspace, compare: bool) -> tuple[int, Counter[str]]:
    with workspace.lock("test"), tempfile.TemporaryDirectory() as folder:
        home = open_workspace(workspace.root / "test")
        ipython = home.root / "ipython"
        ipython.mkdir(exist_ok=True)
        xml = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-q"),
            *(
                "--nbval" if compare else "--nbval-lax",
                "--nbval-current-env",
                f"--nbval-cell-timeout={CELL_SECONDS}",
            ),
            *("-n", str(PARALLEL), "--dist", "loadfile", f"--junitxml={xml}"),
            *(f"--rootdir={book.root}", str(book.notebooks)),
        ]
        environment = kernel_environment(home) | {"IPYTHONDIR": str(ipython)}
        code = subprocess.run(command, cwd=book.root, env=environment, check=False).returncode
        return code, _count(xml)


def _count(xml: Path) -> Counter[str]:
    """Count the cells that ran, by notebook; a skipped one didn't."""
    ran: Counter[str] = Counter()
    if not xml.exists():
        return ran
    for case in ElementTree.parse(xml).getroot().iter("testcase"):
        if case.find("skipped") is None and case.find("error") is None:
            ran[_slug(case.get("classname", ""))] += 1
    return ran


def _slug(classname: str) -> str:
    """Return a notebook's slug from its name in the report, as in `notebooks.examples.07-add-a-column.ipynb`."""
    return classname.removeprefix("notebooks.").removesuffix(".ipynb").replace(".", "/")
