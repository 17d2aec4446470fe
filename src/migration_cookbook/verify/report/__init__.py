"""Reports of a run, in several formats: one module each, with a function `render`."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from migration_cookbook.verify.report.run import VerificationRun


def _render(module: str, run: VerificationRun) -> str:
    # Not before it's asked for: the command line only needs the names.
    report: str = import_module(f"{__name__}.{module}").render(run)
    return report


#: What makes the report as a string, by the name that `--format` knows. The terminal's is printed as it's made.
REPORT_FORMATS: Mapping[str, Callable[[VerificationRun], str]] = {
    "json": partial(_render, "as_json"),
    "markdown": partial(_render, "markdown"),
    "html": partial(_render, "html"),
    "junit": partial(_render, "junit"),
}
