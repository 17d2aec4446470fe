"""Render a report as one HTML page that needs no other file."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from migration_cookbook.verify.report.details import runs_after, sections
from migration_cookbook.verify.report.run import Mark
from migration_cookbook.verify.report.titles import title, truncate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.verify.report.details import Section
    from migration_cookbook.verify.report.run import VerificationRun
    from migration_cookbook.verify.values.checked import Checked

#: The system's colors follow the reader's theme; the bars are distinguished by color-blind readers too.
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; color: CanvasText; background: Canvas; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
caption { text-align: left; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem .5rem; border-bottom: 1px solid GrayText; }
td.as_declared { border-left: 4px solid #029E73; }
td.not_as_declared { border-left: 4px solid #DE8F05; font-weight: bold; }
td.warned { border-left: 4px solid #CC78BC; }
td.skipped { border-left: 4px dotted GrayText; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid GrayText; border-radius: 4px; padding: .5rem .8rem; margin: .5rem 0; }
a { color: LinkText; }
section { margin: 1.5rem 0 2rem; }
summary { cursor: pointer; }
""".strip()


def render(run: VerificationRun) -> str:
    """The whole run as one page."""
    return "\n".join(_lines(run))


def _lines(run: VerificationRun) -> Iterator[str]:
    heading = f"Snippets on {escape(run.databases)}"
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield f'<head><meta charset="utf-8"><title>{heading}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>\n{_STYLE}\n</style></head>"
    yield f"<body>\n<main>\n<h1>{heading}</h1>\n<p>{escape(run.count_line())}</p>"
    yield from _list("Pages that could not be read", run.mistakes)
    if run.checked:
        yield from _table(run)
    for part in run.parts:
        yield f"<h2>{part.heading}</h2>"
        for checked in part.checked:
            yield from _detail(run, checked, sql=part.sql)
    yield from _list("Skipped", run.skipped)
    yield "</main>\n</body>\n</html>"


def _list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        items = "".join(f"<li>{_inline(line)}</li>" for line in lines)
        yield f"<h2>{heading}</h2>\n<ul>{items}</ul>"


def _table(run: VerificationRun) -> Iterator[str]:
    meanings = ", ".join(f"{mark.sign} {mark.meaning}" for mark in Mark)
    yield f"<table>\n<caption>Each snippet on each database: {meanings}.</caption>"
    heads = ["place", "snippet", *(dialect.title for dialect in run.dialects)]
    yield "<thead><tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead>\n<tbody>"
    told_below = {checked.snippet.place for part in run.parts for checked in part.checked}
    for checked in run.checked:
        place = escape(checked.snippet.place)
        if checked.snippet.place in told_below:
            place = f'<a href="#{_anchor(checked)}">{place}</a>'
        words = "".join(
            f'<td class="{run.mark(checked, dialect).name.lower()}">'
            f"{run.mark(checked, dialect).sign} {run.word(checked, dialect)}</td>"
            for dialect in run.dialects
        )
        said = escape(truncate(title(checked.snippet), 60))
        yield f'<tr><th scope="row">{place}</th><td><code>{said}</code></td>{words}</tr>'
    yield "</tbody>\n</table>"


def _detail(run: VerificationRun, checked: Checked, *, sql: bool) -> Iterator[str]:
    anchor, place = _anchor(checked), escape(checked.snippet.place)
    yield f'<section id="{anchor}" aria-label="{place}">\n<h3>{place}</h3>'
    yield f"<pre>{escape(checked.snippet.text)}</pre>"
    if after := runs_after(checked.snippet):
        yield f"<p>It {escape(after)}.</p>"
    found = sections(run, checked, sql=sql)
    for section in found:
        yield f"<p><b>{section.databases}:</b> {_inline(section.sentence)}</p>"
        yield from _notes(section)
        for label, lines in section.texts:
            code = escape("\n".join(lines))
            yield f"<details open><summary>{label}</summary>\n<pre>{code}</pre></details>"
    if not found:
        yield from (f"<p>{_inline(one)}</p>" for one in checked.complaints)
    yield "</section>"


def _notes(section: Section) -> Iterator[str]:
    notes = [f"<b>Warning:</b> {_inline(line)}" for line in section.warnings]
    notes += [f"<b>Better:</b> {_inline(line)}" for line in section.better]
    notes += [f"<b>Lock:</b> {escape(line)}" for line in section.locks]
    if notes:
        yield "<ul>" + "".join(f"<li>{note}</li>" for note in notes) + "</ul>"


def _anchor(checked: Checked) -> str:
    """The place as a name that an address can end in."""
    return "".join(character if character.isalnum() else "-" for character in checked.snippet.place)


def _inline(text: str) -> str:
    """One line of text, with `code` between backquotes."""
    pieces = escape(text, quote=False).split("`")
    if len(pieces) % 2 == 0:
        return "`".join(pieces)
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))
