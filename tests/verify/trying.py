"""Tries one snippet out for a test, in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.sandbox.recorder import recording
from migration_cookbook.verify.judging.judge import judge
from migration_cookbook.verify.trial.trial import trial
from migration_cookbook.verify.values.outcome import Text
from migration_cookbook.verify.values.snippet import Form, Snippet

if TYPE_CHECKING:
    from migration_cookbook.databases.database import Database
    from migration_cookbook.verify.values.outcome import Trial
    from migration_cookbook.verify.values.verdict import Finding


@dataclass(frozen=True)
class Desk:
    """A scratch database for PostgreSQL; SQLite's are in memory."""

    scratch: Database

    def trial(
        self,
        text: str,
        dialect: Dialect,
        form: Form = Form.OPERATIONS,
        before: tuple[tuple[Form, str], ...] = (),
        given: str | None = None,
        *,
        locks: bool = False,
    ) -> Trial:
        url = self.scratch.url if dialect is Dialect.POSTGRES else None
        with recording() as recorder:
            return trial(Text(form, text, before, given), dialect, url, recorder, locks=locks)

    def finding(
        self,
        text: str,
        dialect: Dialect,
        form: Form = Form.OPERATIONS,
        before: tuple[tuple[Form, str], ...] = (),
        given: str | None = None,
    ) -> Finding:
        snippet = Snippet("page.md", 1, "python", form, text)
        return judge(snippet, dialect, self.trial(text, dialect, form, before, given))
