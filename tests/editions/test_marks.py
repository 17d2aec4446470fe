"""What a mark says of a finding: few words, and the same for the same."""

from __future__ import annotations

import pytest

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.editions.marks import mark
from migration_cookbook.locks import Lock
from migration_cookbook.verify.values.checked import Checked
from migration_cookbook.verify.values.snippet import Expected, Form, Snippet
from migration_cookbook.verify.values.verdict import Difference, Finding, Verdict

SQLITE, POSTGRES = Dialect.SQLITE, Dialect.POSTGRES
SENT = ("ALTER TABLE books DROP COLUMN isbn",)
ALL, WRITERS = ("SELECT", "INSERT", "UPDATE"), ("INSERT", "UPDATE")


def of(*findings: Finding, on: tuple[Dialect, ...] = (SQLITE, POSTGRES), **more: object) -> str:
    snippet = Snippet("a.md", 1, "python", Form.OPERATIONS, "op.…", on=on, **more)  # type: ignore[arg-type]
    return mark(Checked(snippet, {finding.dialect: finding for finding in findings}))


def works(
    dialect: Dialect, *differences: Difference, locks: tuple[Lock, ...] = (), sent: tuple[str, ...] = SENT
) -> Finding:
    # However it's worded: a mark is made of what is known, not of sentences.
    warnings = tuple(f"Achtung, {number}" for number, _ in enumerate(differences))
    return Finding(dialect, Verdict.WORKS, sent=sent, warnings=warnings, differences=differences, locks=locks)


def test_both_databases_stand_in_one_line() -> None:
    held = (
        Lock("books", "SHARE ROW EXCLUSIVE", False, WRITERS),
        Lock("members", "SHARE ROW EXCLUSIVE", False, WRITERS),
        Lock("roles", "ROW EXCLUSIVE", False, ()),
        Lock("shelves", "ACCESS EXCLUSIVE", False, (), made=True),
    )
    said = of(
        works(SQLITE, sent=('INSERT INTO _alembic_tmp_books SELECT "id"',)), works(POSTGRES, locks=held)
    )
    assert said == "SQLite ✓ copies the table · PostgreSQL ✓ SHARE ROW EXCLUSIVE on books and members"


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (works(SQLITE), "SQLite ✓"),
        (works(POSTGRES), "PostgreSQL ✓ no lock"),
        (
            works(POSTGRES, locks=(Lock("books", "ACCESS EXCLUSIVE", True, ALL),)),
            "PostgreSQL ✓ ACCESS EXCLUSIVE on books, rewritten",
        ),
        (
            works(SQLITE, Difference.PLAIN_INDEX, Difference.NO_COMMENT),
            "SQLite ≈ plain index, no comment",
        ),
        (works(SQLITE, Difference.OTHER), "SQLite ≈ differs"),
        (Finding(SQLITE, Verdict.FAILS, "near ALTER", needs_batch=True), "SQLite ✗ needs a batch"),
        (
            Finding(SQLITE, Verdict.FAILS, "batch_alter_table: non-constant default", better=("a batch",)),
            "SQLite ✗ fails",
        ),
        (Finding(POSTGRES, Verdict.OUTSIDE, "25001"), "PostgreSQL ✗ only outside a transaction"),
        (Finding(SQLITE, Verdict.NOTHING_RAN, "no operation"), "SQLite – nothing to do"),
        (Finding(SQLITE, Verdict.NEEDS_CONTEXT, "the role x"), "SQLite – needs context"),
    ],
)
def test_a_finding_in_a_few_words(finding: Finding, said: str) -> None:
    assert of(finding, on=(finding.dialect,)) == said


def test_the_version_that_changes_it_is_said() -> None:
    expected = {SQLITE: Expected(Verdict.FAILS, "near", "3.53")}
    assert of(Finding(SQLITE, Verdict.FAILS, "near", needs_batch=True), expected=expected) == (
        "SQLite ✗ needs a batch before 3.53"
    )


def test_where_nothing_was_sent_nothing_is_said() -> None:
    assert of(works(SQLITE, sent=()), works(POSTGRES, sent=())) == ""
