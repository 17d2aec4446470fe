"""A run of the checker, as reports show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.printable import all_printable
from migration_cookbook.verify.judging.expecting import complaint
from migration_cookbook.verify.values.verdict import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.verify.values.checked import Checked

#: What may have more than one line; all else in a run is shown in one.
_LONG = frozenset({"text", "given", "answers", "sent", "sent_down", "printed", "assumed"})


class Mark(Enum):
    """How a finding relates to what was declared: a sign, what it means, and its color in a terminal."""

    AS_DECLARED = ("✓", "as declared", "green")
    NOT_AS_DECLARED = ("✗", "not as declared", "bold red")
    WARNED = ("!", "as declared, with a warning", "yellow")
    SKIPPED = ("–", "skipped, or not meant for it", "dim")

    @property
    def sign(self) -> str:
        return self.value[0]

    @property
    def meaning(self) -> str:
        return self.value[1]

    @property
    def style(self) -> str:
        """A color of the terminal's own theme; the sign says the same."""
        return self.value[2]


@dataclass(frozen=True)
class Part:
    """Snippets of which more is shown than their line in the table."""

    heading: str
    checked: tuple[Checked, ...]
    #: With the SQL that was sent, and the schema that was assumed.
    sql: bool


@dataclass(frozen=True)
class VerificationRun:
    """All that was checked, in the order of the pages. Whatever is in it can be printed as it is."""

    checked: tuple[Checked, ...]
    #: Of the databases that were asked, SQLite first; empty where one was not to be had.
    versions: Mapping[Dialect, str]
    #: What is wrong in pages that could not be read, with file and line.
    mistakes: tuple[str, ...] = ()
    #: How many fences and cells hold nothing for Alembic or a database.
    unrelated_count: int = 0
    #: Whether the SQL and the assumed schema of each snippet are shown, not only where something is wrong.
    show_sql: bool = False

    def __post_init__(self) -> None:
        # Here, so that no form of report can forget it.
        for name in ("checked", "versions", "mistakes"):
            object.__setattr__(self, name, all_printable(getattr(self, name), _LONG))

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        return tuple(dialect for dialect in BOTH if dialect in self.versions)

    @property
    def good(self) -> bool:
        """At least one snippet was found, and each is as declared."""
        return bool(self.checked) and not self.mistakes and not self.refused

    @property
    def refused(self) -> tuple[Checked, ...]:
        return tuple(checked for checked in self.checked if checked.complaints)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Where nothing was run, and why."""
        return tuple(
            f"{one.snippet.place}: {one.snippet.skip}" for one in self.checked if one.snippet.skip is not None
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is shown beyond the table: first what is not as declared, no snippet twice."""
        fine = [(one, self._is_warned(one)) for one in self.checked if not one.complaints]
        warned = tuple(one for one, is_warned in fine if is_warned)
        others = tuple(one for one, is_warned in fine if not is_warned and self._is_shown(one))
        parts = (
            Part("Not as declared", self.refused, sql=True),
            Part("With a warning or a better way", warned, sql=self.show_sql),
            Part("What was sent" if self.show_sql else "Locks", others, sql=self.show_sql),
        )
        return tuple(part for part in parts if part.checked)

    def _is_warned(self, checked: Checked) -> bool:
        return any(
            # A better way is no news where the failure was declared.
            finding.warnings or (finding.better and finding.verdict is Verdict.WORKS)
            for finding in self.findings(checked)
        )

    def _is_shown(self, checked: Checked) -> bool:
        findings = self.findings(checked)
        return bool(findings) and (self.show_sql or any(finding.locks for finding in findings))

    @property
    def databases(self) -> str:
        """`SQLite 3.40.1 and PostgreSQL 18.6`."""
        return " and ".join(f"{dialect.title} {self.versions[dialect]}".strip() for dialect in self.dialects)

    def findings(self, checked: Checked) -> tuple[Finding, ...]:
        """On the databases that the snippet is for, SQLite first."""
        return tuple(
            checked.findings[dialect]
            for dialect in self.dialects
            if dialect in checked.findings and dialect in checked.snippet.on and checked.snippet.skip is None
        )

    def mark(self, checked: Checked, dialect: Dialect) -> Mark:
        finding = checked.findings.get(dialect)
        if checked.snippet.skip is not None or finding is None or dialect not in checked.snippet.on:
            return Mark.SKIPPED
        if complaint(checked.snippet, finding, self.versions.get(dialect)) is not None:
            return Mark.NOT_AS_DECLARED
        return Mark.WARNED if finding.warnings else Mark.AS_DECLARED

    def word(self, checked: Checked, dialect: Dialect) -> str:
        """The verdict, as short as a table needs it."""
        finding = checked.findings.get(dialect)
        if checked.snippet.skip is not None:
            return "skipped"
        if finding is None or dialect not in checked.snippet.on:
            return "not meant"
        return finding.verdict.short

    def count_line(self) -> str:
        """The end of each report."""
        if not self.checked:
            return f"No snippet was found, so nothing was checked.{self._beside()}"
        files = len({checked.snippet.file for checked in self.checked})
        counts = Counter(
            "not as declared"
            if checked.complaints
            else "skipped"
            if checked.snippet.skip is not None
            else "as declared"
            for checked in self.checked
        )
        said = ", ".join(
            f"{counts[word]} {word}" for word in ("as declared", "not as declared", "skipped") if counts[word]
        )
        return f"{_number(len(self.checked), 'snippet')} in {_number(files, 'file')}: {said}.{self._beside()}"

    def _beside(self) -> str:
        said = ""
        if self.mistakes:
            said += f" {_number(len(self.mistakes), 'page')} could not be read."
        if self.unrelated_count:
            said += f" {_number(self.unrelated_count, 'piece')} of other text left out."
        return said


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
