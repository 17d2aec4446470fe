"""Print a report in the terminal: a table, and in full what isn't as declared."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from textwrap import indent
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from migration_cookbook.verify.report.details import runs_after, sections
from migration_cookbook.verify.report.run import Mark
from migration_cookbook.verify.report.titles import title, truncate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from migration_cookbook.verify.report.run import Part, VerificationRun
    from migration_cookbook.verify.values.checked import Checked

#: How wide lines may be in a file or a pipe, where nothing cuts them.
_WIDTH_OF_A_FILE = 240
_WIDTH_OF_A_TITLE = 48


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr that hears how many snippets are done; none where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def print_report(run: VerificationRun) -> None:
    """Write the report to stdout."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
    if run.checked:
        console.print(Text(f"Snippets on {run.databases}", "bold"))
        console.print(_table(run))
        console.print(Text(", ".join(f"{mark.sign} {mark.meaning}" for mark in _marks(run))))
    if run.skipped:
        console.print(Text("\nSkipped:\n", "bold"))
        for line in run.skipped:
            console.print(Text(f"  {line}"), soft_wrap=True)
        console.print()
    # What needs the reader most is last, above the count.
    for part in reversed(run.parts):
        _print_part(console, run, part)
    for mistake in run.mistakes:
        console.print(Text(mistake, "bold red"), soft_wrap=True)
    console.print(Text(run.count_line(), "bold green" if run.good else "bold red"))


def _table(run: VerificationRun) -> Table:
    table = Table()
    table.add_column("place", overflow="fold")
    table.add_column("snippet", overflow="ellipsis", no_wrap=True)
    for dialect in run.dialects:
        table.add_column(dialect.title, no_wrap=True)
    for checked in run.checked:
        words = (
            Text(
                f"{run.mark(checked, dialect).sign} {run.word(checked, dialect)}",
                run.mark(checked, dialect).style,
            )
            for dialect in run.dialects
        )
        words_of_it = Text(truncate(title(checked.snippet), _WIDTH_OF_A_TITLE))
        table.add_row(Text(checked.snippet.place), words_of_it, *words)
    return table


def _marks(run: VerificationRun) -> list[Mark]:
    seen = {run.mark(checked, dialect) for checked in run.checked for dialect in run.dialects}
    return [mark for mark in Mark if mark in seen]


def _print_part(console: Console, run: VerificationRun, part: Part) -> None:
    console.print(Text(f"\n{part.heading}:", "bold"))
    for checked in part.checked:
        console.print(Text(f"\n{checked.snippet.place}", "bold"))
        for line in detail_lines(run, checked, sql=part.sql):
            # What is copied from here must not have line ends of ours in it, and may be very long.
            console.file.write(f"{line}\n")
    console.print()


def detail_lines(run: VerificationRun, checked: Checked, *, sql: bool) -> Iterator[str]:
    """Yield the lines that show one snippet in full."""
    yield indent(checked.snippet.text, "    ")
    if after := runs_after(checked.snippet):
        yield f"  {after}"
    found = sections(run, checked, sql=sql)
    for section in found:
        yield f"  {section.databases}: {section.sentence}"
        notes = (("warning", section.warnings), ("better", section.better), ("lock", section.locks))
        yield from (f"    {word}: {line}" for word, lines in notes for line in lines)
        for label, lines in section.texts:
            yield f"    {label}:"
            yield indent("\n".join(lines), "      ")
    if not found:
        yield from (f"  {one}" for one in checked.complaints)
