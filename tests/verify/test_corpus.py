"""Is the checker right about other people's cheatsheets? What is true of them was written down before."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import BOTH
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.process.trust import trusted
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.reading.info import VERDICT_WORDS
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace

HERE = Path(__file__).parent
#: Of the verdicts on each database.
RIGHT = 0.98


@pytest.mark.parametrize("folder", ("corpus", "unseen"))
def test_nearly_all_verdicts_are_right_and_nothing_wrong_passes(
    folder: str, verify_workspace: Workspace, verify_server: Server
) -> None:
    with (HERE / folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["name"]: row for row in csv.DictReader(file)}
    read_here = [snippet for page in sorted((HERE / folder).glob("*.md")) for snippet in trusted(read(page))]
    snippets = [one for one in read_here if one.form is not Form.FOREIGN and one.name in truth]
    foreign = {one.name for one in read_here if one.form is Form.FOREIGN}
    assert foreign == {name for name, row in truth.items() if row["sqlite"] == "foreign"}
    wrong: dict[str, list[str]] = {dialect: [] for dialect in BOTH}
    for checked in check(snippets, Settings(verify_workspace)):
        row = truth[str(checked.snippet.name)]
        for dialect in BOTH:
            found = checked.findings[dialect]
            wanted = VERDICT_WORDS[row[dialect]]
            if found.verdict is not wanted or row[f"{dialect}_message"] not in found.message:
                wrong[dialect].append(f"{row['name']}: {wanted}, not {found.verdict} {found.message}")
            assert not (found.verdict is Verdict.WORKS and wanted is not Verdict.WORKS), (
                dialect,
                row["name"],
            )
    for dialect, mistakes in wrong.items():
        assert len(mistakes) <= (1 - RIGHT) * len(snippets), (dialect, mistakes)
