"""The checker's mutation score: the share of mutants that it detects, of those that matter.

A mutant matters on a database if there, in the world of the snippet that it was made from, its
SQL, the schema it leaves or the error is another one. It's detected if its verdict isn't
`works`, or it works with a warning that the original doesn't have; else it survived.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migration_cookbook.bench.planted.mutants import mutants
from migration_cookbook.databases.dialects import BOTH
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.bench.planted.mutants import SnippetMutant
    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.verify.values.verdict import Finding
    from migration_cookbook.workspace import Workspace

#: Those that mutants can be made of.
FORMS = (Form.OPERATIONS, Form.FUNCTIONS, Form.REVISION, Form.SQL)


@dataclass(frozen=True)
class ScoredMutant:
    """A mutant that matters on a database, and whether it was detected there."""

    original: Snippet
    mutant: SnippetMutant
    dialect: Dialect
    #: In the world of the original.
    detected_given: bool
    #: In a world that was inferred from the mutant itself.
    detected_inferred: bool

    def __str__(self) -> str:
        name = self.original.name or self.original.place
        return f"{name} on {self.dialect.title}: {self.mutant.mistake}"


def mutable(checked: Sequence[Checked]) -> list[Checked]:
    """Return the snippets to make mutants of: they work as they are on both databases."""
    return [
        one
        for one in checked
        if one.snippet.form in FORMS
        and set(one.findings) == set(BOTH)
        and all(finding.verdict is Verdict.WORKS for finding in one.findings.values())
    ]


def mutants_of(originals: Sequence[Checked], seed: int) -> list[tuple[Checked, SnippetMutant]]:
    """Return the mutants of snippets, each with its original."""
    return [(one, mutant) for one in originals for mutant in mutants(one.snippet.text, seed)]


def score(pairs: Sequence[tuple[Checked, SnippetMutant]], workspace: Workspace) -> Iterator[ScoredMutant]:
    """Yield the mutants that matter, for each database."""
    inferred = [_mutated(original, mutant) for original, mutant in pairs]
    without = list(check(inferred, Settings(workspace)))
    for dialect in BOTH:
        worlds = [_assumed_schema(original.findings[dialect]) for original, _ in pairs]
        # The original once more, in its own world: what is stated may be told otherwise than what is inferred.
        unchanged = [
            replace(original.snippet, given=world) for (original, _), world in zip(pairs, worlds, strict=True)
        ]
        changed = [replace(one, given=world) for one, world in zip(inferred, worlds, strict=True)]
        settings = Settings(workspace, (dialect,))
        tried = [one.findings[dialect] for one in check([*unchanged, *changed], settings)]
        before, after = tried[: len(pairs)], tried[len(pairs) :]
        for (original, mutant), same, other, alone in zip(pairs, before, after, without, strict=True):
            if same.verdict is Verdict.WORKS and _outcome(same) != _outcome(other):
                yield ScoredMutant(
                    original.snippet,
                    mutant,
                    dialect,
                    detected_given=_detected(same, other),
                    detected_inferred=_detected(original.findings[dialect], alone.findings[dialect]),
                )


def _mutated(original: Checked, mutant: SnippetMutant) -> Snippet:
    return replace(original.snippet, text=mutant.text)


def _assumed_schema(finding: Finding) -> str:
    return ";\n".join(finding.assumed)


def _outcome(finding: Finding) -> tuple[object, ...]:
    return finding.sent, finding.sent_down, finding.fingerprint, finding.verdict, finding.message


def _detected(original: Finding, mutant: Finding) -> bool:
    return mutant.verdict is not Verdict.WORKS or bool(set(mutant.warnings) - set(original.warnings))
