"""The corpus: other people's cheatsheets, and beside them what is true of each snippet."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

HERE = Path(__file__).parent
FACTS = HERE.parents[1] / "chapters" / "facts.csv"

VERDICTS = {"works", "outside", "fails", "needs context", "placeholder", "nothing ran", "foreign"}
WRONG = {"fails", "outside"}

#: How many fences each collection has at the least.
LEAST = {"corpus": 150, "unseen": 50}


@dataclass(frozen=True)
class Fence:
    page: str
    info: str

    @property
    def names(self) -> list[str]:
        return re.findall(r'\{name="([^"]+)"(?: given="[^"]*")?\}$', self.info)


def fences(folder: str) -> list[Fence]:
    return [
        Fence(page.name, token.info)
        for page in sorted((HERE / folder).glob("*.md"))
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8"))
        if token.type == "fence"
    ]


def truth(folder: str) -> list[dict[str, str]]:
    with (HERE / folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(params=sorted(LEAST))
def folder(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_are_enough_fences(folder: str) -> None:
    assert len(fences(folder)) >= LEAST[folder]


def test_each_fence_has_one_name_of_its_own(folder: str) -> None:
    found = fences(folder)
    assert [fence for fence in found if len(fence.names) != 1] == []
    names = [name for fence in found for name in fence.names]
    assert sorted(names) == sorted(set(names))


def test_each_fence_has_its_row_and_each_row_its_fence(folder: str) -> None:
    names = [name for fence in fences(folder) for name in fence.names]
    assert [row["name"] for row in truth(folder)] == names


def test_the_two_collections_share_no_name() -> None:
    first, second = ({name for fence in fences(folder) for name in fence.names} for folder in sorted(LEAST))
    assert first & second == set()


def test_the_verdicts_are_verdicts(folder: str) -> None:
    for row in truth(folder):
        for database in ("sqlite", "postgres"):
            assert row[database] in VERDICTS, row["name"]
            assert bool(row[f"{database}_message"]) <= (row[database] not in {"works", "nothing ran"}), row[
                "name"
            ]
            assert bool(row[f"{database}_message"]) >= (row[database] in WRONG), row["name"]


def test_enough_of_them_are_wrong_somewhere(folder: str) -> None:
    rows = truth(folder)
    wrong = [row for row in rows if {row["sqlite"], row["postgres"]} & WRONG]
    assert len(wrong) >= 0.3 * len(rows)


def test_each_named_row_is_a_fact_of_the_book(folder: str) -> None:
    with FACTS.open(encoding="utf-8", newline="") as file:
        facts = {row["id"] for row in csv.DictReader(file)}
    assert {row["row"] for row in truth(folder)} - {""} <= facts
