"""The checker detects most mutants of good snippets."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.bench.planted.mistakes import MistakeType
from migration_cookbook.bench.planted.mutants import SnippetMutant
from migration_cookbook.bench.planted.mutation_score import FORMS, ScoredMutant, mutable, mutants_of, score
from migration_cookbook.bench.verify import score_figures
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.process.trust import trusted
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.values.snippet import Form, Snippet

if TYPE_CHECKING:
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace

CORPUS = Path(__file__).parent / "corpus"
SEED, MUTANTS, DETECTED = 1, 60, 0.85


def test_most_mutants_are_detected(verify_workspace: Workspace, verify_server: Server) -> None:
    snippets = [
        one for page in sorted(CORPUS.glob("*.md")) for one in trusted(read(page)) if one.form in FORMS
    ]
    chance = random.Random(SEED)
    originals = mutable(list(check(chance.sample(snippets, MUTANTS), Settings(verify_workspace))))
    pairs = chance.sample(mutants_of(originals, SEED), MUTANTS)
    found = list(score(pairs, verify_workspace))
    assert len(found) > MUTANTS
    for detected in (
        [one for one in found if one.detected_given],
        [one for one in found if one.detected_inferred],
    ):
        assert len(detected) >= DETECTED * len(found), [str(one) for one in found if one not in detected]


def test_what_counts_and_what_does_not(verify_workspace: Workspace, verify_server: Server) -> None:
    snippet = Snippet(
        "page.md", 1, "sql", Form.SQL, "ALTER TABLE trips ADD COLUMN seats INTEGER", trusted=True
    )
    (original,) = check([snippet], Settings(verify_workspace))
    changes_nothing = SnippetMutant(MistakeType.SQL_TYPO, snippet.text)
    fails = SnippetMutant(MistakeType.SQL_TYPO, "ALTR TABLE trips ADD COLUMN seats INTEGER")
    survivor = SnippetMutant(MistakeType.WRONG_TYPE, "ALTER TABLE trips ADD COLUMN seats BIGINT")
    pairs = [(original, mutant) for mutant in (changes_nothing, fails, survivor)]
    found = list(score(pairs, verify_workspace))
    assert {(one.mutant, one.dialect, one.detected_given, one.detected_inferred) for one in found} == {
        (mutant, dialect, detected, detected)
        for mutant, detected in ((fails, True), (survivor, False))
        for dialect in BOTH
    }


def test_survivors_are_listed() -> None:
    snippet = Snippet("page.md", 3, "sql", Form.SQL, "SELECT 1")
    detected = ScoredMutant(
        snippet,
        SnippetMutant(MistakeType.SQL_TYPO, "a"),
        Dialect.SQLITE,
        detected_given=True,
        detected_inferred=True,
    )
    survivor = ScoredMutant(
        snippet,
        SnippetMutant(MistakeType.WRONG_TYPE, "b"),
        Dialect.POSTGRES,
        detected_given=True,
        detected_inferred=False,
    )
    lines = [str(one) for one in score_figures([detected, survivor])]
    assert lines == [
        "Of 2 mutants that matter, in the original's world: 100.0% detected (should be ≥ 85%)",
        "  SQL typo: 1 of 1",
        "  wrong type: 1 of 1",
        "  survived: none",
        "Of 2 mutants that matter, in a world inferred from it: 50.0% detected (should be ≥ 85%: missed)",
        "  SQL typo: 1 of 1",
        "  wrong type: 0 of 1",
        "  survived: page.md:3 on PostgreSQL: wrong type",
    ]
