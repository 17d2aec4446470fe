"""Render a report as Markdown, as GitHub shows it in a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.verify.reading.forms import LANGUAGES
from migration_cookbook.verify.report.details import runs_after, sections
from migration_cookbook.verify.report.run import Mark
from migration_cookbook.verify.report.titles import title, truncate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from migration_cookbook.verify.report.run import VerificationRun
    from migration_cookbook.verify.values.checked import Checked

#: Languages in which a fence is shown as code, and as nothing else.
_SHOWN_AS_CODE = LANGUAGES | {"text", ""}
#: `code`, alone between its backticks.
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
#: Characters that mean something anywhere in a line.
_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_<>|[]#&$~!"})
#: What begins a list or a line below a heading.
_BEGINS_BLOCK = re.compile(r"^(\d*)([-+=.):])")
#: What GitHub makes a link of without being asked: addresses, mentions, numbers of issues, commits.
_LINKS_BY_ITSELF = re.compile(r"@|//|www\.|(?:mailto|xmpp):|#\d|\bGH-\d|\b[0-9a-f]{7,}\b", re.IGNORECASE)


def render(run: VerificationRun) -> str:
    """The whole run as one page."""
    return "\n".join(_lines(run)).rstrip("\n")


def _lines(run: VerificationRun) -> Iterator[str]:
    yield from ("# Snippets on " + _escaped(run.databases), "", run.count_line(), "")
    if run.mistakes:
        yield from (
            "## Pages that could not be read",
            "",
            *(f"- {_escaped(one)}" for one in run.mistakes),
            "",
        )
    if run.checked:
        yield from _table(run)
    for part in run.parts:
        yield from (f"## {part.heading}", "")
        for checked in part.checked:
            yield from _detail(run, checked, sql=part.sql)
    if run.skipped:
        yield from ("## Skipped", "", *(f"- {_escaped(line)}" for line in run.skipped), "")


def _table(run: VerificationRun) -> Iterator[str]:
    yield "| place | snippet | " + " | ".join(dialect.title for dialect in run.dialects) + " |"
    yield "|---|---|" + "---|" * len(run.dialects)
    for checked in run.checked:
        cells = [_escaped(checked.snippet.place), _code(truncate(title(checked.snippet), 60))]
        cells += [
            f"{run.mark(checked, dialect).sign} {run.word(checked, dialect)}" for dialect in run.dialects
        ]
        yield "| " + " | ".join(cells) + " |"
    yield from ("", ", ".join(f"{mark.sign} {mark.meaning}" for mark in Mark) + ".", "")


def _detail(run: VerificationRun, checked: Checked, *, sql: bool) -> Iterator[str]:
    snippet = checked.snippet
    yield from (f"### {_escaped(snippet.place)}", "")
    yield from (
        *_fence(snippet.text, "python" if snippet.language.startswith("py") else snippet.language),
        "",
    )
    if after := runs_after(snippet):
        yield from (f"It {_escaped(after)}.", "")
    found = sections(run, checked, sql=sql)
    for section in found:
        yield f"**{section.databases}:** {_escaped(section.sentence)}"
        yield ""
        notes = (
            *(f"warning: {one}" for one in section.warnings),
            *(f"better: {one}" for one in section.better),
        )
        yield from (f"- {_escaped(note)}" for note in notes)
        yield from (f"- lock: {_escaped(lock)}" for lock in section.locks)
        if notes or section.locks:
            yield ""
        for label, lines in section.texts:
            yield from (
                f"{label}:",
                "",
                *_fence("\n".join(lines), "text" if label.startswith("Printed") else "sql"),
                "",
            )
    if not found:
        yield from (*(_escaped(one) for one in checked.complaints), "")


def _fence(text: str, language: str) -> Iterable[str]:
    marks = "`" * max(3, _longest_run(text) + 1)
    # Only what is plain code: GitHub draws a picture of `mermaid`, and makes a button of `suggestion`.
    return (f"{marks}{language if language in _SHOWN_AS_CODE else ''}", text, marks)


def _code(text: str) -> str:
    """A span of code, also in a table and with backticks in it."""
    if not text.strip():
        return ""
    marks = "`" * (_longest_run(text) + 1)
    space = " " if "`" in (text[0], text[-1]) else ""
    # Behind a backslash, a pipe ends the cell of a table even where it's escaped.
    cell = re.sub(r"(?<=\\)\|", " |", text).replace("|", "\\|")
    return f"{marks}{space}{cell}{space}{marks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _escaped(text: str) -> str:
    """Prose as it is, in one line; `code` between backticks stays code, and addresses become code."""
    parts = _SPAN.split(" ".join(text.split()))
    escaped = "".join(_code(part) if number % 2 else _prose(part) for number, part in enumerate(parts))
    return _BEGINS_BLOCK.sub(r"\1\\\2", escaped)


def _prose(text: str) -> str:
    """Words without any meaning in Markdown."""
    return "".join(
        _code(word.replace("`", "'")) if _LINKS_BY_ITSELF.search(word) else word.translate(_SPECIAL)
        for word in re.split(r"(\s+)", text)
    )
