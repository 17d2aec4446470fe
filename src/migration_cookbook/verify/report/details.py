"""What a report shows of one snippet beyond its line in the table.

What is the same on both databases is shown once, under both names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.verify.judging.expecting import complaint
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.locks import Lock
    from migration_cookbook.verify.report.run import VerificationRun
    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.verify.values.verdict import Finding

_TEXTS: tuple[tuple[str, Callable[[Finding], tuple[str, ...]]], ...] = (
    # What commands print says what they do; their SQL is every project's.
    ("Printed", lambda finding: finding.printed),
    ("SQL sent", lambda finding: () if finding.printed else _ended(finding.sent)),
    ("SQL sent on the way down", lambda finding: () if finding.printed else _ended(finding.sent_down)),
    ("Assumed world", lambda finding: _ended(finding.assumed)),
)


@dataclass(frozen=True)
class Section:
    """What was seen on one database, or on both alike."""

    #: `SQLite and PostgreSQL`.
    databases: str
    #: What is not as declared, else the verdict.
    sentence: str
    warnings: tuple[str, ...]
    better: tuple[str, ...]
    #: Statements, or lines printed, under the words that say what they are.
    texts: tuple[tuple[str, tuple[str, ...]], ...]
    locks: tuple[str, ...]


def sections(
    run: VerificationRun, checked: Checked, *, sql: bool, only: Dialect | None = None
) -> tuple[Section, ...]:
    """What was seen, with or without the SQL and the schema it was sent to; on all databases, or on one."""

    def sentence(finding: Finding) -> str:
        version = run.versions.get(finding.dialect)
        return complaint(checked.snippet, finding, version) or _verdict(finding)

    def shown(finding: Finding) -> object:
        return sentence(finding), finding.warnings, finding.better, finding.locks

    return tuple(
        Section(
            names([finding.dialect for finding in group]),
            sentence(group[0]),
            group[0].warnings,
            group[0].better,
            tuple(_texts(group)) if sql else (),
            tuple(lock_line(lock) for lock in group[0].locks if not lock.made),
        )
        for group in _alike([one for one in run.findings(checked) if only in (None, one.dialect)], shown)
    )


def runs_after(snippet: Snippet) -> str:
    """Return a sentence about the earlier snippets that ran before it; empty if none did."""
    places = ", ".join(earlier.place for earlier in snippet.depends_on)
    return f"runs after {places}" if places else ""


def names(dialects: Sequence[Dialect]) -> str:
    """`SQLite and PostgreSQL`."""
    return " and ".join(dialect.title for dialect in dialects)


def lock_line(lock: Lock) -> str:
    """`ACCESS EXCLUSIVE on books, rewritten: SELECT, INSERT and UPDATE wait`."""
    rewritten = ", rewritten" if lock.rewritten else ""
    *others, last = lock.waiting or ("nobody",)
    waiting = f"{', '.join(others)} and {last} wait" if others else f"{last} waits"
    return f"{lock.mode} on {lock.relation}{rewritten}: {waiting}"


def _verdict(finding: Finding) -> str:
    word = finding.verdict.value
    message = " ".join(finding.message.split())
    if finding.verdict is Verdict.WORKS or not message:
        return word
    return f"{word}: {message}"


def _texts(group: Sequence[Finding]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for label, of in _TEXTS:
        parts = _alike(group, of)
        for part in parts:
            if lines := of(part[0]):
                where = f", {names([finding.dialect for finding in part])}" if len(parts) > 1 else ""
                yield f"{label}{where}", lines


def _ended(statements: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{one.rstrip().rstrip(';')};" for one in statements)


def _alike(findings: Sequence[Finding], shown: Callable[[Finding], object]) -> list[list[Finding]]:
    """Group the findings of which the same is shown."""
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(shown(finding), []).append(finding)
    return list(groups.values())
