"""`cookbook verify`: read the pages, check their snippets and report on them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.printable import printable
from migration_cookbook.verify.judging.expecting import add_complaints
from migration_cookbook.verify.judging.versions import database_versions
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.process.pages import PageReader
from migration_cookbook.verify.reading.files import files_of
from migration_cookbook.verify.report import REPORT_FORMATS, terminal
from migration_cookbook.verify.report.run import VerificationRun
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from migration_cookbook.verify.process.trust import Trust
    from migration_cookbook.verify.values.snippet import Snippet


@dataclass(frozen=True)
class Collection:
    """What's in the pages."""

    #: Those that Alembic or a database can run.
    snippets: tuple[Snippet, ...]
    mistakes: tuple[str, ...]
    unrelated_count: int


def verify_pages(
    paths: Sequence[Path], settings: Settings, form: str | None, *, trust: Trust, show_sql: bool
) -> int:
    """Check the pages and print the report; return 0 if at least one snippet was found and each is as declared, else 1."""
    with PageReader(trust) as reader:
        found = collect(paths, settings, reader)
        if reader.untrusted:
            print(printable(_notice(reader.untrusted, trust)), file=sys.stderr)
        with terminal.progress(len(found.snippets)) as on_progress:
            checked = (
                tuple(check(found.snippets, settings, on_progress, reader.worker)) if found.snippets else ()
            )
    asked = database_versions(settings.workspace, settings.dialects)
    run = VerificationRun(
        tuple(add_complaints(one, asked) for one in checked),
        asked,
        found.mistakes,
        found.unrelated_count,
        show_sql=show_sql,
    )
    if form is None:
        terminal.print_report(run)
    else:
        sys.stdout.write(REPORT_FORMATS[form](run) + "\n")
    return 0 if run.good else 1


def _notice(untrusted: Sequence[Path], trust: Trust) -> str:
    """One line about the pages that aren't yours."""
    if len(untrusted) == 1:
        said = f"{untrusted[0]} isn't taken for yours, so it runs contained."
        why = "It isn't tracked by the Git repository"
    else:
        said = f"{len(untrusted)} pages aren't taken for yours, so they run contained."
        why = "They aren't tracked by the Git repository"
    reason = trust.doubt or (f"{why} {trust.repository}." if trust.repository else "")
    return " ".join(word for word in (said, reason, "Add --trust for what you wrote yourself.") if word)


def collect(paths: Sequence[Path], settings: Settings, reader: PageReader) -> Collection:
    """The snippets of all files, each file once; a page with a mistake does not keep the others from being read."""
    files = dict.fromkeys(file for path in paths for file in files_of(path))
    snippets: list[Snippet] = []
    mistakes: list[str] = []
    for file in files:
        try:
            snippets += reader.read(file)
        except CookbookError as mistake:
            mistakes.append(str(mistake))
    ours = [one for one in snippets if one.form is not Form.UNRELATED]
    asked = tuple(one for one in ours if set(one.on) & set(settings.dialects))
    return Collection(asked, tuple(mistakes), len(snippets) - len(ours))
