"""What lies in the checkout that the user works in is the user's own, and the book is everybody's."""

from __future__ import annotations

from pathlib import Path

import pytest
from migration_cookbook.verify.foreign import foreign

from migration_cookbook.workspace import checkout


@pytest.mark.parametrize("inside", [True, False])
def test_whose_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool) -> None:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "docs" / "vendor" / ".git").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "page.md").touch()
    (tmp_path / "project" / "link.md").symlink_to(tmp_path / "elsewhere" / "page.md")
    monkeypatch.chdir(tmp_path / "project" / "docs" if inside else tmp_path)
    mine = tmp_path / "project" / "docs" / "page.md"
    assert foreign(mine) is not inside
    assert foreign(mine.with_name("not there.md")) is not inside
    for strange in ("elsewhere/page.md", "project/link.md", "project/docs/vendor/page.md"):
        assert foreign(tmp_path / strange)


def test_the_book_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    book = checkout()
    assert book is not None
    assert not foreign(book / "chapters" / "00-start-here.md")
    assert foreign(Path("page.md"))
