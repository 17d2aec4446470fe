"""How many small mistakes does the checker notice? Planted in good snippets, and counted where they matter.

A mutant counts on a database if there, in the world of the snippet that it was made from, its
SQL, the schema it leaves or the error is another one. It is caught if its verdict is not
`works`, or it works with a warning that the original does not have.
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

    from migration_cookbook.bench.planted.mutants import Mutant
    from migration_cookbook.databases.dialects import Dialect as Database
    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.verify.values.verdict import Finding
    from migration_cookbook.workspace import Workspace

#: Those that can be planted in.
FORMS = (Form.OPERATIONS, Form.FUNCTIONS, Form.REVISION, Form.SQL)


@dataclass(frozen=True)
class Planted:
    """A mistake that matters on a database, and whether it was noticed there."""

    original: Snippet
    mutant: Mutant
    database: Database
    #: In the world of the original.
    given: bool
    #: In a world that was inferred from the mutant itself.
    inferred: bool

    def __str__(self) -> str:
        name = self.original.name or self.original.place
        return f"{name} on {self.database.title}: {self.mutant.mistake}"


def good(checked: Sequence[Checked]) -> list[Checked]:
    """The snippets in which a mistake can be planted: they work as they are on both databases."""
    return [
        one
        for one in checked
        if one.snippet.form in FORMS
        and set(one.findings) == set(BOTH)
        and all(finding.verdict is Verdict.WORKS for finding in one.findings.values())
    ]


def planted(originals: Sequence[Checked], seed: int) -> list[tuple[Checked, Mutant]]:
    """The mutants of good snippets, each with what it was made from."""
    return [(one, mutant) for one in originals for mutant in mutants(one.snippet.text, seed)]


def noticed(pairs: Sequence[tuple[Checked, Mutant]], workspace: Workspace) -> Iterator[Planted]:
    """Those that matter, on each database."""
    inferred = [_mutated(original, mutant) for original, mutant in pairs]
    without = list(check(inferred, Settings(workspace)))
    for dialect in BOTH:
        worlds = [_world(original.findings[dialect]) for original, _ in pairs]
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
                yield Planted(
                    original.snippet,
                    mutant,
                    dialect,
                    given=_caught(same, other),
                    inferred=_caught(original.findings[dialect], alone.findings[dialect]),
                )


def _mutated(original: Checked, mutant: Mutant) -> Snippet:
    return replace(original.snippet, text=mutant.text)


def _world(finding: Finding) -> str:
    return ";\n".join(finding.assumed)


def _outcome(finding: Finding) -> tuple[object, ...]:
    return finding.sent, finding.sent_down, finding.fingerprint, finding.verdict, finding.message


def _caught(original: Finding, mutant: Finding) -> bool:
    return mutant.verdict is not Verdict.WORKS or bool(set(mutant.warnings) - set(original.warnings))
