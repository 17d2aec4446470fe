"""A cheatsheet on paper: it holds what the sheet holds, and is of the same edition."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.editions import pdf
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.print_page import edition_of, render
from migration_cookbook.editions.sheet import read_sheet, sheet_paths

if TYPE_CHECKING:
    from pathlib import Path

    from edition_desk import Desk

BOOK = this_book()
SHEETS = pytest.mark.parametrize("path", sheet_paths(BOOK.chapters), ids=lambda path: path.stem)
FRONT = '---\ntitle: "A & B"\ndatabases: [sqlite, postgres]\n---\n\n# A & B\n\n'
SNIPPET = '```python\nop.add_column("books", sa.Column("isbn", sa.String(13)))\n```\n'


def text_of(html: str) -> str:
    """What one reads, without the spaces by which a line is cut."""
    return re.sub(r"\s+", "", unescape(re.sub(r"<[^>]+>", "", html)))


def of(desk: Desk, body: str) -> str:
    sheet = read_sheet(desk.write_text("cheatsheets/one", FRONT + body), desk.book.chapters)
    return render(sheet, desk.book)


@SHEETS
def test_our_pages_are_up_to_date(path: Path) -> None:
    sheet = read_sheet(path, BOOK.chapters)
    recorded = BOOK.printed_page(sheet.slug)
    assert recorded.read_text(encoding="utf-8") == render(sheet, BOOK), "Run `cookbook build`."
    assert pdf.edition_of(recorded.with_suffix(".pdf")) == edition_of(render(sheet, BOOK)), (
        "Run `cookbook print`."
    )
    assert 1 <= pdf.count_pages(recorded.with_suffix(".pdf")) <= 2


@SHEETS
def test_every_snippet_stands_on_the_page_with_a_mark_for_each_database(path: Path) -> None:
    sheet = read_sheet(path, BOOK.chapters)
    html = render(sheet, BOOK)
    text = text_of(html)
    snippets = [part for part in sheet.parts if part.snippet]
    assert snippets
    for part in snippets:
        assert text_of("\n".join(part.lines[1:-1]).replace("<", "&lt;")) in text, part.number
    marks = re.findall(r'<span class="mark">(.*?)</span></span></pre>', html)
    assert len(marks) == len(snippets)
    for mark in marks:
        assert re.search(r"both <b>[✓≈✗–]</b>|SQLite <b>.</b>.*PostgreSQL <b>.</b>", mark), mark


@SHEETS
def test_the_page_needs_nothing_beside_it(path: Path) -> None:
    html = render(read_sheet(path, BOOK.chapters), BOOK)
    assert not re.search(r"(src|href)=|url\(|@import|<script", html)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("SQLite ✓ · PostgreSQL ✓ ACCESS EXCLUSIVE on books", "SQLite ✓ PostgreSQL ✓ ACCESS EXCLUSIVE"),
        (
            "SQLite ✓ copies the table · PostgreSQL ✓ SHARE on books and members, rewritten",
            "SQLite ✓ copy PostgreSQL ✓ SHARE, rewritten",
        ),
        (
            "SQLite ≈ plain index, copies the table · PostgreSQL ≈ not with --sql, SHARE on a.b",
            "SQLite ≈ plain index, copy PostgreSQL ≈ not with --sql, SHARE",
        ),
        ("SQLite ✗ fails · PostgreSQL ✗ fails", "both ✗"),
        ("SQLite ✗ fails · PostgreSQL ✓ no lock", "SQLite ✗ PostgreSQL ✓"),
        (
            "SQLite ✗ needs a batch before 3.53 · PostgreSQL ✗ only outside a transaction",
            "SQLite ✗ needs a batch before 3.53 PostgreSQL ✗ only outside a transaction",
        ),
        ("SQLite – nothing to do · PostgreSQL ✓ no lock", "SQLite – nothing to do PostgreSQL ✓"),
    ],
)
def test_a_mark_on_paper(desk: Desk, mark: str, said: str) -> None:
    html = of(desk, f"{SNIPPET}<sub>{mark}</sub>\n")
    shown = html.partition('<span class="mark">')[2].partition("</pre>")[0]
    assert " ".join(re.sub(r"<[^>]+>", "", shown).split()) == said


def test_what_locks_nothing_is_marked_as_it_is_declared(desk: Desk) -> None:
    line = "alembic upgrade head\n```\n"
    html = of(desk, f'```bash\n{line}\n```bash {{sqlite="fails: no"}}\n{line}')
    assert "both <b>✓</b>" in html
    assert text_of(html).count("SQLite✗PostgreSQL✓") == 1


def test_a_sentence_stands_with_its_snippet_and_others_alone(desk: Desk) -> None:
    html = of(desk, f"Alone.\n\nAbove it. Instead: `x`.\n\n{SNIPPET}\n## Does not work\n\n{SNIPPET}\nLast.\n")
    assert (
        '<p>Alone.</p>\n<div class="snippet">\n<p>Above it. <b>Instead:</b> <code>x</code>.</p>\n<pre>'
        in html
    )
    assert '<section class="bad">\n<h2>Does not work</h2>\n<div class="snippet">\n<pre>' in html
    assert "<p>Last.</p>\n</section>" in html
    assert "<title>A &amp; B, edition " in html


def test_the_edition_is_another_one_where_the_page_is(desk: Desk) -> None:
    first = edition_of(of(desk, SNIPPET))
    assert len(first) == 8
    assert edition_of(of(desk, SNIPPET)) == first
    assert edition_of(of(desk, SNIPPET.replace("13", "14"))) != first
