"""An Alembic command line as a value, parsed before anything runs."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import re
import shlex
from dataclasses import dataclass
from functools import cache

from migration_cookbook.python_private import subcommands
from migration_cookbook.sandbox import alembic_private
from migration_cookbook.workspace import CookbookError

#: These read and write files only; `revision` and `merge` too, unless env.py takes part.
_FILES_ONLY = {"init", "list_templates", "heads", "branches", "merge", "show", "history", "revision"}
_MOVES = {"upgrade", "downgrade", "stamp"}


class Mistake(CookbookError):
    """A command that Alembic would not understand."""


@dataclass(frozen=True)
class Command:
    """One parsed Alembic command line."""

    name: str
    arguments: tuple[str, ...]
    options: argparse.Namespace

    @property
    def text(self) -> str:
        return shlex.join(("alembic", *self.arguments))

    @property
    def needs_database(self) -> bool:
        if self.name == "revision":
            return bool(self.options.autogenerate)
        if self.name == "history":
            return bool(self.options.indicate_current) or "current" in (self.options.rev_range or "")
        if self.name == "show":
            return "current" in self.options.rev
        return self.name not in _FILES_ONLY

    @property
    def moves(self) -> bool:
        """Whether the database may stand at another revision afterwards."""
        return self.name in _MOVES and not getattr(self.options, "sql", False)

    @property
    def relative(self) -> bool:
        """Whether where it leads depends on where the database stands."""
        return self.moves and bool(re.search(r"[+-]\d+$", str(getattr(self.options, "revision", ""))))

    @property
    def autogenerates(self) -> bool:
        return self.name == "revision" and bool(self.options.autogenerate)


def parse(line: str | list[str]) -> Command:
    """The command of one line; a mistake in it is one clear line."""
    arguments = split(line) if isinstance(line, str) else line
    if arguments[:1] == ["alembic"]:
        arguments = arguments[1:]
    errors, answers = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(answers):
            options = _parser().parse_args(arguments)
    except SystemExit as end:
        if end.code in (0, None):
            return Command("help", tuple(arguments), argparse.Namespace(answer=answers.getvalue()))
        raise Mistake(_explain(errors.getvalue(), arguments)) from None
    name = alembic_private.command_name(options)
    if name is None:
        raise CookbookError(f"%alembic needs a command, for example: %alembic upgrade head. {_known()}")
    if name == "edit":
        raise CookbookError(
            "`alembic edit` opens an editor. Here, open the file in JupyterLab, or use %%revision."
        )
    return Command(name, tuple(arguments), options)


def split(line: str) -> list[str]:
    """Words as a shell would see them; a comment after # is left out."""
    try:
        # A semicolon at the end is a habit from SQL.
        return shlex.split(line.rstrip().rstrip(";"), comments=True)
    except ValueError as error:
        raise CookbookError(f"A quotation mark is missing in: {line.strip()} ({error}).") from None


@cache
def _parser() -> argparse.ArgumentParser:
    return alembic_private.parser()


@cache
def _commands() -> tuple[str, ...]:
    return tuple(sorted(subcommands(_parser())))


def _known() -> str:
    return f"Alembic's commands: {', '.join(_commands())}."


def _explain(message: str, arguments: list[str]) -> str:
    last = message.strip().splitlines()[-1] if message.strip() else "not understood"
    last = re.sub(r"^alembic( \w+)?: error: ", "", last)
    if wrong := re.search(r"invalid choice: '([^']*)'", last):
        near = difflib.get_close_matches(wrong[1], _commands(), n=1, cutoff=0.5)
        return f"Alembic has no command `{wrong[1]}`. " + (f"Did you mean `{near[0]}`?" if near else _known())
    return f"alembic {' '.join(arguments)}: {last}. `%alembic {next(iter(arguments), '')} --help` lists what it takes."
