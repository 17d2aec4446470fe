"""Printing of a page of HTML as a PDF, with this computer's browser."""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING

from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = "No Chromium on this computer: apt install chromium, or brew install --cask chromium."
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
#: The time of printing; two PDFs with the same content should be equal.
_MOMENT = re.compile(rb"\(D:\d{14}")
_TITLE = re.compile(rb"/Title \(.*, edition (\w+)\)")
_PAGE = re.compile(rb"/Type /Page\b")


def browser_program() -> str | None:
    """Return the path of the system's Chromium."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser without a window."""
    program = browser_program()
    if program is None:
        raise CookbookError(NO_BROWSER)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise CookbookError("playwright is missing: run `make setup`.") from None
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield launched
        launched.close()


def write_pdf(opened: Browser, html: Path, pdf: Path) -> None:
    """Write the page as the browser prints it, completely or not at all."""
    page = opened.new_page()
    page.goto(html.as_uri())
    content = page.pdf(prefer_css_page_size=True, print_background=True)
    page.close()
    half = pdf.with_suffix(".half")
    half.write_bytes(_MOMENT.sub(b"(D:20000101000000", content))
    half.replace(pdf)


def count_pages(pdf: Path) -> int:
    """Return how many pages a PDF has."""
    return len(_PAGE.findall(pdf.read_bytes()))


def edition_of(pdf: Path) -> str:
    """Return the edition of the page that a PDF was made from; empty without a PDF."""
    found = _TITLE.search(pdf.read_bytes()) if pdf.exists() else None
    return found[1].decode() if found else ""
