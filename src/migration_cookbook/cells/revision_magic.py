"""`%%revision`: a revision file with the cell's code in it, made by Alembic itself."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from migration_cookbook.cells.magic import CellFailed, CellMagic
from migration_cookbook.databases.dialects import BOTH
from migration_cookbook.display.parts import Lines, Note, Part
from migration_cookbook.sandbox import history, revision_file
from migration_cookbook.sandbox.command import parse, split
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.sandbox.history import Entry

_USAGE = 'Write %%revision 0004 "add isbn to books", and upgrade() and downgrade() below it.'


def revision(notebook: Notebook, line: str, cell: str) -> None:
    """Create the file, or rewrite it if the cell has run before."""
    name, message, options = _arguments(line)
    notes = _checked(cell)
    known = _find(notebook, name, message)
    if known is None:
        path = _generate(notebook, name, message, options)
        verb = "wrote"
    else:
        path, verb = known.path, "rewrote"
    relative = path.relative_to(notebook.sandbox.folder).as_posix()
    generated = notebook.sandbox.generated_text(relative, path.read_text(encoding="utf-8"))
    text = revision_file.with_code(revision_file.with_message(generated, message), cell)
    changed = text != path.read_text(encoding="utf-8")
    said = f"{verb} `{relative}`"
    if known is not None and known.message != message:
        old, relative = relative, notebook.sandbox.rename_revision(known, message)
        said = f"replaced `{old}` by `{relative}`"
    notebook.sandbox.write_file(relative, text)
    shown: list[Part] = [Note(said), *notes]
    if known is not None and changed:
        shown += _already_run(notebook, known.id)
    notebook.publish(shown)


def _arguments(line: str) -> tuple[str | None, str, list[str]]:
    words = split(line)
    position = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    free, options = words[:position], words[position:]
    if "--autogenerate" in options:
        raise CookbookError(
            "%%revision is for code of your own. Write %alembic revision --autogenerate -m … instead."
        )
    if len(free) > 2:
        raise CookbookError(f"Put the message in quotation marks. {_USAGE}")
    if not free or (len(free) == 1 and re.fullmatch(r"[0-9a-f]{4,32}", free[0])):
        raise CookbookError(f"%%revision needs a message. {_USAGE}")
    return (free[0] if len(free) == 2 else None), free[-1], options


def _checked(cell: str) -> list[Part]:
    """Raise an error for a syntax error, and return a note for a missing function."""
    try:
        tree = ast.parse(cell)
    except SyntaxError as error:
        # The first line is the magic's.
        raise CookbookError(
            f"The code has a syntax error in line {(error.lineno or 0) + 1}: {error.msg}."
        ) from None
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if not any(name.startswith("upgrade") for name in names):
        raise CookbookError(f"The code has no upgrade(). {_USAGE}")
    if not any(name.startswith("downgrade") for name in names):
        return [Note("There is no `downgrade()`: the way back will fail here.")]
    return []


def _find(notebook: Notebook, name: str | None, message: str) -> Entry | None:
    """Return the file that the same cell created before: by its id, else by its message."""
    folder = notebook.sandbox.folder
    try:
        entries = history.entries(folder)
    except CookbookError:
        # The file that can't be read may be the one that this cell fixes.
        entries = history.by_their_text(folder)
    for entry in entries:
        if entry.id == name or (name is None and entry.message == message):
            return entry
    return None


def _generate(notebook: Notebook, name: str | None, message: str, options: list[str]) -> Path:
    arguments = ["revision", "-m", message, *(["--rev-id", name] if name else []), *options]
    before = {entry.id for entry in history.entries(notebook.sandbox.folder)}
    outcome = notebook.sandbox.run_on_files(parse(arguments))
    if outcome.failure:
        notebook.publish([Lines((*outcome.lines, *outcome.failure_lines()))])
        raise CellFailed("alembic revision", (), ())
    made = [entry for entry in history.entries(notebook.sandbox.folder) if entry.id not in before]
    return made[0].path


def _already_run(notebook: Notebook, revision_id: str) -> list[Part]:
    try:
        stand = [dialect for dialect in BOTH if revision_id in notebook.sandbox.applied(dialect)]
    except CookbookError as error:
        return [Note(str(error))]
    if not stand:
        return []
    names = " and ".join(dialect.title for dialect in stand)
    verb = "have" if len(stand) > 1 else "has"
    return [
        Note(
            f"{names} {verb} already run the earlier text of {revision_id}: "
            "the new upgrade() runs only after a downgrade."
        )
    ]


MAGICS = (CellMagic("revision", revision),)
