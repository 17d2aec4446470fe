"""Are the models of an earlier revision what somebody would have written at that time?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bookshop_copy import PROJECT, REVISIONS

from migration_cookbook.sandbox.models_at import models_at
from migration_cookbook.workspace import CookbookError

SOURCE = """\
import a  # since 0001
import b  # since 0002


class Base:
    pass


# since 0001
class Book:
    # since one knows: no marker, but a comment
    title = 1
    price = 2  # since 0003

    stock = 3  # since 0002


# since 0002
class Order:
    lines = [
        "one",
        "two",  # since 0003
    ]


# since 0003
class Review:
    pass
"""


def test_later_lines_and_blocks_are_left_out() -> None:
    assert (
        models_at(SOURCE, "0001")
        == """\
import a


class Base:
    pass


class Book:
    # since one knows: no marker, but a comment
    title = 1
"""
    )


def test_an_earlier_block_that_comes_after_a_later_one_is_kept() -> None:
    source = "# since 0002\nclass A:\n    pass\n\n\n# since 0001\nclass B:\n    pass\n"
    assert models_at(source, "0001") == "class B:\n    pass\n"


def test_at_the_last_revision_only_the_markers_go() -> None:
    assert models_at(SOURCE, "0003") == "".join(
        line.split("  # since 0")[0].rstrip("\n") + "\n"
        for line in SOURCE.splitlines()
        if not line.startswith("# since 0")
    )


def test_at_base_there_are_no_tables() -> None:
    assert models_at(SOURCE, "base") == "class Base:\n    pass\n"


@pytest.mark.parametrize("revision", ["3", "head", "abc1", ""])
def test_what_is_no_revision_is_refused(revision: str) -> None:
    with pytest.raises(CookbookError, match="no models for"):
        models_at(SOURCE, revision)


def test_each_edition_of_the_bookshop_is_tidy(tmp_path: Path) -> None:
    pytest.importorskip("ruff", reason="ruff comes with the extra `develop`, which the conda edition lacks")
    source = (PROJECT / "bookshop" / "models.py").read_text()
    for revision in REVISIONS:
        (tmp_path / f"models_{revision}.py").write_text(models_at(source, revision))
    shutil.copy(Path(__file__).parents[2] / "pyproject.toml", tmp_path)
    for arguments in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
        answer = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout
    assert "since" not in "".join(path.read_text() for path in tmp_path.glob("*.py"))
