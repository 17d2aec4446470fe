"""A snippet is held to what its author declared, and to working where nothing is declared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.judging.expecting import add_complaints, complaint, complaints
from migration_cookbook.verify.values.checked import Checked
from migration_cookbook.verify.values.snippet import Expected, Form, Snippet
from migration_cookbook.verify.values.verdict import Finding, Verdict

PLAIN = Snippet("page.md", 3, "python", Form.OPERATIONS, "op.drop_table('a')")


def declaring(verdict: Verdict, message: str = "", until: str | None = None) -> Snippet:
    return replace(PLAIN, expected={Dialect.SQLITE: Expected(verdict, message, until)})


def seen(verdict: Verdict, message: str = "", **more: tuple[str, ...]) -> Finding:
    return Finding(Dialect.SQLITE, verdict, message, **more)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_nobody_declared_is_expected_to_work(verdict: Verdict) -> None:
    said = complaint(PLAIN, seen(verdict, "no such table: a"), "3.40.1")
    assert (said is None) is (verdict is Verdict.WORKS)
    if said is not None:
        assert "no such table: a" in said


@pytest.mark.parametrize(
    "declared", [verdict for verdict in Verdict if verdict not in ("not run", "not decided")]
)
@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_declared_verdict_alone_is_as_declared(declared: Verdict, verdict: Verdict) -> None:
    said = complaint(declaring(declared), seen(verdict), "3.40.1")
    met = verdict is declared or (declared, verdict) == (Verdict.FAILS, Verdict.OUTSIDE)
    assert (said is None) is met


@pytest.mark.parametrize(
    ("message", "met"),
    [
        ("syntax error", True),
        ('near "ALTER": syntax error', True),
        ("two lines", True),
        ("Syntax error", False),
        ("no such table", False),
    ],
)
def test_the_declared_message_must_be_seen(message: str, met: bool) -> None:
    finding = seen(Verdict.FAILS, 'OperationalError: near "ALTER": syntax error in two\n  lines')
    said = complaint(declaring(Verdict.FAILS, message), finding, None)
    assert (said is None) is met
    if said is not None:
        assert message in said
        assert "near" in said
    outside = replace(finding, verdict=Verdict.OUTSIDE)
    assert (complaint(declaring(Verdict.FAILS, message), outside, None) is None) is met


def test_a_message_without_one_seen_is_not_as_declared() -> None:
    said = complaint(declaring(Verdict.FAILS, "syntax error"), seen(Verdict.FAILS), None)
    assert said == "declared is “syntax error”, and seen was: no message"


def test_what_works_may_be_declared_with_its_warning() -> None:
    finding = seen(Verdict.WORKS, warnings=("The option is ignored here.",))
    assert complaint(declaring(Verdict.WORKS, "is ignored"), finding, None) is None
    assert complaint(declaring(Verdict.WORKS, "is heeded"), finding, None) is not None


@pytest.mark.parametrize(
    ("version", "turned"),
    [
        ("3.40.1", False),
        ("3.52.9", False),
        ("3.53", True),
        ("3.53.0", True),
        ("3.54.1", True),
        ("4", True),
        (None, False),
    ],
)
def test_from_the_named_version_on_it_is_the_other_way_round(version: str | None, turned: bool) -> None:
    snippet = declaring(Verdict.FAILS, "syntax error", "3.53")
    fails = complaint(snippet, seen(Verdict.FAILS, "syntax error"), version)
    works = complaint(snippet, seen(Verdict.WORKS), version)
    assert (fails is None, works is None) == (not turned, turned)
    if turned:
        assert fails == f"declared is “fails” until 3.53, and this is {version}, but it fails: syntax error"
    held = declaring(Verdict.WORKS, until="3.53")
    assert (complaint(held, seen(Verdict.WORKS), version) is None) is not turned
    assert (complaint(held, seen(Verdict.FAILS), version) is None) is turned


def test_each_database_is_spoken_of_by_itself() -> None:
    findings = {
        Dialect.POSTGRES: Finding(Dialect.POSTGRES, Verdict.WORKS),
        Dialect.SQLITE: seen(Verdict.FAILS, "syntax error"),
    }
    assert complaints(PLAIN, findings, {}) == ("SQLite: it fails: syntax error",)
    both = replace(PLAIN, expected={dialect: Expected(Verdict.FAILS) for dialect in BOTH})
    assert complaints(both, findings, {}) == ("PostgreSQL: declared is “fails”, but it works",)
    assert complaints(declaring(Verdict.FAILS), findings, {}) == ()


def test_a_remedy_stands_beside_what_its_author_can_mend() -> None:
    (said,) = complaints(PLAIN, {Dialect.SQLITE: seen(Verdict.PLACEHOLDER, "... stands for something")}, {})
    assert said == (
        "SQLite: it holds a placeholder: ... stands for something. "
        'Write a real value, or declare skip="why it is not run".'
    )


def test_a_skipped_snippet_is_not_complained_of() -> None:
    skipped = replace(PLAIN, skip="a placeholder")
    assert complaints(skipped, {Dialect.SQLITE: seen(Verdict.PLACEHOLDER)}, {}) == ()
    assert complaints(skipped, {}, {}) == ()


def test_a_database_that_the_page_is_not_about_does_not_count() -> None:
    page = replace(PLAIN, on=(Dialect.POSTGRES,))
    findings = {
        Dialect.SQLITE: seen(Verdict.FAILS),
        Dialect.POSTGRES: Finding(Dialect.POSTGRES, Verdict.WORKS),
    }
    assert complaints(page, findings, {}) == ()


def test_nothing_seen_is_no_pass() -> None:
    assert complaints(PLAIN, {}, {}) == ("It was run on no database.",)
    assert complaints(replace(PLAIN, on=(Dialect.POSTGRES,)), {Dialect.SQLITE: seen(Verdict.WORKS)}, {}) != ()


def test_a_checked_snippet_bears_its_complaints() -> None:
    checked = Checked(PLAIN, {Dialect.SQLITE: seen(Verdict.FAILS, "x")})
    assert add_complaints(checked, {}).complaints == ("SQLite: it fails: x",)
