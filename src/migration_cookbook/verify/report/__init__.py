"""How is a run told? Each form of report is a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.verify.report import as_json, html, junit, markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from migration_cookbook.verify.report.run import Run

#: The report as a text, by the name that `--format` knows. The terminal's writes as it goes.
FORMATS: Mapping[str, Callable[[Run], str]] = {
    "json": as_json.told,
    "markdown": markdown.told,
    "html": html.told,
    "junit": junit.told,
}
