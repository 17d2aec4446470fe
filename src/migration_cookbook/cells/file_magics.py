"""`%%file`, `%show` and `%tree`: write, read and list the files of the project."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.cells.magic import CellMagic, LineMagic
from migration_cookbook.cells.options import read
from migration_cookbook.display.parts import Code, Lines, Note
from migration_cookbook.sandbox import files, history
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.cells.notebook import Notebook

_FILE_USAGE = 'Write %%file migrations/env.py, or %%file models.py --after "words of one line".'
_LANGUAGES = {".py": "python", ".ini": "ini", ".toml": "toml", ".mako": "mako", ".sql": "sql", ".cfg": "ini"}


def write_file(notebook: Notebook, line: str, cell: str) -> None:
    """Write the cell into a file of the project, as a whole or at one line of it, and show what changed."""
    options = read("%%file", line, named=("--after", "--instead-of"), free=1, usage=_FILE_USAGE)
    if not options.free:
        raise CookbookError("%%file needs a path: %%file migrations/env.py")
    if len(options.named) > 1:
        raise CookbookError("%%file takes --after or --instead-of, not both.")
    path = _inside(notebook, options.free[0])
    relative = path.relative_to(notebook.sandbox.folder).as_posix()
    if path.is_dir():
        raise CookbookError(f"{relative} is a folder. Name a file in it.")
    before = _text(path, relative) if path.is_file() else None
    text = cell if cell.endswith("\n") else f"{cell}\n"
    if options.named:
        (way, anchor), *_ = options.named.items()
        text = _edited(relative, before, text, anchor, after=way == "--after")
    notebook.sandbox.write_file(relative, text)
    if before is None:
        notebook.publish([Note(f"wrote `{relative}`")])
    elif before == text:
        notebook.publish([Note(f"`{relative}` is as it was")])
    else:
        notebook.publish([Code(f"changed `{relative}`", _difference(before, text), "diff")])


def _edited(relative: str, before: str | None, new: str, anchor: str, *, after: bool) -> str:
    """Return the file with the new lines after the line that contains the anchor, or instead of it."""
    if before is None:
        raise CookbookError(f"There is no file {relative} yet. Leave --after away to write it whole.")
    lines = before.splitlines(keepends=True)
    found = [position for position, line in enumerate(lines) if anchor in line]
    done = f"\n{new}" in f"\n{before}"
    if done and (after or not found or anchor in new):
        return before
    if len(found) != 1:
        raise CookbookError(
            f"{len(found)} lines of {relative} hold `{anchor}`. Name words of exactly one line."
        )
    position = found[0]
    return "".join([*lines[: position + after], new, *lines[position + 1 :]])


def show(notebook: Notebook, line: str) -> None:
    """Show a file, or a revision's file, or some of its lines."""
    options = read("%show", line, free=2, usage="Write %show migrations/env.py, or %show 0004 10-20.")
    if not options.free:
        raise CookbookError("%show needs a path or a revision: %show migrations/env.py")
    path = _named(notebook, options.free[0])
    relative = path.relative_to(notebook.sandbox.folder).as_posix()
    source = _text(path, relative)
    caption = f"`{relative}`"
    if len(options.free) == 2:
        first, last = _lines(options.free[1], len(source.splitlines()))
        source = "\n".join(source.splitlines()[first - 1 : last])
        caption += f", lines {first} to {last}"
    notebook.publish([Code(caption, source, _LANGUAGES.get(path.suffix, "text"))])


def tree(notebook: Notebook, line: str) -> None:
    """List the files of the project as a tree."""
    options = read("%tree", line, free=1, usage="Write %tree, or %tree migrations.")
    top = _inside(notebook, options.free[0]) if options.free else notebook.sandbox.folder
    if not top.is_dir():
        raise CookbookError(f"There is no folder {options.free[0]}. %tree alone lists all.")
    title = (
        f"{top.relative_to(notebook.sandbox.folder).as_posix()}/"
        if options.free
        else f"{notebook.sandbox.name}/"
    )
    lines = list(_branches(top, set(files.project_files(notebook.sandbox.folder)), ""))
    notebook.publish([Lines((title, *(lines or ["(empty)"])))])


def _branches(folder: Path, shown: set[Path], indent: str) -> Iterator[str]:
    entries = [
        path
        for path in sorted(folder.iterdir())
        if path in shown or (path.is_dir() and not path.name.startswith("__"))
    ]
    entries = [path for path in entries if not path.name.startswith(".")]
    for position, path in enumerate(entries):
        last = position == len(entries) - 1
        yield f"{indent}{'└── ' if last else '├── '}{path.name}{'/' if path.is_dir() else ''}"
        if path.is_dir():
            yield from _branches(path, shown, indent + ("    " if last else "│   "))


def _inside(notebook: Notebook, name: str) -> Path:
    """Return a path of the project; refuse one outside of it."""
    folder = notebook.sandbox.folder
    path = Path(os.path.normpath(folder / name))
    real = path.resolve()
    if not path.is_relative_to(folder) or not real.is_relative_to(folder.resolve()):
        raise CookbookError(
            f"{name} lies outside the sandbox. Name a path inside it, like migrations/env.py."
        )
    return path


def _text(path: Path, relative: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CookbookError(f"{relative} is no text file.") from None


def _named(notebook: Notebook, name: str) -> Path:
    path = _inside(notebook, name)
    if path.is_file():
        return path
    if "/" not in name and "." not in name:
        entries = [e for e in history.entries(notebook.sandbox.folder) if e.id.startswith(name)]
        if len(entries) == 1:
            return entries[0].path
    known = [
        each.relative_to(notebook.sandbox.folder).as_posix()
        for each in files.project_files(notebook.sandbox.folder)
    ]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    raise CookbookError(
        f"There is no file or revision {name}. "
        + (f"Did you mean {near[0]}?" if near else "%tree lists the files.")
    )


def _lines(text: str, count: int) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None or not 1 <= int(match[1]) <= min(int(match[2] or match[1]), count):
        raise CookbookError(f"`{text}` names no lines of this file. Write 10-20; the file has {count} lines.")
    return int(match[1]), min(int(match[2] or match[1]), count)


def _difference(before: str, after: str) -> str:
    """Return the changed lines with one line around them, and `…` between two places."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[3:]
    return "\n".join("…" if line.startswith("@@") else line.rstrip() for line in lines)


MAGICS = (CellMagic("file", write_file), LineMagic("show", show), LineMagic("tree", tree))
