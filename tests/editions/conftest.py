from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from edition_desk import Desk, make_desk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A book of the test's own, and a workspace."""
    return make_desk(tmp_path)
