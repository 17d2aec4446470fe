"""The folder that a command's files must be in: configuration, scripts, and whatever Alembic writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.sandbox import alembic_private
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from alembic.config import Config
    from alembic.script import ScriptDirectory


class OutsideError(CookbookError):
    """A file of somebody else's that a command would have read as its own, or written."""


def require_own_configuration(config: Config, folder: Path) -> None:
    """Refuse a configuration file outside the folder: its env.py would run, and its project be written to."""
    _require_inside(
        alembic_private.configuration_files(config),
        folder,
        "the configuration file {path} is outside this project's folder",
        "Copy it into the project, and name the copy: alembic -c NAME.ini.",
    )


def require_own_scripts(directory: ScriptDirectory, folder: Path) -> None:
    """Refuse scripts outside the folder."""
    _require_inside(
        alembic_private.script_folders(directory),
        folder,
        "script_location or version_locations leads to {path}, outside this project's folder",
        "Name a folder of the project, for example %(here)s/migrations.",
    )


def require_own_target(options: Namespace, folder: Path) -> None:
    """Refuse an `init` outside the folder."""
    if directory := getattr(options, "directory", None):
        require_own_file(folder / directory, folder)


def require_own_file(path: Path, folder: Path) -> None:
    """Refuse to write outside the folder."""
    _require_inside(
        [path],
        folder,
        "Alembic would write {path}, outside this project's folder",
        "Give a name without .. and without a leading slash.",
    )


def _require_inside(paths: Iterable[Path], folder: Path, what: str, advice: str) -> None:
    real = os.path.realpath(folder)
    for path in paths:
        if not Path(os.path.realpath(folder / path)).is_relative_to(real):
            raise OutsideError(f"Refused: {what.format(path=path)}. {advice}")
