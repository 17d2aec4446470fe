"""The private parts of Alembic that the kit uses, as read in Alembic 1.20.1.

A test fails when one of them moves.
"""

from __future__ import annotations

import contextlib
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

import alembic.op
from alembic import util
from alembic.config import CommandLine, Config
from alembic.operations.batch import ApplyBatchImpl
from alembic.script import write_hooks
from alembic.script.base import ScriptDirectory
from alembic.util import messaging

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from alembic.operations import Operations
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext


@cache
def _command_line() -> CommandLine:
    return CommandLine(prog="alembic")


def parser() -> argparse.ArgumentParser:
    """The argument parser of the real command line."""
    return _command_line().parser


def command_name(options: argparse.Namespace) -> str | None:
    """The command that was parsed, None for a bare `alembic`."""
    return options.cmd[0].__name__ if hasattr(options, "cmd") else None


def configuration(options: argparse.Namespace, out: TextIO) -> Config:
    """What the command line would read from pyproject.toml and alembic.ini, printing into `out`."""
    given: dict[str, Any] = {
        "ini_section": options.name,
        "cmd_opts": options,
        "stdout": out,
        "output_buffer": out,
    }
    if not hasattr(CommandLine, "_inis_from_config"):
        # Before 1.16 there was one file.
        return Config(file_=options.config, **given)
    toml, ini = _command_line()._inis_from_config(options)
    return Config(file_=ini, toml_file=toml, **given)


def named_files(options: argparse.Namespace) -> tuple[str, ...]:
    """The configuration files that the line itself names."""
    named = getattr(options, "config", None) or ()
    # Before 1.16 it was one.
    return (named,) if isinstance(named, str) else tuple(named)


def configuration_files(config: Config) -> tuple[Path, ...]:
    """The files that a configuration is read from, existing or not."""
    # Before 1.16 there was one file.
    names = (config.config_file_name, getattr(config, "toml_file_name", None))
    return tuple(Path(name) for name in names if name)


def script_folders(directory: ScriptDirectory) -> tuple[Path, ...]:
    """The folders with env.py and with the revisions."""
    return (Path(directory.dir), *(Path(folder) for folder in directory._version_locations))


@contextlib.contextmanager
def asking_about_files(
    scripts: Callable[[ScriptDirectory], None], written: Callable[[Path], None]
) -> Iterator[None]:
    """Within: `scripts` is asked about each script directory that's opened, `written` about each file before it's written."""
    saved = {name: vars(ScriptDirectory)[name] for name in _WRITERS if name in vars(ScriptDirectory)}
    opening = vars(ScriptDirectory)["from_config"]

    def from_config(cls: type[ScriptDirectory], config: Config) -> ScriptDirectory:
        directory: ScriptDirectory = opening.__func__(cls, config)
        scripts(directory)
        return directory

    def asking(write: Callable[..., None]) -> Callable[..., None]:
        def writer(directory: ScriptDirectory, *paths: Any, **given: Any) -> None:
            # What is written comes last: of the templates and the copies, the first path is only read.
            written(Path(paths[-1]))
            write(directory, *paths, **given)

        return writer

    for name, write in saved.items():
        setattr(ScriptDirectory, name, asking(write))
    ScriptDirectory.from_config = classmethod(from_config)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        ScriptDirectory.from_config = opening  # type: ignore[method-assign]
        for name, write in saved.items():
            setattr(ScriptDirectory, name, write)


#: Everything by which Alembic makes files and folders, but for `init`, which makes its own folder itself.
_WRITERS = ("_generate_template", "_append_template", "_copy_file", "_ensure_directory")


def file_name(
    directory: ScriptDirectory, folder: Path, revision_id: str, message: str, date: datetime
) -> str:
    """The name that Alembic would give a revision's file, by the project's file_template."""
    return Path(directory._rev_path(folder, revision_id, message, date)).name


@contextlib.contextmanager
def deterministic(new_id: Callable[[], str], now: Callable[[], datetime]) -> Iterator[None]:
    """Within: revision ids and create dates come from us, messages are not wrapped, batches are in order.

    The same cell must print the same thing each time it runs.
    """
    saved = (util.rev_id, ScriptDirectory._generate_create_date, messaging.TERMWIDTH)
    grab = ApplyBatchImpl._grab_table_elements
    util.rev_id = new_id
    ScriptDirectory._generate_create_date = lambda self: now()  # type: ignore[method-assign]
    messaging.TERMWIDTH = None
    ApplyBatchImpl._grab_table_elements = lambda self: _grab_in_order(self, grab)  # type: ignore[method-assign]
    try:
        yield
    finally:
        util.rev_id, ScriptDirectory._generate_create_date, messaging.TERMWIDTH = saved  # type: ignore[method-assign]
        ApplyBatchImpl._grab_table_elements = grab  # type: ignore[method-assign]


@contextlib.contextmanager
def op_bound_to(operations: Operations) -> Iterator[None]:
    """Bind `from alembic import op` to these operations within. `Operations.context` knows its own class only."""
    module = vars(alembic.op)
    before = module.get("_proxy")
    module["_proxy"] = operations
    try:
        yield
    finally:
        module["_proxy"] = before


def set_context(environment: EnvironmentContext, context: MigrationContext) -> None:
    """Give an environment the context that `context.get_context()` and `is_offline_mode()` answer from."""
    environment._migration_context = context


#: The order in which SQLAlchemy reads a table's constraints.
_KINDS = ("primary_key_constraint", "foreign_key_constraint", "unique_constraint", "check_constraint")


def _grab_in_order(batch: ApplyBatchImpl, grab: Callable[[ApplyBatchImpl], None]) -> None:
    """A table's constraints and indexes are sets, so a batch would make them in another order each time."""

    def place(constraint: Any) -> tuple[int, str, str]:
        kind = constraint.__visit_name__
        rank = _KINDS.index(kind) if kind in _KINDS else len(_KINDS)
        columns = ", ".join(column.name for column in constraint.columns)
        return rank, constraint.name or "", columns or str(getattr(constraint, "sqltext", ""))

    grab(batch)
    batch.named_constraints = dict(sorted(batch.named_constraints.items(), key=lambda item: place(item[1])))
    batch.unnamed_constraints.sort(key=place)
    batch.indexes = dict(sorted(batch.indexes.items()))


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
