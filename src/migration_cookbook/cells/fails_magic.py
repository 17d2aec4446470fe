"""`%%fails`: the cell below is meant to fail, and says on which database."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.cells.magic import CellError, CellFailed, CellMagic
from migration_cookbook.cells.options import dialect_named
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.display.parts import Lines, Note, Part, ResultLine
from migration_cookbook.sandbox.command import split
from migration_cookbook.sandbox.commandline import tidy
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook.cells.notebook import Notebook

_USAGE = "Write %%fails, %%fails sqlite or %%fails postgres<18 above the cell."


@dataclass(frozen=True)
class Announcement:
    """Which databases are meant to refuse; with a version, only those before it."""

    dialect: Dialect
    before: str | None


def fails(notebook: Notebook, line: str, cell: str) -> None:
    """Run the cell, and compare what it did with the announcement."""
    announced = [_announcement(word) for word in split(line)]
    if not cell.strip():
        raise CookbookError("%%fails needs a cell below it: the lines that are meant to fail.")
    notebook.left_out.clear()
    try:
        _run(notebook, cell)
    except CellFailed as failure:
        _check_failure(notebook, announced, failure)
    except CellError as error:
        if not error.mistake:
            raise
        notebook.publish(
            [Lines((str(error),)), ResultLine("As announced:", "a mistake in the command, and nothing ran.")]
        )
    except Exception as error:
        _show_exception(notebook, announced, error)
    else:
        _check_success(notebook, announced)


def _announcement(word: str) -> Announcement:
    match = re.fullmatch(r"([A-Za-z0-9]+)(?:<(\d+(?:\.\d+)*))?,?", word)
    if match is None:
        raise CookbookError(f"%%fails does not understand `{word}`. {_USAGE}")
    return Announcement(dialect_named(match[1]), match[2])


def _run(notebook: Notebook, cell: str) -> None:
    """Run the lines as the notebook would, but let exceptions through."""
    shell = notebook.shell
    tree = ast.parse(shell.transform_cell(cell), "<cell>")
    for position, node in enumerate(tree.body):
        module: ast.Module | ast.Interactive
        if position == len(tree.body) - 1 and isinstance(node, ast.Expr):
            module, mode = ast.Interactive([node]), "single"
        else:
            module, mode = ast.Module([node], []), "exec"
        exec(compile(module, "<cell>", mode), shell.user_global_ns, shell.user_ns)


def _check_failure(notebook: Notebook, announced: list[Announcement], failure: CellFailed) -> None:
    ran = {*failure.failed, *failure.worked}
    meant = {each.dialect for each in announced} or ran
    versions = _other_versions(notebook, announced)
    unexpected = [dialect for dialect in BOTH if dialect in failure.failed and dialect not in meant]
    missing = [
        dialect
        for dialect in BOTH
        if dialect in failure.worked and dialect in meant and dialect not in versions
    ]
    if unexpected or missing:
        problems = [f"on {dialect.title} it failed, and should have worked" for dialect in unexpected]
        problems += [f"on {dialect.title} it worked, and should have failed" for dialect in missing]
        raise CellError(f"Not as announced: {'; '.join(problems)}.")
    shown: list[Part] = [ResultLine("As announced:", _sentence(failure))]
    if unlike := [versions[dialect] for dialect in BOTH if dialect in failure.worked and dialect in versions]:
        shown = [Note(line) for line in unlike]
    notebook.publish(shown)


def _sentence(failure: CellFailed) -> str:
    sentence = f"`{failure.what}` failed"
    if failure.failed:
        sentence += f" on {' and '.join(dialect.title for dialect in failure.failed)}"
    if failure.worked:
        sentence += f"; on {' and '.join(dialect.title for dialect in failure.worked)} it worked"
    return f"{sentence}."


def _check_success(notebook: Notebook, announced: list[Announcement]) -> None:
    """Accept a cell that didn't fail only if this version isn't one of those announced."""
    versions = _other_versions(notebook, announced)
    absent = [each.dialect for each in announced if notebook.version(each.dialect) is None]
    excuses = {dialect: f"{dialect.title} is not to be had here, so it could not fail." for dialect in absent}
    excuses |= {
        dialect: f"It wasn't run on {dialect.title}, so it couldn't fail." for dialect in notebook.left_out
    }
    excuses |= versions
    meant = {each.dialect for each in announced} or notebook.left_out
    if meant and meant <= excuses.keys():
        lines = [excuses[dialect] for dialect in BOTH if dialect in meant]
        notebook.publish([Note(line) for line in lines])
        return
    named = " and ".join(dialect.title for dialect in BOTH if dialect in {each.dialect for each in announced})
    where = f" on {named}" if named else ""
    raise CellError(f"Not as announced: this cell was meant to fail{where}, and it worked.")


def _other_versions(notebook: Notebook, announced: list[Announcement]) -> dict[Dialect, str]:
    """Return one line for each database whose version isn't one of those announced."""
    lines = {}
    for each in announced:
        version = notebook.version(each.dialect)
        if each.before is None or version is None:
            continue
        if _numbers(version) >= _numbers(each.before):
            lines[each.dialect] = (
                f"{each.dialect.title} {version} does this. The text is about versions before {each.before}, which refuse."
            )
    return lines


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _show_exception(notebook: Notebook, announced: list[Announcement], error: Exception) -> None:
    if announced:
        raise CookbookError(
            "This is plain Python, which fails on no particular database. Write %%fails alone above it."
        ) from None
    message = str(error).strip().splitlines() or [""]
    folder = notebook.sandbox.folder if notebook.has_sandbox else notebook.workspace.root
    line = tidy(f"{type(error).__name__}: {message[0]}", folder)
    notebook.publish([Lines((line,)), ResultLine("As announced:", f"`{type(error).__name__}`.")])


MAGICS = (CellMagic("fails", fails),)
