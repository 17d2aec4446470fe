"""The cheatsheets as the browser prints them: few pages, and letters that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.editions import pdf
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.command import MOST_PAGES
from migration_cookbook.editions.print_page import edition_of, render
from migration_cookbook.editions.sheet import read_sheet, sheet_paths

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]

BOOK = this_book()
#: 8 points, in pixels of CSS.
SMALLEST = 8 * 96 / 72
#: A4 within the margins.
WIDTH = round(192 / 25.4 * 96)

SIZES = """() => {
    const sizes = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (node.textContent.trim()) sizes.push(parseFloat(getComputedStyle(node.parentElement).fontSize));
    }
    return sizes;
}"""
#: What is wider than its column would make the browser shrink the whole page.
TOO_WIDE = """() => [...document.querySelectorAll('main *')]
    .filter(one => one.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1
        || one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display === 'block')
    .map(one => one.textContent)"""


@pytest.mark.parametrize("path", sheet_paths(BOOK.chapters), ids=lambda path: path.stem)
def test_two_pages_at_8_points(path: Path, browser: Browser, tmp_path: Path) -> None:
    html, paper = tmp_path / "sheet.html", tmp_path / "sheet.pdf"
    text = render(read_sheet(path, BOOK.chapters), BOOK)
    html.write_text(text, encoding="utf-8")
    pdf.write_pdf(browser, html, paper)
    assert 1 <= pdf.count_pages(paper) <= MOST_PAGES
    assert pdf.edition_of(paper) == edition_of(text)
    assert paper.stat().st_size < 200_000
    page = browser.new_page(viewport={"width": WIDTH, "height": 1000})
    page.emulate_media(media="print")
    page.goto(html.as_uri())
    sizes = page.evaluate(SIZES)
    assert len(sizes) > 50
    assert min(sizes) >= SMALLEST - 0.01
    assert page.evaluate(TOO_WIDE) == []
    page.close()
