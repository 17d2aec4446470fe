"""Names that say whose they are, and a journal that a kill can't spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.ownership import Entry, Journal, State, fresh_name, stable_name
from migration_cookbook.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = open_workspace(tmp_path / "w")
    workspace.databases.mkdir()
    return workspace


def journal_file(workspace: Workspace) -> Path:
    (path,) = workspace.databases.glob("journal-*")
    return path


class TestNames:
    def test_a_fresh_name(self) -> None:
        name = fresh_name("0123abcd", "E07-1 Büro")
        assert name.startswith("cookbook_0123abcd_e07_1_b_ro_")
        assert fresh_name("0123abcd", "E07-1 Büro") != name

    def test_a_stable_name_follows_its_key(self) -> None:
        assert stable_name("0123abcd", "template", "a") == stable_name("0123abcd", "template", "a")
        assert stable_name("0123abcd", "template", "a") != stable_name("0123abcd", "template", "b")

    @pytest.mark.parametrize("length", [1, 30, 31, 32, 33, 200])
    def test_no_name_is_cut_by_postgresql(self, length: int) -> None:
        assert len(fresh_name("0123abcd", "a_" * length).encode()) <= 63

    @pytest.mark.parametrize("label", ["", "7", "書店", "_"])
    def test_a_label_that_says_nothing(self, label: str) -> None:
        with pytest.raises(ValueError, match="must begin with a letter"):
            fresh_name("0123abcd", label)


class TestJournal:
    def test_the_last_word_counts(self, workspace: Workspace) -> None:
        journal = Journal(workspace, "a server")
        journal.note("one", State.INTENDED)
        journal.note("one", State.MADE, "17")
        journal.note("two", State.INTENDED)
        journal.note("three", State.FINISHED, "18")
        journal.note("three", State.GONE)
        assert journal.entries() == {"one": Entry(State.MADE, "17"), "two": Entry(State.INTENDED, "")}
        assert journal.confirms("17")
        assert not journal.confirms("18")

    def test_an_intent_confirms_nothing(self, workspace: Workspace) -> None:
        journal = Journal(workspace, "a server")
        journal.note("one", State.INTENDED, "17")
        assert not journal.confirms("17")

    def test_another_servers_journal_is_another(self, workspace: Workspace) -> None:
        Journal(workspace, "a server").note("one", State.FINISHED, "17")
        assert not Journal(workspace, "another").confirms("17")

    def test_a_torn_line_is_passed_over_and_the_next_one_is_whole(self, workspace: Workspace) -> None:
        journal = Journal(workspace, "a server")
        journal.note("one", State.FINISHED, "17")
        path = journal_file(workspace)
        path.write_bytes(path.read_bytes() + b'{"name": "two", "sta\xc3')
        assert list(journal.entries()) == ["one"]
        journal.note("three", State.FINISHED, "18")
        assert list(journal.entries()) == ["one", "three"]

    def test_it_stays_small(self, workspace: Workspace) -> None:
        journal = Journal(workspace, "a server")
        journal.note("kept", State.FINISHED, "17")
        for number in range(1200):
            journal.note(f"passing-{number}", State.INTENDED)
            journal.note(f"passing-{number}", State.GONE)
        assert journal.entries() == {"kept": Entry(State.FINISHED, "17")}
        assert len(journal_file(workspace).read_text(encoding="utf-8").splitlines()) < 600

    def test_it_is_nobody_elses_to_read(self, workspace: Workspace) -> None:
        Journal(workspace, "a server").note("one", State.FINISHED, "17")
        assert journal_file(workspace).stat().st_mode & 0o777 == 0o600
