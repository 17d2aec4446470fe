"""Render a report as JSON, in the order of the pages."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from migration_cookbook.verify.report.run import Mark

if TYPE_CHECKING:
    from migration_cookbook.verify.report.run import VerificationRun
    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.verify.values.verdict import Finding

#: The database is the key, and the others are for programs of this project.
_INTERNAL = ("dialect", "fingerprint", "differences", "needs_batch")


def render(run: VerificationRun) -> str:
    """The whole run as one object."""
    content = {
        "good": run.good,
        "summary": run.count_line(),
        "databases": {dialect.value: run.versions[dialect] for dialect in run.dialects},
        "mistakes": list(run.mistakes),
        "snippets": [_snippet(run, checked) for checked in run.checked],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def _snippet(run: VerificationRun, checked: Checked) -> dict[str, Any]:
    snippet = checked.snippet
    return {
        "file": snippet.file,
        "line": snippet.line,
        "name": snippet.name,
        "language": snippet.language,
        "form": snippet.form.value,
        "text": snippet.text,
        "declared": _declared(snippet),
        "depends_on": [earlier.place for earlier in snippet.depends_on],
        "as_declared": not checked.complaints,
        "complaints": list(checked.complaints),
        "findings": {
            finding.dialect.value: _finding(run, checked, finding) for finding in run.findings(checked)
        },
    }


def _declared(snippet: Snippet) -> dict[str, Any]:
    said: dict[str, Any] = {
        dialect.value: {"verdict": one.verdict.value, "message": one.message, "until": one.until}
        for dialect, one in snippet.expected.items()
    }
    for key in ("skip", "given"):
        if (value := getattr(snippet, key)) is not None:
            said[key] = value
    return said | ({"shows": list(snippet.shows)} if snippet.shows else {})


def _finding(run: VerificationRun, checked: Checked, finding: Finding) -> dict[str, Any]:
    mark = run.mark(checked, finding.dialect)
    return {
        "as_declared": mark is not Mark.NOT_AS_DECLARED,
        **{name: value for name, value in asdict(finding).items() if name not in _INTERNAL},
    }
