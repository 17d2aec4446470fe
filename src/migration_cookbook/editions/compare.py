"""Do the recorded outputs still come out?

nbval runs every notebook and compares. What ran is counted, and held to what exists.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from migration_cookbook.editions.blindspots import book_problems, notebook_paths, read_notebook
from migration_cookbook.editions.build import PARALLEL, kernel_environment
from migration_cookbook.editions.pages import read_pages
from migration_cookbook.editions.reference import differences, read_reference, require_reference
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.editions.book import Book
    from migration_cookbook.workspace import Workspace

CELL_SECONDS = 60


def check_notebooks(book: Book, workspace: Workspace, say: Callable[[str], None] = print) -> int:
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
        say(problem)
    if other:
        say(f"Outputs were not compared, this is not the reference environment: {'; '.join(other)}.")
    total, compared = sum(ran.values()), 0 if other else sum(ran.values())
    say(
        f"{total} of {sum(expected.values())} cells ran, in {len(expected)} notebooks; {compared} were compared."
    )
    return 1 if code or problems else 0


def code_cells(book: Book) -> dict[str, int]:
    """How many cells there are to run, by notebook."""
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
        report = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "-q"),
            *(
                "--nbval" if compare else "--nbval-lax",
                "--nbval-current-env",
                f"--nbval-cell-timeout={CELL_SECONDS}",
            ),
            *("-n", str(PARALLEL), "--dist", "loadfile", f"--junitxml={report}"),
            *(f"--rootdir={book.root}", str(book.notebooks)),
        ]
        environment = kernel_environment(home) | {"IPYTHONDIR": str(ipython)}
        code = subprocess.run(command, cwd=book.root, env=environment, check=False).returncode
        return code, _count(report)


def _count(report: Path) -> Counter[str]:
    """How many cells ran, by notebook; a skipped one did not."""
    ran: Counter[str] = Counter()
    if not report.exists():
        return ran
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.find("skipped") is None and case.find("error") is None:
            ran[_slug(case.get("classname", ""))] += 1
    return ran


def _slug(classname: str) -> str:
    """`notebooks.examples.07-add-a-column.ipynb` is how the report names a notebook."""
    return classname.removeprefix("notebooks.").removesuffix(".ipynb").replace(".", "/")
