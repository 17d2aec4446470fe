"""Small mistakes that are planted in good snippets are noticed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.bench.checker import told
from migration_cookbook.bench.planted.mistakes import MistakeType
from migration_cookbook.bench.planted.mutants import Mutant
from migration_cookbook.bench.planted.noticing import FORMS, Planted, good, noticed, planted
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.process.trust import trusted
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.values.snippet import Form, Snippet

if TYPE_CHECKING:
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace

CORPUS = Path(__file__).parent / "corpus"
SEED, MUTANTS, CAUGHT = 1, 60, 0.85


def test_most_mistakes_are_noticed(verify_workspace: Workspace, verify_server: Server) -> None:
    snippets = [
        one for page in sorted(CORPUS.glob("*.md")) for one in trusted(read(page)) if one.form in FORMS
    ]
    chance = random.Random(SEED)
    originals = good(list(check(chance.sample(snippets, MUTANTS), Settings(verify_workspace))))
    pairs = chance.sample(planted(originals, SEED), MUTANTS)
    found = list(noticed(pairs, verify_workspace))
    assert len(found) > MUTANTS
    for caught in ([one for one in found if one.given], [one for one in found if one.inferred]):
        assert len(caught) >= CAUGHT * len(found), [str(one) for one in found if one not in caught]


def test_what_counts_and_what_does_not(verify_workspace: Workspace, verify_server: Server) -> None:
    snippet = Snippet(
        "page.md", 1, "sql", Form.SQL, "ALTER TABLE trips ADD COLUMN seats INTEGER", trusted=True
    )
    (original,) = check([snippet], Settings(verify_workspace))
    changes_nothing = Mutant(MistakeType.SQL_TYPO, snippet.text)
    fails = Mutant(MistakeType.SQL_TYPO, "ALTR TABLE trips ADD COLUMN seats INTEGER")
    unnoticed = Mutant(MistakeType.WRONG_TYPE, "ALTER TABLE trips ADD COLUMN seats BIGINT")
    pairs = [(original, mutant) for mutant in (changes_nothing, fails, unnoticed)]
    found = list(noticed(pairs, verify_workspace))
    assert {(one.mutant, one.database, one.given, one.inferred) for one in found} == {
        (mutant, dialect, caught, caught)
        for mutant, caught in ((fails, True), (unnoticed, False))
        for dialect in BOTH
    }


def test_survivors_are_listed() -> None:
    snippet = Snippet("page.md", 3, "sql", Form.SQL, "SELECT 1")
    caught = Planted(snippet, Mutant(MistakeType.SQL_TYPO, "a"), Dialect.SQLITE, given=True, inferred=True)
    missed = Planted(
        snippet, Mutant(MistakeType.WRONG_TYPE, "b"), Dialect.POSTGRES, given=True, inferred=False
    )
    lines = [str(one) for one in told([caught, missed])]
    assert lines == [
        "Of 2 mistakes that matter, in the original's world: 100.0% caught (should be ≥ 85%)",
        "  SQL typo: 1 of 1",
        "  wrong type: 1 of 1",
        "  not caught: none",
        "Of 2 mistakes that matter, in a world inferred from it: 50.0% caught (should be ≥ 85%: missed)",
        "  SQL typo: 1 of 1",
        "  wrong type: 0 of 1",
        "  not caught: page.md:3 on PostgreSQL: wrong type",
    ]
