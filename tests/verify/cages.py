"""What tests of contained code need: a cage, or a skip where the system can't make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.verify.containment import ContainedWorker, NotContained

if TYPE_CHECKING:
    from pathlib import Path


def cage_or_skip(folder: Path, *preload: str) -> ContainedWorker:
    cage = ContainedWorker(*preload)
    try:
        cage.run("os:getcwd", {}, folder)
    except NotContained as reason:
        cage.close()
        pytest.skip(f"this system can't contain a process: {reason}")
    return cage
