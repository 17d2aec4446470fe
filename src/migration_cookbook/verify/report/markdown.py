"""How is a run told in a pull request? As Markdown, as GitHub shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration_cookbook.verify.report.details import grounds, sections
from migration_cookbook.verify.report.run import Mark
from migration_cookbook.verify.report.titles import shortened, title

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from migration_cookbook.verify.report.run import Run
    from migration_cookbook.verify.verdict import Checked


def told(run: Run) -> str:
    """The whole run as one page."""
    return "\n".join(_lines(run)).rstrip("\n")


def _lines(run: Run) -> Iterator[str]:
    yield from ("# Snippets on " + run.databases, "", run.count_line(), "")
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


def _table(run: Run) -> Iterator[str]:
    yield "| place | snippet | " + " | ".join(kind.title for kind in run.kinds) + " |"
    yield "|---|---|" + "---|" * len(run.kinds)
    for checked in run.checked:
        cells = [_escaped(checked.snippet.place), _code(shortened(title(checked.snippet), 60))]
        cells += [f"{run.mark(checked, kind).sign} {run.word(checked, kind)}" for kind in run.kinds]
        yield "| " + " | ".join(cells) + " |"
    yield from ("", ", ".join(f"{mark.sign} {mark.meaning}" for mark in Mark) + ".", "")


def _detail(run: Run, checked: Checked, *, sql: bool) -> Iterator[str]:
    snippet = checked.snippet
    yield from (f"### {_escaped(snippet.place)}", "")
    yield from (
        *_fence(snippet.text, "python" if snippet.language.startswith("py") else snippet.language),
        "",
    )
    if after := grounds(snippet):
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
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return (f"{marks}{language}", text, marks)


def _code(text: str) -> str:
    """A span of code, also in a table and with backquotes in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{marks}{space}{text}{space}{marks}".replace("|", "\\|")


def _escaped(text: str) -> str:
    """Prose as it is; `code` between backquotes stays code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return re.sub(r"([\\`*_<>|\[\]#])", r"\\\1", text)
    return "".join(
        _code(piece) if number % 2 else re.sub(r"([\\*_<>|\[\]#])", r"\\\1", piece)
        for number, piece in enumerate(pieces)
    )
