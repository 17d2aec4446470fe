"""Magics, and the one-line errors with which they fail.

Each magic is a function of the notebook and the text of its line or cell. A
mistake ends in one line that says what to do, never in a traceback.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

import psycopg

from migration_cookbook.sandbox.command import Mistake
from migration_cookbook.workspace import CookbookError, explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class LineMagic:
    """`%name line`."""

    name: str
    function: Callable[[Notebook, str], None]


@dataclass(frozen=True)
class CellMagic:
    """`%%name line` above the text of a cell."""

    name: str
    function: Callable[[Notebook, str, str], None]


class CellError(Exception):
    """Ends a cell with one line instead of a traceback."""

    #: The command itself was mistyped; a cell may announce that too.
    mistake = False

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class CellFailed(CellError):
    """Ends a cell whose request these databases refused; the output above says why."""

    def __init__(self, what: str, failed: tuple[Dialect, ...], worked: tuple[Dialect, ...]) -> None:
        self.what, self.failed, self.worked = what, failed, worked
        where = f" on {' and '.join(dialect.title for dialect in failed)}" if failed else ""
        super().__init__(f"{what} failed{where}, see above.")


def register(notebook: Notebook, magic: LineMagic | CellMagic) -> None:
    """Register a magic under its name, with one-line errors."""
    if isinstance(magic, LineMagic):
        run = magic.function

        def line_magic(line: str) -> None:
            _run_guarded(notebook, f"%{magic.name}", lambda: run(notebook, line))

        notebook.shell.register_magic_function(line_magic, "line", magic.name)
    else:
        run_cell = magic.function

        def cell_magic(line: str, text: str) -> None:
            _run_guarded(notebook, f"%%{magic.name}", lambda: run_cell(notebook, line, text))

        notebook.shell.register_magic_function(cell_magic, "cell", magic.name)


def _run_guarded(notebook: Notebook, name: str, run: Callable[[], None]) -> None:
    try:
        run()
    except CellError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        raise in_one_line(notebook, name, error) from None


def in_one_line(notebook: Notebook, name: str, error: BaseException) -> CellError:
    """Return an error of a magic as one line; an unexpected one is logged, too."""
    if isinstance(error, CookbookError):
        cell_error = CellError(str(error))
        cell_error.mistake = isinstance(error, Mistake)
        return cell_error
    if isinstance(error, KeyboardInterrupt):
        return CellError(f"{name}: interrupted.")
    if isinstance(error, OSError) and (line := explained(error)):
        return CellError(line)
    if isinstance(error, Exception) and (lost := _lost_server(error)):
        return CellError(
            f"PostgreSQL went down while {name} ran ({lost}). Run the cell again: it starts by itself."
        )
    _log(notebook.workspace).error("%s failed", name, exc_info=error)
    message = str(error).strip().splitlines() or [""]
    return CellError(
        f"{name} met an error that the kit did not expect: {type(error).__name__}: {message[0]}. "
        f"Details are in {notebook.workspace.log}."
    )


def _lost_server(error: Exception) -> str | None:
    """Return the last message of a server that ended, or None if the error is about something else."""
    cause = getattr(error, "orig", error)
    if not isinstance(cause, psycopg.OperationalError) or not (cause.sqlstate or "57P").startswith("57P"):
        return None
    return str(cause).strip().splitlines()[0]


def _log(workspace: Workspace) -> logging.Logger:
    logger = logging.getLogger("migration_cookbook")
    if not logger.handlers:
        handler = RotatingFileHandler(
            workspace.log, maxBytes=1_000_000, backupCount=1, encoding="utf-8", delay=True
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    return logger
