"""What was typed into a session, and what it answered.

A terminal, a Python prompt, psql or sqlite3. Lines keep their places.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from migration_cookbook.verify.reading.page import Passage

if TYPE_CHECKING:
    from collections.abc import Iterator

_PYTHON_PROMPT = re.compile(r"(?:>>>|\.\.\.)(?: |$)")
#: `shop=# `, `shop=> `, and the `shop-# ` of a statement that goes on.
_SQL_PROMPT = re.compile(r"(?:\w+(?:=|-|\(|'|\*)[#>*]+ |sqlite> | +\.\.\.> )(?P<typed>.*)")
_FIRST_SQL_PROMPT = re.compile(r"\w+=[#>*]+ |sqlite> ")
#: `$ `, `(venv) me@host:~/shop$ `, `% `, `> `, `PS C:\shop> `, `C:\shop>`, a notebook's `!`.
_PROMPT = re.compile(
    r"(?:\([\w.-]+\)\s*)?"
    r"(?:[\w.-]+@[\w.-]\S*\s*[$%#>]|PS [^>]*>|[A-Za-z]:\\[^>]*>|[~/]\S*\s*[$%#>]|[$%>❯➜]|(?=!))"
    r"(?:\s+|(?<=>)|!)(?P<typed>\S.*)"
)
#: What may come before `alembic` and still run it.
_RUNNER = re.compile(
    r"(?:(?:\w+=\S*|env|sudo|time|uv run|uvx|poetry run|pdm run|hatch run|rye run|pipenv run|python3? -m"
    r"|docker(?:-| )compose (?:exec|run)(?: --?\S+)* \S+)\s+)*(?=alembic(?:\s|$))"
)
_SUBCOMMAND = re.compile(
    r"alembic\s+(?:-|(?:branches|check|current|downgrade|edit|ensure_version|heads|history|init|list_templates"
    r"|merge|revision|show|stamp|upgrade)\b)"
)
#: Words, quoted text, and what parts commands; last, a quotation mark that's never closed.
_SHELL = re.compile(r"""[^'"&|;]+|"[^"]*"|'[^']*'|(?P<end>&&|\|\||;)|[&|]|(?P<open>['"])""")
#: No line that people type is as long; a prompt is looked for in no longer one.
_LONGEST_LINE = 20_000


def is_python(passage: Passage) -> bool:
    """Whether it begins at a Python prompt."""
    return passage.lines[0].startswith(">>> ")


def python_lines(passage: Passage) -> Passage:
    """What was typed, with answers blanked so that every line keeps its place."""
    typed = tuple(line[4:] if _PYTHON_PROMPT.match(line) else "" for line in passage.lines)
    return replace(passage, lines=typed).trimmed()


def is_sql(passage: Passage) -> bool:
    """Whether it begins at the prompt of psql or sqlite3."""
    return _FIRST_SQL_PROMPT.match(passage.lines[0]) is not None


def statements(passage: Passage) -> tuple[Passage, tuple[str, ...]]:
    """The SQL that was typed, and what was printed after each statement."""
    lines: list[str] = []
    numbers: list[int] = []
    answers: list[list[str]] = []
    for line, number in zip(passage.lines, passage.numbers, strict=True):
        prompt = _SQL_PROMPT.match(line)
        if prompt is None:
            if answers:
                answers[-1].append(line)
        elif not prompt["typed"].startswith(("\\", ".")):
            if not lines or lines[-1].rstrip().endswith(";"):
                answers.append([])
            lines.append(prompt["typed"])
            numbers.append(number)
    return Passage(tuple(lines), tuple(numbers)), _texts(answers)


@dataclass
class _Typed:
    """A command line with what was printed after it."""

    text: str
    number: int
    answer: list[str] = field(default_factory=list)


def commands(passage: Passage, *, script: bool) -> tuple[Passage, tuple[str, ...]]:
    """The lines that run Alembic, and what was printed after each.

    In a script without prompts the other lines are commands too, in a session they are answers.
    """
    lines = list(_whole_lines(passage))
    prompts = any(_prompt(line) for line, _ in lines)
    found: list[_Typed] = []
    listening = False
    for line, number in lines:
        prompt = _prompt(line)
        typed = prompt["typed"] if prompt else None if prompts else line.strip()
        parts = list(_alembic_parts(typed)) if typed else []
        if parts:
            found += [_Typed(part, number) for part in parts]
            listening = prompts or not script
        elif prompt:
            listening = False
        elif listening:
            found[-1].answer.append(line)
    taken = Passage(tuple(each.text for each in found), tuple(each.number for each in found))
    return taken, _texts([each.answer for each in found])


def begins_with_command(passage: Passage) -> bool:
    """Whether its first line that says something runs Alembic, with a prompt or without."""
    for line, _ in _whole_lines(passage):
        if line.strip() and not line.lstrip().startswith("# "):
            if prompt := _prompt(line):
                return any(_alembic_parts(prompt["typed"]))
            return any(_SUBCOMMAND.match(part) for part in _alembic_parts(line.strip()))
    return False


def _prompt(line: str) -> re.Match[str] | None:
    return _PROMPT.match(line) if len(line) <= _LONGEST_LINE else None


def _whole_lines(passage: Passage) -> Iterator[tuple[str, int]]:
    """Lines that end in a backslash joined with the next; each with the number of its first."""
    held: list[str] = []
    start = 0
    for line, number in zip(passage.lines, passage.numbers, strict=True):
        start = number if not held else start
        if line.endswith("\\"):
            held.append((line[:-1].strip() if held else line[:-1].rstrip()) + " ")
        else:
            yield ("".join((*held, line.lstrip())) if held else line), start
            held = []
    if held:
        yield "".join(held), start


def _alembic_parts(line: str) -> Iterator[str]:
    """The commands of a line, between `&&` and `;`, that run Alembic."""
    if "alembic" not in line or len(line) > _LONGEST_LINE:
        return
    for part in _shell_commands(line):
        text = part.strip()
        if (runner := _RUNNER.match(text)) is not None:
            yield text[runner.end() :]


def _shell_commands(line: str) -> Iterator[str]:
    """The commands of a line; what comes before a quotation mark that's never closed is none."""
    start = 0
    for token in _SHELL.finditer(line):
        if token["end"]:
            yield line[start : token.start()]
        if token["end"] or token["open"]:
            start = token.end()
    yield line[start:]


def _texts(answers: list[list[str]]) -> tuple[str, ...]:
    """The answers; none where the page shows not one."""
    texts = tuple("\n".join(lines).strip("\n") for lines in answers)
    return texts if any(texts) else ()
