"""Check snippets on each database, in as many warm processes as there are cores."""

from __future__ import annotations

import itertools
import os
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases import server
from migration_cookbook.databases.binaries import find_binaries
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.judging.judge import judge, placeholder
from migration_cookbook.verify.process.quarantine import Job, PageResources, Quarantine
from migration_cookbook.verify.process.untrusted import read_trial
from migration_cookbook.verify.values.checked import Checked
from migration_cookbook.verify.values.verdict import Finding, Verdict
from migration_cookbook.worker import Limits, Worker
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import sqlalchemy as sa

    from migration_cookbook.databases.backend import Backend
    from migration_cookbook.verify.containment import ContainedWorker
    from migration_cookbook.verify.values.outcome import Trial
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.workspace import Workspace

#: Snippets that one child tries one after the other at most, so that they share a connection.
_CHUNK = 64
#: Of somebody else's, so few that one that takes the others along costs little.
_SMALL_CHUNK = 8
_LIMITS = Limits(seconds=10.0)
_NO_ROLES = "needs --trust: on a server of your own there are no roles to hold it"
#: What a warm process must have imported.
RUNNER = "migration_cookbook.verify.process.jobs"
_RUN = f"{RUNNER}:run_all"
#: The same, and what its first jobs would have to find out each time anew.
_WARM = "migration_cookbook.verify.process.warm"


@dataclass(frozen=True)
class Settings:
    """How a run is made."""

    workspace: Workspace
    dialects: tuple[Dialect, ...] = BOTH
    #: Look at what each snippet locks on PostgreSQL, too.
    locks: bool = False


@dataclass
class _Slot:
    """One warm process with its own scratch database, and a place for somebody else's snippets."""

    worker: Worker
    url: sa.URL | None
    quarantine: Quarantine
    locks: bool
    #: Whether the server isn't the cookbook's own.
    shared: bool


def check(
    snippets: Sequence[Snippet],
    settings: Settings,
    on_progress: Callable[[int], None] | None = None,
    contained: ContainedWorker | None = None,
) -> Iterator[Checked]:
    """Each snippet with its findings, in order; `on_progress` hears how many are done. `contained`: one that's warm."""
    with open_checker(snippets, settings, contained) as checker:
        yield from checker.check(snippets, on_progress)


class Checker:
    """Warm processes, as many as may work at a time; made by `open_checker`."""

    def __init__(
        self,
        stack: ExitStack,
        settings: Settings,
        host: Backend | None,
        unavailable: str,
        size: int,
        contained: ContainedWorker | None,
    ) -> None:
        self._settings, self._unavailable = settings, unavailable
        self._stack = stack
        self._slots = SimpleQueue[_Slot]()
        self._all = [
            _make_slot(stack, host, settings, None if number else contained) for number in range(size)
        ]
        for slot in self._all:
            self._slots.put(slot)
        self._pool = stack.enter_context(ThreadPoolExecutor(size))

    def start(self, snippets: Sequence[Snippet]) -> None:
        """Let those warm up meanwhile that these snippets need."""
        for slot in self._all:
            if any(one.trusted for one in snippets):
                slot.worker.start()
            if not all(one.trusted for one in snippets):
                slot.quarantine.start()

    def check(
        self, snippets: Sequence[Snippet], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Checked]:
        """Each snippet with its findings, in order."""
        futures = [self._pool.submit(task) for task in self._tasks(snippets)]
        done = 0
        page: list[Checked] = []
        for future in futures:
            for checked in future.result():
                done += 1
                if on_progress is not None:
                    on_progress(done)
                # Whether a definition was used shows at the end of its page.
                if page and page[-1].snippet.file != checked.snippet.file:
                    yield from _pass_used_definitions(page)
                    page = []
                page.append(checked)
        yield from _pass_used_definitions(page)

    def _tasks(self, snippets: Sequence[Snippet]) -> Iterator[Callable[[], list[Checked]]]:
        """Your own in large chunks; anybody else's page by page, in small ones."""
        for trusted, some in _neighbors(snippets, lambda one: one.trusted):
            if trusted:
                for chunk in _chunks(some, len(self._all)):
                    yield partial(self._check_own, chunk)
                continue
            for _, page in _neighbors(some, lambda one: one.file):
                chunks = _small_chunks(page)
                resources = _SharedResources(self._settings.workspace, len(page), len(chunks))
                self._stack.callback(resources.close)
                for chunk in chunks:
                    yield partial(self._check_untrusted, chunk, resources)

    def _check_own(self, chunk: Sequence[Snippet]) -> list[Checked]:
        return _check_chunk(chunk, self._settings.dialects, self._slots, self._unavailable)

    def _check_untrusted(self, chunk: Sequence[Snippet], resources: _SharedResources) -> list[Checked]:
        slot = self._slots.get()
        try:
            return _check_contained(chunk, self._settings.dialects, slot, resources, _no_throwaway())
        finally:
            self._slots.put(slot)
            resources.leave()


class _SharedResources:
    """A page's resources, made for the first of its chunks and closed after the last."""

    def __init__(self, workspace: Workspace, snippets: int, chunks: int) -> None:
        self._workspace, self._snippets, self._chunks = workspace, snippets, chunks
        self._resources: PageResources | None = None
        self._lock = threading.Lock()

    def enter(self) -> PageResources:
        with self._lock:
            if self._resources is None:
                self._resources = PageResources(self._workspace, self._snippets)
            return self._resources

    def leave(self) -> None:
        with self._lock:
            self._chunks -= 1
            if self._chunks:
                return
        self.close()

    def close(self) -> None:
        with self._lock:
            resources, self._resources = self._resources, None
        if resources is not None:
            resources.close()


@contextmanager
def open_checker(
    snippets: Sequence[Snippet], settings: Settings, contained: ContainedWorker | None = None
) -> Iterator[Checker]:
    """A checker for at least these snippets; within, it stays warm."""
    with ExitStack() as stack:
        # Somebody else's snippets never reach the server that others work on.
        own = any(one.trusted for one in snippets)
        host, unavailable = _server(settings) if own else (None, "")
        if host is not None:
            host.sweep()
        size = max(1, min(os.cpu_count() or 1, -(-len(snippets) // 4)))
        checker = Checker(stack, settings, host, unavailable, size, contained)
        checker.start(snippets)
        yield checker


def check_one(snippet: Snippet, settings: Settings, worker: Worker) -> Checked:
    """The same for one snippet of the user's own, in a process that the caller keeps warm."""
    with ExitStack() as stack:
        host, unavailable = _server(settings)
        slots = SimpleQueue[_Slot]()
        shared = host is not None and not host.capabilities.has_roles
        slots.put(_Slot(worker, _scratch(stack, host), _quarantine(stack), settings.locks, shared))
        return _check_chunk([snippet], settings.dialects, slots, unavailable)[0]


def _server(settings: Settings) -> tuple[Backend | None, str]:
    if Dialect.POSTGRES not in settings.dialects:
        return None, ""
    try:
        return server.attach(settings.workspace), ""
    except CookbookError as error:
        return None, str(error)


def _make_slot(
    stack: ExitStack, host: Backend | None, settings: Settings, contained: ContainedWorker | None
) -> _Slot:
    worker = Worker(_WARM)
    stack.callback(worker.close)
    shared = host is not None and not host.capabilities.has_roles
    return _Slot(worker, _scratch(stack, host), _quarantine(stack, contained), settings.locks, shared)


def _quarantine(stack: ExitStack, contained: ContainedWorker | None = None) -> Quarantine:
    """It costs nothing until somebody is put there."""
    made = Quarantine(contained)
    stack.callback(made.close)
    return made


def _scratch(stack: ExitStack, host: Backend | None) -> sa.URL | None:
    """A database that goes with the stack."""
    return None if host is None else stack.enter_context(host.temporary_database()).url


def _neighbors(
    snippets: Sequence[Snippet], key: Callable[[Snippet], Any]
) -> Iterator[tuple[Any, list[Snippet]]]:
    """Neighbors with the same key."""
    for value, some in itertools.groupby(snippets, key):
        yield value, list(some)


def _chunks(snippets: Sequence[Snippet], workers: int) -> list[Sequence[Snippet]]:
    """About equal ones, as many for each worker."""
    rounds = -(-len(snippets) // (workers * _CHUNK))
    length = max(1, -(-len(snippets) // max(1, rounds * workers)))
    return [snippets[start : start + length] for start in range(0, len(snippets), length)]


def _small_chunks(snippets: Sequence[Snippet]) -> list[list[Snippet]]:
    """Few enough that the time of one trial is enough for all of them; what changes a library is alone."""
    found: list[list[Snippet]] = []
    for snippet in snippets:
        if snippet.alone or not found or len(found[-1]) >= _SMALL_CHUNK or found[-1][-1].alone:
            found.append([])
        found[-1].append(snippet)
    return found


def _no_throwaway() -> str:
    """Why there is no PostgreSQL server for somebody else's page; empty if there is."""
    if not server.capabilities().has_roles:
        return _NO_ROLES
    return "" if find_binaries() is not None else server.NO_BINARIES


def _check_contained(
    chunk: Sequence[Snippet],
    dialects: Sequence[Dialect],
    slot: _Slot,
    resources: _SharedResources,
    no_postgres: str,
) -> list[Checked]:
    """The findings of a few snippets of somebody else's; `no_postgres` says why PostgreSQL isn't there."""
    findings: dict[tuple[int, Dialect], Finding] = {}
    jobs: dict[tuple[int, Dialect], Job] = {}
    for number, snippet in enumerate(chunk):
        for dialect in dialects:
            if snippet.skip is not None:
                findings[number, dialect] = Finding(dialect, Verdict.NOT_RUN, f"skipped: {snippet.skip}")
            elif snippet.placeholder:
                findings[number, dialect] = Finding(
                    dialect, Verdict.PLACEHOLDER, f"{snippet.placeholder} stands for something"
                )
            elif no_postgres and dialect is Dialect.POSTGRES:
                findings[number, dialect] = Finding(dialect, Verdict.NOT_RUN, no_postgres)
            else:
                jobs[number, dialect] = Job(snippet, dialect, _arguments(slot, snippet, dialect))
    if jobs:
        found = slot.quarantine.try_out(list(jobs.values()), resources.enter())
        findings |= dict(zip(jobs, found, strict=True))
    return [
        Checked(snippet, {dialect: findings[number, dialect] for dialect in dialects})
        for number, snippet in enumerate(chunk)
    ]


def _check_chunk(
    chunk: Sequence[Snippet], dialects: Sequence[Dialect], slots: SimpleQueue[_Slot], unavailable: str
) -> list[Checked]:
    """The findings of a few snippets of your own."""
    findings: dict[int, dict[Dialect, Finding]] = defaultdict(dict)
    jobs: list[tuple[int, Dialect]] = []
    for number, snippet in enumerate(chunk):
        for dialect in dialects:
            known = _judge_without_trial(snippet, dialect, unavailable)
            if known is not None:
                findings[number][dialect] = known
            else:
                jobs.append((number, dialect))
    slot = slots.get()
    try:
        together = [(number, dialect) for number, dialect in jobs if not chunk[number].needs_own_process]
        tried = dict(zip(together, _try_together(slot, chunk, together), strict=True))
        for number, dialect in jobs:
            if (number, dialect) not in tried:
                tried[number, dialect] = _try_alone(slot, _arguments(slot, chunk[number], dialect), dialect)
            trial = tried[number, dialect]
            findings[number][dialect] = (
                trial if isinstance(trial, Finding) else judge(chunk[number], dialect, trial)
            )
    finally:
        slots.put(slot)
    return [
        Checked(snippet, {dialect: findings[number][dialect] for dialect in dialects})
        for number, snippet in enumerate(chunk)
    ]


def _judge_without_trial(snippet: Snippet, dialect: Dialect, unavailable: str) -> Finding | None:
    if snippet.skip is not None:
        return Finding(dialect, Verdict.NOT_RUN, f"skipped: {snippet.skip}")
    found = placeholder(snippet)
    if found is not None:
        return Finding(dialect, Verdict.PLACEHOLDER, f"{found} stands for something")
    if dialect is Dialect.POSTGRES and unavailable:
        return Finding(dialect, Verdict.NOT_RUN, unavailable)
    return None


def _try_together(
    slot: _Slot, chunk: Sequence[Snippet], jobs: Sequence[tuple[int, Dialect]]
) -> list[Trial | Finding]:
    if not jobs:
        return []
    arguments = [_arguments(slot, chunk[number], dialect) for number, dialect in jobs]
    ended = slot.worker.run(_RUN, {"jobs": arguments}, Limits(_LIMITS.seconds + len(jobs), _LIMITS.memory))
    if ended.how == "returned":
        return [read_trial(one) for one in ended.value]
    # One of them took the others along: each for itself.
    return [_try_alone(slot, one, dialect) for one, (_, dialect) in zip(arguments, jobs, strict=True)]


def _try_alone(slot: _Slot, arguments: dict[str, Any], dialect: Dialect) -> Trial | Finding:
    ended = slot.worker.run(_RUN, {"jobs": [arguments]}, _LIMITS)
    if ended.how == "returned":
        return read_trial(ended.value[0])
    return Finding(dialect, Verdict.NOT_DECIDED, ended.error or ended.how)


def _arguments(slot: _Slot, snippet: Snippet, dialect: Dialect) -> dict[str, Any]:
    return {
        "kind": dialect.value,
        "url": slot.url.render_as_string(hide_password=False)
        if slot.url and dialect is Dialect.POSTGRES
        else None,
        "form": snippet.form.value,
        "text": snippet.text,
        "before": [[one.form.value, one.text] for one in snippet.depends_on],
        "given": snippet.given,
        "answers": list(snippet.answers),
        "locks": slot.locks,
        "shared": slot.shared,
    }


def _pass_used_definitions(page: Sequence[Checked]) -> Iterator[Checked]:
    """A definition that a later snippet of the page uses did run, there."""
    for checked in page:
        yield Checked(
            checked.snippet,
            {
                dialect: Finding(dialect, Verdict.WORKS, "used further below")
                if finding.verdict is Verdict.NOTHING_RAN and _is_used(checked.snippet, dialect, page)
                else finding
                for dialect, finding in checked.findings.items()
            },
        )


def _is_used(snippet: Snippet, dialect: Dialect, page: Sequence[Checked]) -> bool:
    """Of somebody else's, only by what works: there its schema proves it."""
    return any(
        snippet.place in {earlier.place for earlier in one.snippet.depends_on}
        and (snippet.trusted or one.findings[dialect].verdict.passes)
        for one in page
        if dialect in one.findings
    )
