"""What tests of contained code need: a contained worker, or a skip where the system can't make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.verify.containment import ContainedWorker, NotContained

if TYPE_CHECKING:
    from pathlib import Path


def contained_or_skip(folder: Path, *preload: str) -> ContainedWorker:
    worker = ContainedWorker(*preload)
    try:
        worker.run("os:getcwd", {}, folder)
    except NotContained as reason:
        worker.close()
        pytest.skip(f"this system can't contain a process: {reason}")
    return worker
