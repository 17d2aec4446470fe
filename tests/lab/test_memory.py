"""A folder in memory is for the time of the tests, and only where there is enough of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.lab import memory
from migration_cookbook.lab.memory import quick_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    with quick_folder(tmp_path) as folder:
        assert folder is not None
        assert tmp_path in folder.parents
        (folder / "file").touch()
    assert not folder.exists()


def test_what_a_killed_run_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    with quick_folder(tmp_path) as folder:
        assert folder is not None
        left = folder.parent / "left"
        left.mkdir()
        with quick_folder(tmp_path):
            assert folder.exists()
            assert not left.exists()


def test_there_is_none_where_it_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 2**80)
    with quick_folder(tmp_path) as folder:
        assert folder is None
    with quick_folder(tmp_path / "missing") as folder:
        assert folder is None
    assert list(tmp_path.iterdir()) == []
