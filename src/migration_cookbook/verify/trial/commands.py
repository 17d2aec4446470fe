"""Run `alembic …` lines for real, in an ordinary project that has revisions.

The project has the revision ids that the lines and their shown answers speak of. What a
page shows as an answer must be among the lines that were printed.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from typing import TYPE_CHECKING

from migration_cookbook.sandbox import alembic_private
from migration_cookbook.sandbox.command import Command, parse
from migration_cookbook.verify.trial.project import IDS, Project, project, write_revisions
from migration_cookbook.verify.values.outcome import Refusal, Trial
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.sandbox.commandline import Failure

_SYMBOLIC = re.compile(r"head|heads|base|current|[+-]\d+|")
_STEP = re.compile(r"(?P<id>\w{3,})(?:[+-]\d+)?")
_ANSWERED_ID = re.compile(
    r"(?:Running (?:upgrade|downgrade) |Rev: |Revision ID: |<base> -> )([0-9a-z]{4,32})\b|^([0-9a-f]{6,32}) \("
)
#: The order in which a page shows revisions says which comes first.
_ARROW = re.compile(r"\b([0-9a-z]{4,32}) -> ([0-9a-z]{4,32})\b")
#: What is of that moment, or of that project.
_VARIES = re.compile(r"^(INFO|Generating|Creating|Please edit|Path:|Create Date|\s*$|done|\.\.\.)|^\$")


def trial(
    lines: str, answers: Sequence[str], dialect: Dialect, url: sa.URL | None, *, keep: bool = False
) -> Trial:
    """Run the lines one after the other; the first that fails ends it."""
    texts = [line for line in lines.splitlines() if line.strip()]
    try:
        commands = [_without_shell(line) for line in texts]
        parsed = [parse(line) for line in commands]
    except CookbookError as error:
        return Trial("up", Refusal("", _usage(texts) or str(error)), ran=1)
    with project(dialect, url, keep=keep) as made:
        assumed = _prepare(made, parsed, answers)
        return _run(made, commands, answers, assumed)


def _usage(lines: Sequence[str]) -> str | None:
    """What Alembic's own command line says of the first line that it does not understand."""
    for line in lines:
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.suppress(SystemExit, ValueError):
            alembic_private.parser().parse_args(shlex.split(_without_shell(line))[1:])
        if said.getvalue():
            return re.sub(r" \(choose from.*", "", said.getvalue().strip().splitlines()[-1])
    return None


def _without_shell(line: str) -> str:
    """Without redirection and pipes, which are the shell's."""
    words = shlex.split(line, comments=True)
    for position, word in enumerate(words):
        if re.match(r"\d?>|<|\|", word):
            return shlex.join(words[:position])
    return shlex.join(words)


def _prepare(made: Project, commands: Sequence[Command], answers: Sequence[str]) -> tuple[str, ...]:
    """Bring the project to where the first line makes sense; what was done."""
    first = commands[0] if commands else None
    if first is None or first.name in ("init", "list_templates", "help"):
        if first is not None and first.name == "init":
            _empty(made)
            return ("an empty folder",)
        return ("a project without revisions",)
    fork = any(
        command.name in ("merge", "branches") or "heads" in _revision_arguments(command)
        for command in commands
    )
    label = _label(commands)
    ids = write_revisions(made, _ids(commands, answers), fork=fork, label=label)
    for command in commands:
        _configuration_of(made, command)
    start = _start(first, ids, fork=fork)
    if start:
        made.alembic(f"upgrade {start}")
    return (f"a project with the revisions {', '.join(ids)}", f"a database at {start or 'base'}")


def _empty(made: Project) -> None:
    import shutil

    shutil.rmtree(made.folder / "migrations")
    made.ini.unlink(missing_ok=True)


def _start(first: Command, ids: Sequence[str], *, fork: bool) -> str | None:
    if first.name == "upgrade":
        target = str(getattr(first.options, "revision", ""))
        return None if any(id_ in target for id_ in ids[:2]) or ":" in target else ids[0]
    if first.name == "stamp" and "purge" not in first.text:
        return None
    return "heads" if fork else "head"


def _ids(commands: Sequence[Command], answers: Sequence[str]) -> list[str]:
    """Ids that the lines speak of, the older first where a page shows which that is."""
    order: list[str] = []
    heads: list[str] = []
    for answer in answers:
        for line in reversed(answer.splitlines()):
            for older, newer in _ARROW.findall(line):
                order += [one for one in (older, newer) if one not in order]
            for groups in _ANSWERED_ID.findall(line):
                found = [one for one in groups if one and one not in order]
                (heads if "(head)" in line else order).extend(found)
    named: list[str] = []
    for command in commands:
        for text in _revision_arguments(command):
            for part in re.split(r":|@", text):
                step = _STEP.fullmatch(part)
                if step and not _SYMBOLIC.fullmatch(part) and not _is_label(text, part):
                    named.append(step["id"])
    if all(any(id_.startswith(one) for id_ in IDS) for one in (*order, *heads, *named)):
        return []
    known = [one for one in named if not any(other.startswith(one) for other in (*order, *heads))]
    between = [one for one in (*order, *known) if one not in heads]
    # What is said to be the head comes last, behind as many as a project has.
    filling = [one for one in IDS if one not in between][: max(0, 4 - len(between) - 1)] if heads else []
    return [
        one
        for one in dict.fromkeys([*between, *filling, *heads])
        if one not in ("base", "head", "heads", "current")
    ]


def _is_label(text: str, part: str) -> bool:
    return "@" in text and text.split("@")[0] == part


def _label(commands: Sequence[Command]) -> str | None:
    for command in commands:
        for text in _revision_arguments(command):
            if "@" in text and text.split("@")[0].isidentifier():
                return text.split("@")[0]
    return None


def _revision_arguments(command: Command) -> list[str]:
    options = command.options
    found: list[str] = []
    for name in ("revision", "revisions", "rev", "rev_range", "head", "depends_on"):
        value = getattr(options, name, None)
        if command.name == "revision" and name == "revision":
            continue
        found += (
            [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)] if value else []
        )
    return found


def _configuration_of(made: Project, command: Command) -> None:
    """Another ini file or another section that the line names."""
    name = getattr(command.options, "name", None)
    text = made.ini.read_text(encoding="utf-8")
    if name and name != "alembic":
        text = text.replace(
            "[post_write_hooks]",
            f"[{name}]\nscript_location = %(here)s/migrations\nprepend_sys_path = .\n\n[post_write_hooks]",
            1,
        )
        made.ini.write_text(text, encoding="utf-8")
    for other in alembic_private.named_files(command.options):
        path = (made.folder / other).resolve()
        if path.is_relative_to(made.folder) and path.suffix != ".toml" and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                text.replace("%(here)s/migrations", str(made.folder / "migrations")), encoding="utf-8"
            )


def _run(made: Project, commands: Sequence[str], answers: Sequence[str], assumed: tuple[str, ...]) -> Trial:
    sent: list[str] = []
    shown: list[str] = []
    for number, line in enumerate(commands):
        printed = made.alembic(line)
        sent += printed.sent
        shown += [f"$ {line}", *printed.lines]
        if printed.failure is not None:
            return Trial(
                "up",
                _refusal(printed.failure),
                tuple(sent),
                assumed=assumed,
                printed=tuple(shown),
                ran=number + 1,
            )
        missing = _not_printed(answers[number] if number < len(answers) else "", printed.lines)
        if missing is not None:
            words = f"`{line}` does not print {missing!r}"
            return Trial("up", Refusal("", words), tuple(sent), assumed=assumed, ran=number + 1)
    return Trial("done", None, tuple(sent), assumed=assumed, printed=tuple(shown), ran=len(commands))


def _refusal(failure: Failure) -> Refusal:
    return Refusal(failure.kind, " ".join(failure.message) or "failed", None, failure.sql)


def _not_printed(answer: str, lines: Sequence[str]) -> str | None:
    """The first line of the page that was not printed, but for what differs from project to project."""
    printed = {_tidy(line) for line in lines}
    for line in answer.splitlines():
        if not _VARIES.search(line) and not any(_tidy(line) in one for one in printed):
            return line.strip()
    return None


def _tidy(line: str) -> str:
    """Without the message, which is the project's own."""
    return re.sub(r"\s+", " ", re.sub(r"(\)|[0-9a-z]{4,}), .*$", r"\1", line)).strip()
