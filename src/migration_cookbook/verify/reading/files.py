"""Which files does a path stand for, and what is their text?"""

from __future__ import annotations

import codecs
import io
import os
import tokenize
from pathlib import Path

from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.workspace import CookbookError

#: What is read when a file is named.
READABLE = (".md", ".markdown", ".ipynb", ".py", ".sql", ".ini", ".cfg", ".toml")
#: What is read when its folder is: the files in which an author can declare, or that are migrations.
PAGES = (".md", ".markdown", ".ipynb", ".py")

_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "build", "dist", "venv"})


def files_of(path: Path) -> tuple[Path, ...]:
    """The file itself, or the pages in and below the folder, sorted; hidden folders are left out."""
    if path.is_dir():
        return tuple(sorted(_pages_below(path)))
    if not path.exists():
        raise CookbookError(f"There is no {path}. Name a file or a folder that exists.")
    if not path.is_file():
        raise CookbookError(f"{path} is no file and no folder.")
    if path.suffix.lower() not in READABLE:
        raise CookbookError(f"{path} can't be read for snippets. Name one of these: {', '.join(READABLE)}.")
    return (path,)


def _pages_below(folder: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        found += [Path(root, name) for name in names if Path(name).suffix.lower() in PAGES]
    return [path for path in found if path.is_file()]


def text_of(path: Path) -> str:
    """The text of a file, which must be UTF-8 unless it is Python and says otherwise."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CookbookError(f"{path} can't be read: {error.strerror}.") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    encoding = "UTF-8"
    if path.suffix.lower() == ".py":
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        except SyntaxError as error:
            raise PageMistake(path.as_posix(), 1, f"{error.msg}. Save the file as UTF-8.") from None
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PageMistake(path.as_posix(), line, f"this is not {encoding}. Save the file as UTF-8.") from None
