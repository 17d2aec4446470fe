"""Alembic's command line in this process, against one database.

The same command as a subprocess takes half a second; in process it takes milliseconds.
What the command would leave behind in the process is put back afterwards.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import re
import sys
import traceback
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from migration_cookbook.databases import guard
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.python_private import no_running_loop
from migration_cookbook.sandbox import alembic_private, boundary, files
from migration_cookbook.sandbox.interrupts import interruptible, was_interrupted
from migration_cookbook.sandbox.recorder import recording
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from migration_cookbook.databases.database import Database
    from migration_cookbook.sandbox.command import Command

#: What env.py of the sandbox project reads, and what a project of the learner's own may read.
URL_VARIABLES = ("BOOKSHOP_DATABASE_URL", "DATABASE_URL")

#: Differs between databases or says nothing: it would split every output. `-v` shows it.
_NOISE = re.compile(
    r"\[alembic\.runtime\.migration\] (Context impl|Will assume)"
    r"|\[alembic\.runtime\.plugins|\[alembic\.ddl\.postgresql\] Detected sequence"
    r"|^ERROR +\[alembic\.util\.messaging\]"
)
_INTERRUPTED = "KeyboardInterrupt"
#: With --sql, the SQL goes to standard output and the log elsewhere.
_OFFLINE_NOISE = re.compile(r"^(INFO|ERROR) +\[alembic\.")


@dataclass(frozen=True)
class Failure:
    """Why a command failed, in the words of whoever refused."""

    #: The class of the database's or Python's exception; empty where Alembic itself refused.
    kind: str
    message: tuple[str, ...]
    #: The statement the database refused, if it was one.
    sql: str | None = None
    #: File and line of the project, as `migrations/env.py, line 7`.
    where: str | None = None

    def headline(self) -> tuple[str, ...]:
        """Who refused and why, as the first lines to show."""
        first, *more = self.message or ("",)
        title = f"FAILED  {self.kind}: {first}" if self.kind else f"FAILED: {first}"
        return (title, *(f"  {line.strip()}" for line in more))

    @property
    def interrupted(self) -> bool:
        return self.kind == _INTERRUPTED

    @property
    def waited_for_a_lock(self) -> bool:
        return self.kind == "LockNotAvailable" or any("database is locked" in line for line in self.message)


@dataclass(frozen=True)
class Printed:
    """What one run of a command printed, sent and came to."""

    lines: tuple[str, ...]
    sent: tuple[str, ...]
    failure: Failure | None


@dataclass(frozen=True)
class Run:
    """Where and for whom a command runs."""

    folder: Path
    #: The databases it may touch; the first is the one that env.py is told.
    databases: Sequence[Database]
    new_id: Callable[[], str]
    now: Callable[[], datetime]
    #: Show the lines that usually are noise.
    verbose: bool = False
    #: Makes psycopg's cursors, where something holds back what's sent.
    cursor_factory: Any = None


class _Output(io.StringIO):
    """What a command prints. To a stream without an encoding Alembic writes `?` for each letter beyond ASCII."""

    encoding = "utf-8"


def execute(command: Command, run: Run) -> Printed:
    """Run a command and tell what came of it. Never raises for a failure of the command."""
    if command.name == "help":
        return Printed(tuple(command.options.answer.splitlines()), (), None)
    out = _Output()
    failure = None
    with _surroundings(run, out), interruptible(), recording() as recorder:
        try:
            with guard.only(run.databases, run.cursor_factory), _no_half_files(run.folder):
                _call(command.options, out, run.folder)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            failure = describe(error, run.folder, run.databases)
    noise = _OFFLINE_NOISE if getattr(command.options, "sql", False) else _NOISE
    lines = tuple(
        tidy(line, run.folder, run.databases)
        for line in out.getvalue().splitlines()
        if run.verbose or not noise.search(line)
    )
    return Printed(lines, recorder.sent, failure)


def _call(options: Namespace, out: io.StringIO, folder: Path) -> None:
    function, positional, keywords = options.cmd
    config = alembic_private.configuration(options, out)
    boundary.require_own_configuration(config, folder)
    boundary.require_own_target(options, folder)
    with alembic_private.asking_about_files(
        lambda directory: boundary.require_own_scripts(directory, folder),
        lambda path: boundary.require_own_file(path, folder),
    ):
        function(
            config,
            *[getattr(options, name, None) for name in positional],
            **{name: getattr(options, name, None) for name in keywords},
        )


@contextlib.contextmanager
def _no_half_files(folder: Path) -> Iterator[None]:
    """Remove what a full disk left half written: a torn revision file breaks every later command."""
    before = set(files.project_files(folder))
    try:
        yield
    except OSError:
        for path in set(files.project_files(folder)) - before:
            path.unlink()
        raise


@contextlib.contextmanager
def _surroundings(run: Run, out: io.StringIO) -> Iterator[None]:
    """The process as a command expects it, and as it was before when done."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(run.folder))
        stack.enter_context(_variables(run.databases))
        stack.enter_context(_fresh_modules(run.folder))
        _forget_the_kernels_own_folder(run.folder)
        stack.enter_context(fresh_logging())
        stack.enter_context(no_running_loop())
        stack.enter_context(alembic_private.deterministic(run.new_id, run.now))
        stack.enter_context(alembic_private.hooks_printing_into(out))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(out))
        stack.enter_context(_warnings_into(out))
        yield


@contextlib.contextmanager
def _variables(databases: Sequence[Database]) -> Iterator[None]:
    names: dict[str, str] = {}
    for position, database in enumerate(databases):
        suffix = f"_{position + 1}" if position else ""
        url = database.url.render_as_string(hide_password=False)
        names |= {variable + suffix: url for variable in URL_VARIABLES}
    # Help texts must not depend on the width of somebody's terminal.
    names["COLUMNS"] = "100"
    saved = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _fresh_modules(folder: Path) -> Iterator[None]:
    """The project's modules are read anew, as a new process would read them."""
    forget_modules(folder)
    known = frozenset(sys.modules)
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    # A file rewritten within one second would be served from its old .pyc.
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:] = path
        sys.dont_write_bytecode = bytecode
        _forget(folder, sys.modules.keys() - known)


def _forget_the_kernels_own_folder(folder: Path) -> None:
    """A kernel imports from the folder it is in; the command `alembic` does only where it is told to."""
    sys.path[:] = [each for each in sys.path if each not in ("", os.curdir, str(folder))]


@contextlib.contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Imports find the modules of this project first."""
    with _fresh_modules(folder):
        sys.path.insert(0, str(folder))
        yield


def forget_modules(folder: Path) -> None:
    """Drop the project's modules, so that the next import reads them again.

    Those of the same name from another sandbox go too: they would stand in for this project's.
    """
    _forget(folder, list(sys.modules))


def _forget(folder: Path, names: Iterable[str]) -> None:
    prefix = f"{folder}{os.sep}"
    installed = (f"{sys.prefix}{os.sep}", f"{sys.base_prefix}{os.sep}")
    own = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None) or ""
        namesake = name.partition(".")[0] in own and file and name != "__main__"
        if file.startswith(prefix) or (namesake and not file.startswith(installed)):
            sys.modules.pop(name, None)
    importlib.invalidate_caches()


@contextlib.contextmanager
def fresh_logging() -> Iterator[None]:
    """Logging as in a new process; what the caller had set up is back afterwards.

    Without this, a handler of the notebook's would print Alembic's lines a second
    time, and `fileConfig` in an env.py would silence the notebook's own loggers.
    """
    loggers = [logging.getLogger(), *_named_loggers()]
    saved = [(each, list(each.handlers), each.level, each.disabled, each.propagate) for each in loggers]
    known = {each.name for each in loggers}
    for each in loggers:
        each.handlers[:] = [one for one in each.handlers if isinstance(one, logging.NullHandler)]
        _set_level(each, logging.WARNING if each is logging.root else logging.NOTSET)
    try:
        yield
    finally:
        for each, handlers, level, disabled, propagate in saved:
            each.handlers[:] = handlers
            _set_level(each, level)
            each.disabled, each.propagate = disabled, propagate
        for each in _named_loggers():
            if each.name not in known:
                each.handlers.clear()
                _set_level(each, logging.NOTSET)
                each.disabled, each.propagate = False, True


def _set_level(logger: logging.Logger, level: int) -> None:
    """Only where it is another: each setting looks through all loggers of the process."""
    if logger.level != level:
        logger.setLevel(level)


def _named_loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [each for each in known if isinstance(each, logging.Logger)]


@contextlib.contextmanager
def _warnings_into(out: io.StringIO) -> Iterator[None]:
    """Warnings as one line, each time, without the path of some installed file."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        out.write(f"{category.__name__}: {message}\n")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for silent in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", silent)
        warnings.showwarning = show
        yield


def describe(error: BaseException, folder: Path, databases: Sequence[Database] = ()) -> Failure:
    """An exception as the reader needs it: the words, the SQL, the line of the project."""
    where = _where(error, folder)

    def words(message: str) -> tuple[str, ...]:
        lines = message.strip().splitlines()
        return tuple(tidy(line, folder, databases) for line in lines if line.strip())

    if isinstance(error, CommandError):
        return Failure("", words(str(error)))
    if was_interrupted(error):
        return Failure(_INTERRUPTED, ("interrupted",), getattr(error, "statement", None), where)
    if isinstance(error, SystemExit):
        return Failure(
            "SystemExit", (f"the project ended the command with status {error.code}",), where=where
        )
    if isinstance(error, CookbookError):
        return Failure("", words(str(error)))
    if isinstance(error, DBAPIError) and error.orig is not None:
        return Failure(
            type(error.orig).__name__,
            words(_as_each_time(str(error.orig))),
            error.statement,
            where,
        )
    if isinstance(error, SyntaxError):
        name = tidy(error.filename or "?", folder)
        return Failure("SyntaxError", (error.msg,), where=f"{name}, line {error.lineno}")
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    message = repr(message) if isinstance(error, KeyError) else message
    # SQLAlchemy appends a line with the address of its page on the error.
    message = re.sub(r"\n?\(Background on this error at: .*\)", "", message)
    return Failure(type(error).__name__, words(message), where=where)


def _as_each_time(message: str) -> str:
    """What PostgreSQL says, without what is another each time or shown beside it.

    That is `LINE 1: …` and its caret, the numbers of processes, and where a row is stored.
    """
    message = re.sub(r"\nLINE \d+:.*\n *\^", "", message)
    message = re.sub(r"\n(DETAIL:  )?Process \d+ waits for .*|\nHINT:  See server log.*", "", message)
    return re.sub(r"\nCONTEXT:  while \w+ tuple .*", "", message)


def _where(error: BaseException, folder: Path) -> str | None:
    """The deepest line of the project itself; of a revision file rather than of env.py."""
    prefix = f"{folder}{os.sep}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(prefix)
    ]
    if not frames:
        return None
    return f"{frames[-1].filename.removeprefix(prefix)}, line {frames[-1].lineno}"


def tidy(text: str, folder: Path, databases: Sequence[Database] = ()) -> str:
    """Text without what differs between two computers: folders, addresses, names of databases."""
    for database in databases:
        if database.dialect is Dialect.SQLITE:
            # A URL spells some characters of a path in its own way.
            text = text.replace(database.url.render_as_string(), f"sqlite:///{database.name}")
    text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), ".")
    text = text.replace(sys.prefix, "…")
    served = [database for database in databases if database.dialect is Dialect.POSTGRES]
    for position, database in enumerate(served):
        text = text.replace(f"?{database.url.render_as_string().partition('?')[2]}", "")
        text = text.replace(database.name, f"bookshop_{position + 1}" if position else "bookshop")
    return without_addresses(text).rstrip()


def without_addresses(text: str) -> str:
    """Without the memory addresses by which Python tells its objects apart."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)
