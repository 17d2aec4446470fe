"""Compare a finding with what its author declared; what nobody declared is expected to work."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.values.snippet import Expected
from migration_cookbook.verify.values.verdict import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Snippet

#: Python refuses to count with numbers of thousands of digits.
_DIGITS = 9
_WORKS = Expected(Verdict.WORKS)


def add_complaints(checked: Checked, versions: Mapping[Dialect, str]) -> Checked:
    """The same, with a sentence about each thing that is not as declared."""
    return replace(checked, complaints=complaints(checked.snippet, checked.findings, versions))


def complaints(
    snippet: Snippet, findings: Mapping[Dialect, Finding], versions: Mapping[Dialect, str]
) -> tuple[str, ...]:
    """A sentence about each thing that is not as declared; none if all is."""
    if snippet.skip is not None:
        return ()
    asked = [findings[dialect] for dialect in BOTH if dialect in findings and dialect in snippet.on]
    if not asked:
        return ("It was run on no database.",)
    sentences = [
        (finding.dialect, complaint(snippet, finding, versions.get(finding.dialect))) for finding in asked
    ]
    return tuple(f"{dialect.title}: {sentence}" for dialect, sentence in sentences if sentence is not None)


def complaint(snippet: Snippet, finding: Finding, version: str | None) -> str | None:
    """What is not as declared on one database, None if all is."""
    if snippet.skip is not None or finding.dialect not in snippet.on:
        return None
    declared = snippet.expected.get(finding.dialect)
    expected = _at_version(declared or _WORKS, version)
    if not _is_met(expected, finding.verdict):
        return _not_met(declared, expected, finding, version)
    if expected.message and expected.message not in _seen(finding):
        return f"declared is “{expected.message}”, and seen was: {_seen(finding) or 'no message'}"
    return None


def _at_version(expected: Expected, version: str | None) -> Expected:
    """What is expected of this version: from the one named on it is the other way round."""
    if expected.until is None or version is None or _numbers(version) < _numbers(expected.until):
        return expected
    return _WORKS if expected.verdict is not Verdict.WORKS else Expected(Verdict.FAILS)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(number[:_DIGITS]) for number in re.findall(r"\d+", version)[:4]]
    return tuple(numbers + [0] * (4 - len(numbers)))


def _is_met(expected: Expected, verdict: Verdict) -> bool:
    return verdict is expected.verdict or (
        # In the transaction of a migration it did fail.
        expected.verdict is Verdict.FAILS and verdict.refused
    )


def _seen(finding: Finding) -> str:
    """All that was said, in one line; of what works, the warnings are what is said."""
    return " ".join(" ".join((finding.message, *finding.warnings)).split())


def _not_met(declared: Expected | None, expected: Expected, finding: Finding, version: str | None) -> str:
    sentence = finding.verdict.sentence
    if finding.message:
        sentence += f": {' '.join(finding.message.split())}"
    if declared is None:
        remedy = finding.verdict.remedy
        return f"{sentence}{'' if sentence.endswith('.') else '.'} {remedy}" if remedy else sentence
    until = f" until {declared.until}, and this is {version}" if expected is not declared else ""
    return f"declared is “{declared.verdict}”{until}, but {sentence}"
