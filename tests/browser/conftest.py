"""One browser for all these tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.editions import pdf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if pdf.browser_program() is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium, and in CI there must be one.")
        pytest.skip(pdf.NO_BROWSER)
    with pdf.browser() as launched:
        yield launched
