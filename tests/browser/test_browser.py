"""Each notebook, run twice in a real browser, as a learner does it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbconvert import HTMLExporter

from lab_desk import PATIENCE_S, Lab
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.recorded import notebook_paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]

NOTEBOOKS = notebook_paths(this_book().notebooks)
#: Only what this machine itself serves.
LOCAL = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "file:")

ERRORS = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
    .filter(e => /error|stderr/.test(e.dataset.mimeType || ''))
    .map(e => e.textContent.slice(0, 300))"""
PROMPTS = "cells => cells.map(cell => cell.querySelector('.jp-InputPrompt').textContent)"


def shown(page: Page) -> dict[str, int]:
    """How many tables and pictures are really on the page, with a size."""
    return page.evaluate(
        """() => {
            const area = document.querySelector('.jp-NotebookPanel .jp-Notebook') || document;
            const seen = e => e.getBoundingClientRect().width > 20;
            const count = (what, ok) => [...area.querySelectorAll(what)].filter(ok).length;
            return {
                tables: count('.jp-OutputArea-output table', seen),
                pictures: count('.jp-OutputArea-output img', e => seen(e) && e.naturalWidth > 0)
                    + count('.jp-OutputArea-output svg', seen),
            };
        }"""
    )


def recorded(path: Path) -> dict[str, int]:
    """How many tables and pictures the recorded notebook has."""
    outputs = [
        output.get("data", {})
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    return {
        "tables": sum(data.get("text/html", "").count("<table") for data in outputs),
        "pictures": sum("image/svg+xml" in data for data in outputs),
    }


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("browser"))
    yield running
    running.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    outside: list[str] = []
    opened.on(
        "request", lambda request: outside.append(request.url) if not request.url.startswith(LOCAL) else None
    )
    yield opened
    context.close()
    assert outside == []


def open_notebook(page: Page, lab: Lab, slug: str) -> int:
    """Open the learner's copy; how many code cells it has."""
    page.goto(f"http://127.0.0.1:{lab.port}/lab/tree/notebooks/{slug}.ipynb?reset&token={lab.token}")
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=PATIENCE_S * 1000)
    path = lab.workspace.notebooks / f"{slug}.ipynb"
    count = sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)
    wait_until(page, lambda: len(prompts(page)) == count, "not all cells are on the page")
    wait_until(page, lambda: "Idle" in page.inner_text("#jp-main-statusbar"), "the kernel is not ready")
    return count


def end_kernels(page: Page, lab: Lab) -> None:
    """Else the kernels of all notebooks would be there in the end."""
    address = f"http://127.0.0.1:{lab.port}/api/sessions"
    for session in page.request.get(f"{address}?token={lab.token}").json():
        assert page.request.delete(f"{address}/{session['id']}?token={lab.token}").ok


def prompts(page: Page) -> list[str]:
    return page.eval_on_selector_all(".jp-NotebookPanel .jp-CodeCell", PROMPTS)


def run_all(page: Page, above: int) -> int:
    """Run every cell by the menu; the last execution count."""
    page.click(".lm-MenuBar-item:has-text('Run')")
    page.click(".lm-Menu-item[data-command='runmenu:run-all']")
    wait_until(page, lambda: all(count > above for count in counts(page)), "not all cells ran")
    return max(counts(page))


def counts(page: Page) -> list[int]:
    found = [re.search(r"\[(\d+)\]", prompt) for prompt in prompts(page)]
    return [int(match[1]) if match else -1 for match in found]


def wait_until(page: Page, condition: Any, trouble: str) -> None:
    """Wait for it as long as cells still come to an end: a long notebook may take its time."""
    deadline = time.monotonic() + PATIENCE_S
    before = prompts(page)
    while not condition():
        errors = page.evaluate(ERRORS)
        assert not errors, errors
        now = prompts(page)
        if now != before:
            before, deadline = now, time.monotonic() + PATIENCE_S
        assert time.monotonic() < deadline, f"{trouble}: {now}"
        page.wait_for_timeout(250)


@pytest.mark.parametrize("slug", NOTEBOOKS)
def test_a_notebook_runs_twice_and_shows_what_it_should(slug: str, lab: Lab, page: Page) -> None:
    cells = open_notebook(page, lab, slug)
    last = run_all(page, above=0)
    assert last >= cells
    run_all(page, above=last)
    assert page.evaluate(ERRORS) == []
    expected = recorded(NOTEBOOKS[slug])
    assert shown(page) == expected, "in the light theme"
    page.click(".lm-MenuBar-item:has-text('Settings')")
    page.hover(".lm-Menu-itemLabel:has-text('Theme')")
    page.click(".lm-Menu-itemLabel:has-text('JupyterLab Dark')")
    wait_until(
        page, lambda: page.get_attribute("body", "data-jp-theme-light") == "false", "the theme stays light"
    )
    assert shown(page) == expected, "in the dark theme"
    end_kernels(page, lab)


@pytest.mark.parametrize("slug", NOTEBOOKS)
def test_the_exported_page_shows_it_too_without_a_network(
    slug: str, browser: Browser, tmp_path: Path
) -> None:
    exported = tmp_path / "page.html"
    exported.write_text(HTMLExporter().from_filename(str(NOTEBOOKS[slug]))[0], encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(exported.as_uri(), wait_until="domcontentloaded")
    assert shown(page) == recorded(NOTEBOOKS[slug])
    context.close()
