"""A snippet with what came of it on each database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.verify.values.verdict import Finding


@dataclass(frozen=True)
class Checked:
    """A snippet with what came of it on each database."""

    snippet: Snippet
    findings: Mapping[Dialect, Finding] = field(default_factory=dict)
    #: Sentences about what is not as declared; empty if all is.
    complaints: tuple[str, ...] = ()
