"""Run the snippets of a project's pages as its tests: `pytest --cookbook-verify docs/`.

Each snippet is a test. Without the option this does nothing, and imports nothing of the kit.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.verify import PageReader, Snippet, VerificationRun

_OPTION = "--cookbook-verify"
_WIDTH_OF_A_NAME = 60


class SnippetWarning(pytest.PytestWarning):
    """A snippet runs, but does something else than it says."""


class NotAsDeclaredError(Exception):
    """A snippet is not as its author declared it, or does not work; the report says why."""


class Page(pytest.File):
    """A file with its snippets."""

    snippets: tuple[Snippet, ...] = ()

    def collect(self) -> Iterator[SnippetItem]:
        from migration_cookbook.verify import Form
        from migration_cookbook.workspace import CookbookError

        try:
            found = _reader(self.session).read(Path(os.path.relpath(self.path)))
        except CookbookError as error:
            raise self.CollectError(str(error)) from None
        self.snippets = tuple(one for one in found if one.form is not Form.UNRELATED)
        for snippet in self.snippets:
            yield SnippetItem.from_parent(self, name=_name(snippet), snippet=snippet)


class SnippetItem(pytest.Item):
    """One snippet as a test."""

    def __init__(self, *, snippet: Snippet, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]  # pytest passes its own
        self.snippet = snippet

    def runtest(self) -> None:
        run = self.session.stash[_RUNS][self.snippet.place]
        (checked,) = run.checked
        if self.snippet.skip is not None:
            pytest.skip(self.snippet.skip)
        if checked.complaints:
            raise NotAsDeclaredError(_in_full(run))
        for finding in run.findings(checked):
            for warning in finding.warnings:
                self.warn(SnippetWarning(f"{self.snippet.place}: on {finding.dialect.title}, {warning}"))

    def repr_failure(  # type: ignore[override]  # a text is one of the forms that pytest shows
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> object:
        if isinstance(excinfo.value, NotAsDeclaredError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.snippet.line - 1, self.name


#: By place of the snippet: what came of it.
_RUNS = pytest.StashKey[dict[str, "VerificationRun"]]()
_READER = pytest.StashKey["PageReader"]()


def _reader(session: pytest.Session) -> PageReader:
    """One for all pages. Those that aren't yours are contained: pytest's own rights are for this project only."""
    if _READER not in session.stash:
        from migration_cookbook.verify import PageReader, decide_trust
        from migration_cookbook.workspace import open_workspace

        session.stash[_READER] = PageReader(decide_trust(open_workspace()))
    return session.stash[_READER]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _READER in session.stash:
        session.stash[_READER].close()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cookbook", "migrations in pages")
    group.addoption(
        _OPTION,
        action="store_true",
        help="check the snippets of Markdown files and notebooks on SQLite and PostgreSQL",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Page | None:
    """Take the file for a page, if the option is given and it may be one."""
    if not parent.config.getoption(_OPTION):
        return None
    from migration_cookbook.verify import format_of, is_readable

    if not is_readable(file_path):
        return None
    if format_of(file_path).in_tests or parent.session.isinitpath(file_path):
        return Page.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Check all snippets together before the first test: warm processes do it many times faster."""
    items = [item for item in session.items if isinstance(item, SnippetItem)]
    if items and not session.config.option.collectonly:
        session.stash[_RUNS] = _check_together(items)


def _check_together(items: list[SnippetItem]) -> dict[str, VerificationRun]:
    from migration_cookbook.databases.dialects import BOTH
    from migration_cookbook.verify import Settings, VerificationRun, add_complaints, check, database_versions
    from migration_cookbook.workspace import open_workspace

    # Whole pages: whether a helper ran is seen at the snippets that use it.
    pages = dict.fromkeys(item.parent for item in items)
    snippets = [snippet for page in pages if isinstance(page, Page) for snippet in page.snippets]
    with _clean_environment():
        settings = Settings(open_workspace(), BOTH)
        checked = list(check(snippets, settings))
        asked = database_versions(settings.workspace, settings.dialects)
    return {one.snippet.place: VerificationRun((add_complaints(one, asked),), asked) for one in checked}


@contextmanager
def _clean_environment() -> Iterator[None]:
    """Without the variables that lead to somebody's database; the project's own tests get them back."""
    from migration_cookbook.databases.environment import clean_environment

    before = dict(os.environ)
    clean_environment()
    try:
        yield
    finally:
        os.environ.update(before)


def _in_full(run: VerificationRun) -> str:
    from migration_cookbook.verify import detail_lines

    (checked,) = run.checked
    return "\n".join([checked.snippet.place, *detail_lines(run, checked, sql=True)])


def _name(snippet: Snippet) -> str:
    from migration_cookbook.printable import truncate
    from migration_cookbook.verify import title

    words = truncate(title(snippet), _WIDTH_OF_A_NAME)
    # `::` parts the names of a test's address, and what's in brackets is shown as it is.
    return f"line {snippet.line}[{words.replace('::', ':')}]"
