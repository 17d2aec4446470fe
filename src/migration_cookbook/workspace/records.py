"""The kit's small JSON files in the workspace, which anything may have damaged."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migration_cookbook.workspace.errors import CookbookError
from migration_cookbook.workspace.folders import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole or not at all, also when killed in between."""
    private_folder(path.parent)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except IsADirectoryError:
        Path(temporary).unlink(missing_ok=True)
        raise CookbookError(f"{path} is a folder, but must be a file. Move it away, and run this again.") from None
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None where there is none or it is torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise unreadable(path, error) from None


def read_record(path: Path, is_valid: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Return the object in a JSON file, or None where there is none or it isn't one that we wrote."""
    found = read_json(path)
    if not isinstance(found, dict) or not is_text(*found):
        return None
    return found if is_valid(found) else None


def is_text(*values: object) -> bool:
    """Whether all are strings that can be written and printed: JSON may hold half characters."""
    for value in values:
        if not isinstance(value, str) or "\0" in value:
            return False
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def unreadable(path: Path, error: OSError) -> CookbookError:
    """Return the error for a file of the kit's that can't be opened."""
    if isinstance(error, IsADirectoryError):
        return CookbookError(f"{path} is a folder, but must be a file. Move it away, and run this again.")
    return CookbookError(
        f"{path} can't be used ({error.strerror}). Give yourself the rights to it or move it away, and run this again."
    )


def keep_copy(path: Path, kept: Path) -> Path | None:
    """Copy a damaged file to the folder `kept` under a free name; None if it isn't there."""
    if not path.is_file():
        return None
    number = 1
    while (target := kept / f"{path.stem}-{number}{path.suffix}").exists():
        number += 1
    private_folder(kept)
    shutil.copyfile(path, target)
    target.chmod(0o600)
    return target
