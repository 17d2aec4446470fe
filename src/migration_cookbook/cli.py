"""The command line of `cookbook`: one function a command, which leaves the work to the packages."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from migration_cookbook import __version__
from migration_cookbook.bench.registry import BENCHMARKS, DEFAULT
from migration_cookbook.databases.environment import clean_environment
from migration_cookbook.printable import escape_unencodable, one_line, truncate
from migration_cookbook.workspace import CookbookError, explained, open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a shell says of a program that an interrupt, or a closed pipe, ended.
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake is one line and status 2, what nobody expected one line and status 1."""
    for stream in (sys.stdout, sys.stderr):
        escape_unencodable(stream)
    clean_environment()
    try:
        options = _parser().parse_args(arguments)
        status = int(options.run(options))
        # What can't be written fails here, where it can be said, and not at the exit.
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read it has seen enough. Python writes once more at the exit: nowhere.
        _write_nowhere(sys.stdout)
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        _complain("stopped by Ctrl-C.")
        return _INTERRUPTED
    except Exception as error:
        if (line := _explained(error)) is not None:
            _complain(line)
            return 2
        _complain(_unexpected(error))
        return 1


def _explained(error: Exception) -> str | None:
    """Return what the user can do about an error; None if it wasn't expected."""
    if isinstance(error, CookbookError):
        return str(error)
    if isinstance(error, OSError):
        return explained(error)
    return None


def _unexpected(error: Exception) -> str:
    """Return one line about an error that wasn't expected; its traceback goes to the log."""
    message = truncate(" ".join(str(error).split()), 300)
    said = f"an error that the kit didn't expect: {type(error).__name__}: {message}".rstrip(": ")
    end = "" if said.endswith(".") else "."
    return f"{said}{end} Details are in {_log(error)}; please report them."


def _log(error: Exception) -> Path:
    """Write the traceback to the workspace's log, or where there's no workspace, to a file for itself."""
    try:
        path = open_workspace().log
        handler: logging.Handler = RotatingFileHandler(
            path, maxBytes=1_000_000, backupCount=1, encoding="utf-8", errors="backslashreplace"
        )
    except (CookbookError, OSError, RuntimeError):
        descriptor, name = tempfile.mkstemp(prefix="cookbook-", suffix=".log")
        os.close(descriptor)
        path = Path(name)
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    record = logging.LogRecord(
        "migration_cookbook",
        logging.ERROR,
        __file__,
        0,
        "cookbook failed",
        None,
        (type(error), error, error.__traceback__),
    )
    with contextlib.closing(handler):
        handler.handle(record)
    return path


def _complain(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(f"cookbook: {one_line(line)}", file=sys.stderr, flush=True)


def _write_nowhere(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Parser(argparse.ArgumentParser):
    """Names what is wrong with a command line, whatever characters are in it."""

    def error(self, message: str) -> NoReturn:
        super().error(one_line(message))


def lab(options: argparse.Namespace) -> int:
    """Open JupyterLab on the learner's notebooks, with both databases up."""
    from migration_cookbook.databases import server
    from migration_cookbook.editions import learners
    from migration_cookbook.editions.book import this_book
    from migration_cookbook.lab import jupyter

    workspace = open_workspace()
    jupyter.prepare(workspace)
    port = jupyter.claim_port(workspace, options.port)
    for line in learners.refresh(workspace, this_book().notebooks):
        print(line)
    try:
        running = server.attach(workspace)
        print(
            f"PostgreSQL {running.version} is up. It goes on after JupyterLab ends; `cookbook stop` stops it."
        )
        for notice in running.notices:
            print(notice)
    except CookbookError as error:
        print(f"{error} The notebooks go on with SQLite alone.")
    command = jupyter.command(workspace, port=port, browser=not options.no_browser)
    os.chdir(workspace.root)
    # The address with its token, the history and what kernels write are for nobody else's eyes.
    os.umask(0o077)
    sys.stdout.flush()
    os.execve(command[0], command, jupyter.environment(workspace))


def build(options: argparse.Namespace) -> int:
    """Execute chapters and write their notebooks."""
    from migration_cookbook.editions.book import this_book
    from migration_cookbook.editions.command import build_command, check_command

    if options.check:
        return check_command(this_book(), open_workspace(), options.names)
    return build_command(this_book(), open_workspace(), options.names, everything=options.all)


def print_sheets(options: argparse.Namespace) -> int:
    """Lay the cheatsheets out for paper, as HTML and PDF."""
    from migration_cookbook.editions.book import this_book
    from migration_cookbook.editions.command import print_command

    return print_command(this_book(), options.names)


def matrix(options: argparse.Namespace) -> int:
    """Try the cheatsheets with several versions of Alembic, SQLAlchemy and PostgreSQL."""
    from migration_cookbook.editions.book import this_book
    from migration_cookbook.lab import matrix as matrices

    return matrices.matrix(this_book(), open_workspace())


def check(options: argparse.Namespace) -> int:
    """Run all tests: the engine's, then every cell of every notebook."""
    from migration_cookbook.editions.book import this_book
    from migration_cookbook.editions.compare import check_notebooks
    from migration_cookbook.lab.memory import tmpfs_folder

    book = this_book()
    if options.notebooks:
        return check_notebooks(book, open_workspace())
    which = ["-m", "long"] if options.long else []
    with tmpfs_folder() as folder:
        tests = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", *which, *options.pytest],
            cwd=book.root,
            env=os.environ | ({"TMPDIR": str(folder)} if folder else {}),
            check=False,
        )
    if tests.returncode or options.long or options.engine:
        return tests.returncode
    return check_notebooks(book, open_workspace())


def bench(options: argparse.Namespace) -> int:
    """Measure what a learner waits for; with a flag, something else."""
    from migration_cookbook.bench import registry

    return registry.run(options.names)


def doctor(options: argparse.Namespace) -> int:
    """Say whether somebody can learn here, and what to do if not."""
    from rich.console import Console
    from rich.table import Table

    from migration_cookbook.lab import doctor as doctors

    diagnoses = list(doctors.examine())
    if options.line:
        print(doctors.line(diagnoses))
    else:
        table = Table("", "what", "seen", "what to do")
        for diagnosis in diagnoses:
            mark = "ok" if diagnosis.ok else "STOP" if diagnosis.is_fatal else "note"
            table.add_row(mark, diagnosis.name, diagnosis.detail, diagnosis.remedy)
        Console().print(table)
    return 1 if any(diagnosis.is_fatal for diagnosis in diagnoses) else 0


def stop(options: argparse.Namespace) -> int:
    """Stop this checkout's PostgreSQL."""
    from migration_cookbook.databases import server

    stopped = server.stop(open_workspace())
    print(
        "PostgreSQL is stopped. The next command starts it again."
        if stopped
        else "PostgreSQL was not running."
    )
    return 0


def reset(options: argparse.Namespace) -> int:
    """Give you one of the book's notebooks afresh; yours is kept."""
    from migration_cookbook.editions import learners
    from migration_cookbook.editions.book import this_book

    print(learners.reset(open_workspace(), this_book().notebooks, options.name))
    return 0


def practice(options: argparse.Namespace) -> int:
    """Work on an exercise in the terminal, checked as you save."""
    from migration_cookbook.lab.terminal import practice_in_terminal

    answer = " ".join(options.answer)
    return practice_in_terminal(open_workspace(), options.id, answer, fresh=options.fresh)


def verify(options: argparse.Namespace) -> int:
    """Say of each snippet of your pages whether it does what it says, on each database."""
    from migration_cookbook.databases.dialects import BOTH, Dialect
    from migration_cookbook.verify import Settings, asker_at_terminal, decide_trust, verify_pages

    dialects = (Dialect(options.on),) if options.on else BOTH
    settings = Settings(open_workspace(), dialects, locks=options.locks)
    trust = decide_trust(settings.workspace, options.paths if options.trust else (), asker_at_terminal())
    return verify_pages(options.paths, settings, options.format, trust=trust, show_sql=options.show == "sql")


def _parser() -> argparse.ArgumentParser:
    from migration_cookbook.verify import REPORT_FORMATS

    parser = _Parser(prog="cookbook", description="The Migration Cookbook.")
    parser.add_argument("--version", action="version", version=f"cookbook {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    one = commands.add_parser("lab", help=lab.__doc__)
    one.add_argument("--port", type=int, help="the port to listen on (the first free one from 8888)")
    one.add_argument(
        "--no-browser", action="store_true", help="print the address instead of opening a browser"
    )
    one.set_defaults(run=lab)

    one = commands.add_parser("build", help=build.__doc__)
    one.add_argument(
        "names", nargs="*", help="chapters, like 01-setting-up; if none is named, all that changed"
    )
    how = one.add_mutually_exclusive_group()
    how.add_argument("--all", action="store_true", help="execute the pages too on which nothing has changed")
    how.add_argument("--check", action="store_true", help="write nothing; say what a build would change")
    one.set_defaults(run=build)

    one = commands.add_parser("print", help=print_sheets.__doc__)
    one.add_argument("names", nargs="*", help="cheatsheets, like op-api; all if none is named")
    one.set_defaults(run=print_sheets)

    commands.add_parser("matrix", help=matrix.__doc__).set_defaults(run=matrix)

    one = commands.add_parser("test", help=check.__doc__)
    part = one.add_mutually_exclusive_group()
    part.add_argument(
        "--long", action="store_true", help="instead, the tests that take minutes and a browser"
    )
    part.add_argument("--engine", action="store_true", help="only the engine's tests")
    part.add_argument("--notebooks", action="store_true", help="only every cell of every notebook")
    one.add_argument("pytest", nargs="*", help="what to pass on to pytest")
    one.set_defaults(run=check)

    one = commands.add_parser("doctor", help=doctor.__doc__)
    one.add_argument("--line", action="store_true", help="say all of it in one line, to send to a teacher")
    one.set_defaults(run=doctor)

    one = commands.add_parser("bench", help=bench.__doc__)
    which = one.add_mutually_exclusive_group()
    for name, measured in BENCHMARKS.items():
        which.add_argument(f"--{name}", dest="names", action="store_const", const=[name], help=measured)
    which.add_argument(
        "--all", dest="names", action="store_const", const=list(BENCHMARKS), help="all of them"
    )
    one.set_defaults(run=bench, names=[DEFAULT])

    one = commands.add_parser("practice", help=practice.__doc__)
    one.add_argument(
        "id", nargs="?", help="the exercise, like e07-1; the first one not passed if none is named"
    )
    one.add_argument("answer", nargs="*", help="the answer of an exercise that asks you to predict")
    one.add_argument("--fresh", action="store_true", help="begin it again; files that you changed are kept")
    one.set_defaults(run=practice)

    one = commands.add_parser("verify", help=verify.__doc__)
    one.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="Markdown, notebooks, Python, SQL; or a folder"
    )
    one.add_argument("--on", choices=["sqlite", "postgres"], help="one database only; both if none is named")
    one.add_argument("--format", choices=list(REPORT_FORMATS), help="a report to keep, on stdout")
    one.add_argument(
        "--locks", action="store_true", help="watch what each snippet locks on PostgreSQL, and who must wait"
    )
    one.add_argument(
        "--trust",
        action="store_true",
        help="take the files and folders named here for your own code, which may do what you may",
    )
    one.add_argument("--show", choices=["sql"], help="the SQL of each snippet, and the world it was sent to")
    one.set_defaults(run=verify)

    commands.add_parser("stop", help=stop.__doc__).set_defaults(run=stop)

    one = commands.add_parser("reset", help=reset.__doc__)
    one.add_argument("name", help="the notebook, like 07-add-a-column")
    one.set_defaults(run=reset)
    return parser


if __name__ == "__main__":
    sys.exit(main())
