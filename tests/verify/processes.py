"""The same code in processes that differ in what must not matter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
#: With these two, even the set of the two databases has another order.
_HASH_SEEDS = ("0", "1")


def of_two_processes(code: str) -> list[str]:
    """What it prints in each of two processes that order sets of texts differently."""
    path = os.pathsep.join(map(str, (_HERE, _HERE.parent)))
    return [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in _HASH_SEEDS
    ]
