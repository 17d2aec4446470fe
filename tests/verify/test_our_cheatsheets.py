"""The book's own cheatsheets: each snippet is as declared, its mark and the ledger say what came of it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.ledger import read_ledger
from migration_cookbook.editions.marks import with_marks
from migration_cookbook.editions.reference import differences
from migration_cookbook.editions.sheet import read_sheet, sheet_paths
from migration_cookbook.verify.command import find
from migration_cookbook.verify.judging.expecting import held_to_declaration
from migration_cookbook.verify.judging.versions import versions
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.process.pages import PageReader
from migration_cookbook.verify.process.trust import decide
from migration_cookbook.verify.report.run import Run
from migration_cookbook.verify.report.terminal import detail
from migration_cookbook.verify.tried import sent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.workspace import Workspace

#: The sheets are tried once, in one process.
pytestmark = pytest.mark.xdist_group("cheatsheets")

BOOK = this_book()
FEWEST = 80
SHEETS = sheet_paths(BOOK.chapters)


@pytest.fixture(scope="module")
def run(verify_server: Server, verify_workspace: Workspace) -> Run:
    """What `cookbook verify --locks chapters/cheatsheets` has to tell."""
    settings = Settings(verify_workspace, BOTH, locks=True)
    with PageReader(decide(verify_workspace)) as reader:
        found = find([BOOK.chapters / "cheatsheets"], settings, reader)
    asked = versions(verify_workspace, BOTH)
    checked = [held_to_declaration(one, asked) for one in check(found.snippets, settings)]
    return Run(tuple(checked), asked, found.mistakes, found.foreign)


@pytest.fixture(scope="module")
def by_sheet(run: Run) -> dict[str, list[Checked]]:
    found = defaultdict(list)
    for one in run.checked:
        found[Path(one.snippet.file).stem].append(one)
    return found


@pytest.fixture
def reference() -> None:
    if other := differences(BOOK):
        pytest.skip(f"held to the reference environment only: {'; '.join(other)}")


def test_each_snippet_is_as_declared(run: Run) -> None:
    refused = "\n".join(
        line for one in run.refused for line in [one.snippet.place, *detail(run, one, sql=True)]
    )
    assert run.good, f"{refused}\n{run.mistakes}"
    assert len(run.checked) >= FEWEST


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_the_marks_are_up_to_date(
    path: Path, by_sheet: dict[str, Sequence[Checked]], reference: None
) -> None:
    sheet = read_sheet(path, BOOK.chapters)
    assert with_marks(sheet, by_sheet[path.stem]).text == sheet.text, "Run `cookbook build`."


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_the_ledger_says_of_the_newest_pair_what_is_so(
    path: Path, run: Run, by_sheet: dict[str, Sequence[Checked]], reference: None
) -> None:
    told = read_ledger(BOOK.ledger)
    assert told is not None
    entries = {entry.text: entry for entry in told.sheets[path.stem]}
    names = {
        Dialect.SQLITE: "SQLite",
        Dialect.POSTGRES: f"PostgreSQL {run.versions[Dialect.POSTGRES].split('.')[0]}",
    }
    ran = [one for one in by_sheet[path.stem] if one.snippet.skip is None]
    assert set(entries) == {one.snippet.text for one in ran}, "Run `make matrix`."
    for one in ran:
        for dialect, finding in one.findings.items():
            steps = entries[one.snippet.text].steps.get(names[dialect])
            if steps is None:
                # On which database a command line runs changes nothing.
                assert dialect is Dialect.POSTGRES
                assert not sent(one.snippet, finding)
                continue
            newest = steps[-1]
            assert (newest.verdict, newest.sent) == (finding.verdict, sent(one.snippet, finding)), (
                f"{one.snippet.place}: run `make matrix`."
            )
