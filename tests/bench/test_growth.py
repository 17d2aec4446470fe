"""The figures of growth are measured, judged and drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from migration_cookbook.bench import growth
from migration_cookbook.bench.growth import Growth, NotebooksMeasured, SandboxesMeasured
from migration_cookbook.workspace import CookbookError, open_workspace

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def measured(many: float = 0.1, checked: float = 90.0) -> Growth:
    return Growth(
        [SandboxesMeasured(1, 0.08, 0.08, 60), SandboxesMeasured(500, many, 0.08, 4200)],
        [NotebooksMeasured(10, 10.0, 10.0), NotebooksMeasured(100, 80.0, checked)],
    )


def test_flat_and_linear_is_good() -> None:
    assert measured().good


@pytest.mark.parametrize("worse", [{"many": 0.17}, {"checked": 130.0}])
def test_what_grows_faster_is_not(worse: dict[str, float]) -> None:
    assert not measured(**worse).good


def test_the_picture_says_in_words_what_it_draws() -> None:
    root = ElementTree.fromstring(measured().svg())
    description = root.findtext(f"{SVG}desc") or ""
    assert root.findtext(f"{SVG}title")
    assert "on this server: 80 at 1, 100 at 500" in description
    assert "checked: 1 at 10, 0.9 at 100" in description
    assert "4.2 GB" in "".join(root.itertext())


def test_every_mark_is_inside_its_chart() -> None:
    root = ElementTree.fromstring(measured().svg())
    marks = [(float(mark.get("cx", "")), float(mark.get("cy", ""))) for mark in root.iter(f"{SVG}circle")]
    assert len(marks) == 2 * (2 + 1), "two figures and the legend in each chart"
    width, height = (float(number) for number in root.get("viewBox", "").split()[2:])
    assert all(0 < x < width / 2 and 0 < y < height for x, y in marks)


def test_too_little_disk_is_said_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_DISK_GB", 10**9)
    with pytest.raises(CookbookError, match="TMPDIR"):
        next(growth.sandboxes())


@pytest.mark.long
def test_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(growth, "SANDBOXES", (1, 3))
    monkeypatch.setattr(growth, "NOTEBOOKS", (1, 2))
    growth.measure_and_draw(open_workspace(tmp_path))
    said = capsys.readouterr().out
    assert re.findall(r"^ *(\d+) (\w+): ", said, re.M) == [
        ("1", "sandboxes"),
        ("3", "sandboxes"),
        ("1", "notebooks"),
        ("2", "notebooks"),
    ]
    ElementTree.parse(tmp_path / growth.PICTURE)
