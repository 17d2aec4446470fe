"""Pages become snippets: your own are read in this process, anybody else's in a contained one.

Each page is opened once. Whose it is, is decided on the opened file and stays with its snippets.
"""

from __future__ import annotations

import base64
from contextlib import ExitStack
from typing import TYPE_CHECKING

from migration_cookbook.databases import throwaway
from migration_cookbook.verify.containment import ContainedWorker, NotContained
from migration_cookbook.verify.process.trust import Trust, mark_trusted
from migration_cookbook.verify.process.untrusted import NoReportError, read_page
from migration_cookbook.verify.reading import read_text
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.reading.page_file import open_page
from migration_cookbook.worker import Limits
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from migration_cookbook.verify.values.snippet import Snippet

_READ = "migration_cookbook.verify.process.jobs:read_page"
#: Reading takes milliseconds. Only a page that's made to take long takes so long.
_LIMITS = Limits(seconds=10.0)
#: The snippets of a page are about as long as the page, which may be a notebook of 10 MB.
_LONGEST = 24_000_000


class PageReader:
    """Reads pages one after the other; a context manager."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._stack = ExitStack()
        #: Warm, once a page was read in it: others may use it as long as this reader is open.
        self.worker: ContainedWorker | None = None
        #: The pages that are somebody else's, as they were named.
        self.untrusted: list[Path] = []

    def __enter__(self) -> PageReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def read(self, path: Path) -> tuple[Snippet, ...]:
        """All that's in a page, each snippet with its owner. What's wrong with the page is a CookbookError."""
        page = open_page(path)
        if self._trust.covers(page):
            return mark_trusted(read_text(path.as_posix(), page.content))
        self.untrusted.append(path)
        return self._read_contained(path, page.content)

    def _read_contained(self, path: Path, content: bytes) -> tuple[Snippet, ...]:
        file = path.as_posix()
        with throwaway.page_folder() as (folder, _):
            try:
                ended = self._ready().run(
                    _READ,
                    {"file": file, "content": base64.b64encode(content).decode()},
                    folder,
                    limits=_LIMITS,
                    longest=_LONGEST,
                )
            except NotContained as reason:
                raise CookbookError(f"{file}: not read: needs --trust: {reason}.") from None
        if ended.how != "returned":
            raise PageMistake(file, 1, f"this page can't be read: {ended.error or ended.how}")
        try:
            mistake, snippets = read_page(ended.value, file)
        except NoReportError:
            raise PageMistake(file, 1, "this page can't be read: what's in it makes no sense") from None
        if mistake:
            raise CookbookError(mistake)
        return snippets

    def _ready(self) -> ContainedWorker:
        if self.worker is None:
            self.worker = ContainedWorker("migration_cookbook.verify.process.jobs")
            self._stack.callback(self.worker.close)
        return self.worker
