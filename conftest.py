"""Tests and notebooks in a random order, when COOKBOOK_SHUFFLE names a seed; and none passes over the checker's mistakes."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure() -> None:
    # As in migration_cookbook.verify.oddities, which isn't imported here: the project may be broken.
    os.environ["COOKBOOK_VERIFY_STRICT"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if seed := os.environ.get("COOKBOOK_SHUFFLE"):
        items.sort(key=lambda item: _place(item.nodeid, seed))


def _place(nodeid: str, seed: str) -> list[str]:
    """A random place for the file, in it for the class, in that for the test. A notebook's cells keep their order."""
    parts = nodeid.split("::")
    names = (
        [parts[0]] if parts[0].endswith(".ipynb") else ["::".join(parts[: n + 1]) for n in range(len(parts))]
    )
    return [hashlib.sha256(f"{seed} {name}".encode()).hexdigest() for name in names]
