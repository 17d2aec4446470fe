"""The files that a path stands for, and their text."""

from __future__ import annotations

import codecs
import io
import os
import re
import tokenize
from pathlib import Path

from migration_cookbook.printable import one_line
from migration_cookbook.verify.reading.formats import SUFFIXES, format_of, is_readable
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.reading.page_file import check_size, open_page
from migration_cookbook.workspace import CookbookError

#: What no text has: NUL, which ends a string in C, and halves of surrogate pairs.
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
#: Codecs that are no encodings of files; some take time that grows with the square of the length.
_NO_ENCODINGS = frozenset(
    {"undefined", "idna", "punycode", "unicode_escape", "raw-unicode-escape", "unicode-escape", "utf-7"}
    | {"raw_unicode_escape", "rot13", "base64", "bz2", "hex", "quopri", "uu", "zlib"}
)
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "build", "dist", "venv"})


def files_of(path: Path) -> tuple[Path, ...]:
    """The file itself, or the pages in and below the folder, sorted; hidden folders are left out."""
    if path.is_dir():
        return tuple(sorted(_pages_below(path)))
    if not path.exists():
        raise CookbookError(f"There is no {one_line(str(path))}. Name a file or a folder that exists.")
    if not path.is_file():
        raise CookbookError(f"{one_line(str(path))} isn't a plain file. Name a page or a folder.")
    if not is_readable(path):
        raise CookbookError(
            f"{one_line(str(path))} can't be read for snippets. Name one of these: {', '.join(SUFFIXES)}."
        )
    return (path,)


def _pages_below(folder: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        found += [Path(root, name) for name in names]
    return [path for path in found if is_readable(path) and format_of(path).in_folders and path.is_file()]


def content_of(path: Path) -> bytes:
    """The bytes of a page, read once."""
    return open_page(path).content


def decoded(path: Path, content: bytes) -> str:
    """The text of a file whose bytes are at hand; it must be UTF-8, unless its format lets it name another encoding."""
    check_size(path, len(content))
    file = path.as_posix()
    content = content.removeprefix(codecs.BOM_UTF8)
    encoding = _encoding(file, content) if format_of(path).names_encoding else "UTF-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PageMistake(file, line, f"this is not {encoding}. Save the file as UTF-8.") from None
    except (LookupError, ValueError, MemoryError):
        raise PageMistake(file, 1, f"this can't be read as {encoding}. Save the file as UTF-8.") from None
    check_characters(file, 1, text)
    return text


def check_characters(file: str, line: int, text: str) -> None:
    """Refuse what no database, no parser and no report can hold; `line` is that of the text."""
    if found := _NOT_TEXT.search(text):
        line += text.count("\n", 0, found.start())
        what = "a NUL byte" if found[0] == "\0" else f"half of a surrogate pair, {one_line(found[0])}"
        raise PageMistake(file, line, f"this has {what}, so it isn't text; take it out, or save as UTF-8.")


def _encoding(file: str, content: bytes) -> str:
    """The encoding that a file declares as Python does, if it's one for text."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError as error:
        raise PageMistake(file, 1, f"{error.msg}. Save the file as UTF-8.") from None
    if codecs.lookup(encoding).name in _NO_ENCODINGS:
        raise PageMistake(file, 1, f"a page can't be read as {encoding}. Save the file as UTF-8.")
    return encoding
