"""The files of a sandbox, and which of them the learner changed by hand.

The kit remembers what it wrote. Whatever else is found was made by hand, and is
kept before a fresh start.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING

from migration_cookbook.workspace import private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from migration_cookbook.workspace import Workspace

_NOT_FILES_OF_THEIRS = {"__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"}
_DATABASES = re.compile(r"bookshop(_\d)?\.db(-journal|-wal|-shm)?")


def snapshot(folder: Path) -> dict[str, str]:
    """Every file of the project with the hash of its content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project_files(folder)
    }


def project_files(folder: Path) -> Iterable[Path]:
    """The files of the project, without databases and what Python leaves behind."""
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if _DATABASES.fullmatch(path.name) or _NOT_FILES_OF_THEIRS & set(path.relative_to(folder).parts):
            continue
        yield path


def digest(folder: Path) -> str:
    """A hash of every file of the project, by its name and its content."""
    return hashlib.sha256(json.dumps(snapshot(folder), sort_keys=True).encode()).hexdigest()


def revision_texts(folder: Path) -> list[str]:
    """The revision files' texts, wherever the project keeps them."""
    texts = (path.read_text(encoding="utf-8") for path in project_files(folder) if path.suffix == ".py")
    return [text for text in texts if "\ndown_revision" in text]


def keep_changed(workspace: Workspace, name: str, folder: Path, written: Mapping[str, str]) -> str | None:
    """Copy what was changed by hand to the workspace's `kept` folder, and say so in one line."""
    changed = [relative for relative, digest in snapshot(folder).items() if written.get(relative) != digest]
    if not changed:
        return None
    target = _next_folder(workspace.kept / name)
    for relative in changed:
        destination = target / relative
        private_folder(destination.parent)
        shutil.copy2(folder / relative, destination)
    what = changed[0] if len(changed) == 1 else f"{len(changed)} files"
    place = (
        target.relative_to(workspace.root.parent) if target.is_relative_to(workspace.root.parent) else target
    )
    return f"Kept {what}, changed by hand, in `{place}`."


def empty(folder: Path) -> None:
    """Remove what is in the folder, not the folder: it may be somebody's working directory."""
    private_folder(folder)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _next_folder(parent: Path) -> Path:
    number = 1
    while (parent / str(number)).exists():
        number += 1
    return parent / str(number)
