"""Marks: the status of each snippet of a cheatsheet on both databases, in a line below its fence.

`cookbook build` writes the line from what came of the snippet when it ran.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.locks import strongest_mode
from migration_cookbook.verify import Form, Settings, Verdict, check, mark_trusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from migration_cookbook.editions.sheet import Sheet
    from migration_cookbook.locks import Lock
    from migration_cookbook.verify import Checked, Expected, Finding
    from migration_cookbook.workspace import Workspace

WORKS, DIFFERS, FAILS, NOTHING = "✓", "≈", "✗", "–"

#: What can lock something; a command line is every project's, and a configuration has no tables.
_FORMS = (Form.OPERATIONS, Form.FUNCTIONS, Form.REVISION, Form.SQL)
#: The table that SQLite's batch copies everything into.
_COPY = "_alembic_tmp_"


def with_fresh_marks(sheet: Sheet, workspace: Workspace) -> Sheet:
    """Run the snippets, and return the sheet with marks for what came of them."""
    snippets = [part.snippet for part in sheet.parts if part.snippet and part.snippet.form in _FORMS]
    dialects = tuple(Dialect(name) for name in sheet.databases)
    return with_marks(sheet, check(mark_trusted(snippets), Settings(workspace, dialects, locks=True)))


def with_marks(sheet: Sheet, checked: Iterable[Checked]) -> Sheet:
    """Return the sheet with marks for these results of its snippets, which include locks."""
    return sheet.with_marks({one.snippet.line: mark(one) for one in checked if one.snippet.form in _FORMS})


def mark(checked: Checked) -> str:
    """Return `SQLite ✓ copies the table · PostgreSQL ✓ ACCESS EXCLUSIVE on books`; empty where nothing was done."""
    findings = [
        checked.findings[dialect]
        for dialect in BOTH
        if dialect in checked.findings and dialect in checked.snippet.on
    ]
    if all(finding.verdict is Verdict.WORKS and not finding.sent for finding in findings):
        return ""
    return " · ".join(
        f"{finding.dialect.title} {_describe(finding, checked.snippet.expected.get(finding.dialect))}"
        for finding in findings
    )


def _describe(finding: Finding, expected: Expected | None) -> str:
    if finding.verdict is Verdict.WORKS:
        sign = DIFFERS if finding.warnings else WORKS
        return f"{sign} {', '.join([*finding.differences, *_effects(finding)])}".rstrip()
    if finding.verdict is Verdict.NOTHING_RAN:
        return f"{NOTHING} nothing to do"
    if finding.verdict is Verdict.OUTSIDE:
        return f"{FAILS} only outside a transaction"
    if finding.verdict is not Verdict.FAILS:
        return f"{NOTHING} {finding.verdict}"
    until = f" before {expected.until}" if expected and expected.until else ""
    return f"{FAILS} {'needs a batch' if finding.needs_batch else 'fails'}{until}"


def _effects(finding: Finding) -> Iterator[str]:
    """Yield what it locks or copies."""
    if finding.dialect is Dialect.POSTGRES:
        yield _lock(one for one in finding.locks if not one.made)
    elif any(_COPY in statement for statement in finding.sent):
        yield "copies the table"


def _lock(locks: Iterable[Lock]) -> str:
    """Describe the strongest lock; statements don't wait for what is new."""
    all_locks = tuple(locks)
    if not all_locks:
        return "no lock"
    mode = strongest_mode(all_locks)
    held = [one for one in all_locks if one.mode == mode]
    rewritten = "" if not any(one.rewritten for one in held) else ", rewritten"
    return f"{mode} on {' and '.join(one.relation for one in held)}{rewritten}"
