"""The place of this package, whose code is read, copied and hashed."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
