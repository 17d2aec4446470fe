"""Which private parts of Alembic do we touch? All of them are here, as read in Alembic 1.20.1.

A test fails when one of them moves.
"""

from __future__ import annotations

import contextlib
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

from alembic import util
from alembic.config import CommandLine
from alembic.script import write_hooks
from alembic.script.base import ScriptDirectory
from alembic.util import messaging

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from datetime import datetime


@cache
def _command_line() -> CommandLine:
    return CommandLine(prog="alembic")


def parser() -> argparse.ArgumentParser:
    """The argument parser of the real command line."""
    return _command_line().parser


def command_name(options: argparse.Namespace) -> str | None:
    """The command that was parsed, None for a bare `alembic`."""
    return options.cmd[0].__name__ if hasattr(options, "cmd") else None


def configuration_files(options: argparse.Namespace) -> tuple[str, str]:
    """pyproject.toml and alembic.ini as the command line would find them."""
    toml, ini = _command_line()._inis_from_config(options)
    return toml, ini


def file_name(
    directory: ScriptDirectory, folder: Path, revision_id: str, message: str, date: datetime
) -> str:
    """The name that Alembic would give a revision's file, by the project's file_template."""
    return Path(directory._rev_path(folder, revision_id, message, date)).name


@contextlib.contextmanager
def steady(new_id: Callable[[], str], now: Callable[[], datetime]) -> Iterator[None]:
    """Within: revision ids and create dates come from us, messages are not wrapped.

    The same cell must print the same thing each time it runs.
    """
    saved = (util.rev_id, ScriptDirectory._generate_create_date, messaging.TERMWIDTH)
    util.rev_id = new_id
    ScriptDirectory._generate_create_date = lambda self: now()  # type: ignore[method-assign]
    messaging.TERMWIDTH = None
    try:
        yield
    finally:
        util.rev_id, ScriptDirectory._generate_create_date, messaging.TERMWIDTH = saved  # type: ignore[method-assign]


@contextlib.contextmanager
def hooks_printing_into(out: TextIO) -> Iterator[None]:
    """Within: what a post-write hook prints stands among Alembic's lines.

    A hook is a process of its own, which would print past everything into the kernel's terminal.
    """

    def run(command: list[str], **given: Any) -> None:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | given
        ended = subprocess.run(command, text=True, **streams)
        out.write(ended.stdout or "")

    saved = vars(write_hooks)["subprocess"]
    vars(write_hooks)["subprocess"] = SimpleNamespace(run=run, DEVNULL=subprocess.DEVNULL)
    try:
        yield
    finally:
        vars(write_hooks)["subprocess"] = saved
