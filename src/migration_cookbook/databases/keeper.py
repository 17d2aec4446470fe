"""Thin for now: filled below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def ensure(folder: Path, files: dict[str, Any]) -> None:
    """See that a keeper watches the server of `folder`."""
