"""The checker of snippets: one package a step, frozen values between them.

Whatever other packages use is here, and they import from nothing deeper. A name's module is loaded when the
name is first asked for: a kernel or a command that needs one value doesn't load the databases' drivers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migration_cookbook.verify.command import verify_pages
    from migration_cookbook.verify.judging.expecting import add_complaints
    from migration_cookbook.verify.judging.versions import database_versions
    from migration_cookbook.verify.process.checking import RUNNER, Settings, check, check_one
    from migration_cookbook.verify.process.pages import PageReader
    from migration_cookbook.verify.process.trust import asker_at_terminal, decide_trust, mark_trusted
    from migration_cookbook.verify.reading import read
    from migration_cookbook.verify.reading.formats import format_of, is_readable
    from migration_cookbook.verify.reading.forms import classify
    from migration_cookbook.verify.reading.page import Passage
    from migration_cookbook.verify.report import REPORT_FORMATS
    from migration_cookbook.verify.report.run import VerificationRun
    from migration_cookbook.verify.report.terminal import detail_lines
    from migration_cookbook.verify.report.titles import title
    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Expected, Form, Snippet
    from migration_cookbook.verify.values.verdict import Finding, Verdict

__all__ = [
    "REPORT_FORMATS",
    "RUNNER",
    "Checked",
    "Expected",
    "Finding",
    "Form",
    "PageReader",
    "Passage",
    "Settings",
    "Snippet",
    "Verdict",
    "VerificationRun",
    "add_complaints",
    "asker_at_terminal",
    "check",
    "check_one",
    "classify",
    "database_versions",
    "decide_trust",
    "detail_lines",
    "format_of",
    "is_readable",
    "mark_trusted",
    "read",
    "title",
    "verify_pages",
]

#: By name: the module that it's in.
_MODULES = {
    "Checked": "values.checked",
    "Expected": "values.snippet",
    "Finding": "values.verdict",
    "Form": "values.snippet",
    "PageReader": "process.pages",
    "Passage": "reading.page",
    "REPORT_FORMATS": "report",
    "RUNNER": "process.checking",
    "Settings": "process.checking",
    "Snippet": "values.snippet",
    "Verdict": "values.verdict",
    "VerificationRun": "report.run",
    "add_complaints": "judging.expecting",
    "asker_at_terminal": "process.trust",
    "check": "process.checking",
    "check_one": "process.checking",
    "classify": "reading.forms",
    "database_versions": "judging.versions",
    "decide_trust": "process.trust",
    "detail_lines": "report.terminal",
    "format_of": "reading.formats",
    "is_readable": "reading.formats",
    "mark_trusted": "process.trust",
    "read": "reading",
    "title": "report.titles",
    "verify_pages": "command",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
