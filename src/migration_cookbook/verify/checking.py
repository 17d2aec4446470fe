"""What came of each snippet on each database? In warm processes, as many as there are cores."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases import postgres, server
from migration_cookbook.databases.kinds import BOTH, Kind
from migration_cookbook.verify.foreign import foreign
from migration_cookbook.verify.judge import judge, placeholder
from migration_cookbook.verify.quarantine import Quarantine
from migration_cookbook.verify.reported import report
from migration_cookbook.verify.verdict import Checked, Finding, Verdict
from migration_cookbook.worker import Limits, Worker
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import sqlalchemy as sa

    from migration_cookbook.databases.server import Server
    from migration_cookbook.verify.snippet import Snippet
    from migration_cookbook.verify.trial import Trial
    from migration_cookbook.workspace import Workspace

#: Snippets that one child tries one after the other at most, so that they share a connection.
_CHUNK = 64
_LIMITS = Limits(seconds=10.0)
#: What a warm process must have imported.
RUNNER = "migration_cookbook.verify.jobs"
_RUN = f"{RUNNER}:run_all"
#: The same, and what its first jobs would have to find out each time anew.
_WARM = "migration_cookbook.verify.warm"
#: What changes a library for whoever comes next in the same process.
_CHANGES_LIBRARIES = re.compile(
    r"\bevent\s*\.\s*listen|\blistens?_for\b|sqlalchemy\.event|import event\b|@\w*\.?compiles\b"
    r"|\bregister_operation\b|\bimplementation_for\b|\bregister_comparator\b|\bsetattr\("
)


@dataclass(frozen=True)
class Settings:
    """How a run is made."""

    workspace: Workspace
    kinds: tuple[Kind, ...] = BOTH
    #: Somebody else's snippets may do what the user may.
    trust: bool = False
    #: Look at what each snippet locks on PostgreSQL, too.
    locks: bool = False


@dataclass
class _Bench:
    """One warm process with its own scratch database, and a place for somebody else's snippets."""

    worker: Worker
    url: sa.URL | None
    quarantine: Quarantine
    locks: bool


def check(
    snippets: Sequence[Snippet], settings: Settings, tell: Callable[[int], None] | None = None
) -> Iterator[Checked]:
    """Each snippet with its findings, in order; `tell` hears how many are done."""
    with opened(snippets, settings) as checker:
        yield from checker.check(snippets, tell)


class Checker:
    """Warm processes, as many as may work at a time; made by `opened`."""

    def __init__(
        self, stack: ExitStack, settings: Settings, host: Server | None, unavailable: str, size: int
    ) -> None:
        self._settings, self._unavailable = settings, unavailable
        self._benches = SimpleQueue[_Bench]()
        self._all = [_bench(stack, host, settings) for _ in range(size)]
        for bench in self._all:
            self._benches.put(bench)
        self._pool = stack.enter_context(ThreadPoolExecutor(size))

    def start(self, snippets: Sequence[Snippet]) -> None:
        """Let those warm up meanwhile that these snippets need."""
        files = {one.file for one in snippets}
        strange = self._strange(files)
        for bench in self._all:
            if files - strange:
                bench.worker.start()
            if strange:
                bench.quarantine.start()

    def check(
        self, snippets: Sequence[Snippet], tell: Callable[[int], None] | None = None
    ) -> Iterator[Checked]:
        """Each snippet with its findings, in order."""
        strange = self._strange({one.file for one in snippets})
        chunks = _chunks(snippets, len(self._all))
        futures = [
            self._pool.submit(_chunk, chunk, self._settings.kinds, self._benches, self._unavailable, strange)
            for chunk in chunks
        ]
        done = 0
        used = _leaned_on(snippets)
        for future in futures:
            for checked in future.result():
                done += 1
                if tell is not None:
                    tell(done)
                yield _used(checked, used)

    def _strange(self, files: set[str]) -> frozenset[str]:
        return frozenset(file for file in files if not self._settings.trust and foreign(Path(file)))


@contextmanager
def opened(snippets: Sequence[Snippet], settings: Settings) -> Iterator[Checker]:
    """A checker for at least these snippets; within, it stays warm."""
    with ExitStack() as stack:
        host, unavailable = _server(settings)
        if host is not None:
            postgres.sweep(host)
        size = max(1, min(os.cpu_count() or 1, -(-len(snippets) // 4)))
        checker = Checker(stack, settings, host, unavailable, size)
        checker.start(snippets)
        yield checker


def check_one(snippet: Snippet, settings: Settings, worker: Worker) -> Checked:
    """The same for one snippet of the user's own, in a process that the caller keeps warm."""
    with ExitStack() as stack:
        host, unavailable = _server(settings)
        benches = SimpleQueue[_Bench]()
        benches.put(_Bench(worker, _scratch(stack, host), _quarantine(stack, host), settings.locks))
        return _chunk([snippet], settings.kinds, benches, unavailable, frozenset())[0]


def _server(settings: Settings) -> tuple[Server | None, str]:
    if Kind.POSTGRES not in settings.kinds:
        return None, ""
    try:
        return server.attach(settings.workspace), ""
    except CookbookError as error:
        return None, str(error)


def _bench(stack: ExitStack, host: Server | None, settings: Settings) -> _Bench:
    worker = Worker(_WARM)
    stack.callback(worker.close)
    return _Bench(worker, _scratch(stack, host), _quarantine(stack, host), settings.locks)


def _quarantine(stack: ExitStack, host: Server | None) -> Quarantine:
    """It costs nothing until somebody is put there."""
    made = Quarantine(host)
    stack.callback(made.close)
    return made


def _scratch(stack: ExitStack, host: Server | None) -> sa.URL | None:
    """A database that goes with the stack."""
    return None if host is None else stack.enter_context(postgres.passing(host)).url


def _chunks(snippets: Sequence[Snippet], workers: int) -> list[Sequence[Snippet]]:
    """About equal ones, as many for each worker."""
    rounds = -(-len(snippets) // (workers * _CHUNK))
    length = max(1, -(-len(snippets) // max(1, rounds * workers)))
    return [snippets[start : start + length] for start in range(0, len(snippets), length)]


def _chunk(
    chunk: Sequence[Snippet],
    kinds: Sequence[Kind],
    benches: SimpleQueue[_Bench],
    unavailable: str,
    strange: frozenset[str],
) -> list[Checked]:
    """The findings of a few snippets; those of the files that are `strange` are somebody else's."""
    findings: dict[int, dict[Kind, Finding]] = defaultdict(dict)
    jobs: list[tuple[int, Kind]] = []
    for number, snippet in enumerate(chunk):
        for kind in kinds:
            known = _without_running(snippet, kind, unavailable)
            if known is not None:
                findings[number][kind] = known
            else:
                jobs.append((number, kind))
    bench = benches.get()
    try:
        own = [(number, kind) for number, kind in jobs if chunk[number].file not in strange]
        together = [(number, kind) for number, kind in own if not _changes_libraries(chunk[number])]
        tried = dict(zip(together, _trials(bench, chunk, together), strict=True))
        for number, kind in own:
            if (number, kind) not in tried:
                tried[number, kind] = _alone(bench, _arguments(bench, chunk[number], kind), kind)
        for number, kind in jobs:
            trial = tried.get((number, kind)) or bench.quarantine.try_out(
                _arguments(bench, chunk[number], kind), kind
            )
            findings[number][kind] = (
                trial if isinstance(trial, Finding) else judge(chunk[number], kind, trial)
            )
    finally:
        benches.put(bench)
    return [
        Checked(snippet, {kind: findings[number][kind] for kind in kinds})
        for number, snippet in enumerate(chunk)
    ]


def _changes_libraries(snippet: Snippet) -> bool:
    """Whether others would feel that it ran, so that it needs a process of its own."""
    return any(_CHANGES_LIBRARIES.search(one.text) for one in (snippet, *snippet.leans_on))


def _without_running(snippet: Snippet, kind: Kind, unavailable: str) -> Finding | None:
    if snippet.skip is not None:
        return Finding(kind, Verdict.NOT_RUN, f"skipped: {snippet.skip}")
    found = placeholder(snippet)
    if found is not None:
        return Finding(kind, Verdict.PLACEHOLDER, f"{found} stands for something")
    if kind is Kind.POSTGRES and unavailable:
        return Finding(kind, Verdict.NOT_RUN, unavailable)
    return None


def _trials(
    bench: _Bench, chunk: Sequence[Snippet], jobs: Sequence[tuple[int, Kind]]
) -> list[Trial | Finding]:
    if not jobs:
        return []
    arguments = [_arguments(bench, chunk[number], kind) for number, kind in jobs]
    ended = bench.worker.run(_RUN, {"jobs": arguments}, Limits(_LIMITS.seconds + len(jobs), _LIMITS.memory))
    if ended.how == "returned":
        return [report(one) for one in ended.value]
    # One of them took the others along: each for itself.
    return [_alone(bench, one, kind) for one, (_, kind) in zip(arguments, jobs, strict=True)]


def _alone(bench: _Bench, arguments: dict[str, Any], kind: Kind) -> Trial | Finding:
    ended = bench.worker.run(_RUN, {"jobs": [arguments]}, _LIMITS)
    if ended.how == "returned":
        return report(ended.value[0])
    return Finding(kind, Verdict.NOT_DECIDED, ended.error or ended.how)


def _arguments(bench: _Bench, snippet: Snippet, kind: Kind) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "url": bench.url.render_as_string(hide_password=False)
        if bench.url and kind is Kind.POSTGRES
        else None,
        "form": snippet.form.value,
        "text": snippet.text,
        "before": [[one.form.value, one.text] for one in snippet.leans_on],
        "given": snippet.given,
        "answers": list(snippet.answers),
        "locks": bench.locks,
    }


def _leaned_on(snippets: Sequence[Snippet]) -> frozenset[str]:
    return frozenset(earlier.place for snippet in snippets for earlier in snippet.leans_on)


def _used(checked: Checked, used: frozenset[str]) -> Checked:
    """A definition that a later snippet of the page uses did run, there."""
    if checked.snippet.place not in used:
        return checked
    findings = {
        kind: Finding(kind, Verdict.WORKS, "used further below")
        if finding.verdict is Verdict.NOTHING_RAN
        else finding
        for kind, finding in checked.findings.items()
    }
    return Checked(checked.snippet, findings)
