"""What came of somebody else's snippets, as far as their databases confirm it.

A page gets a server, a folder and some time of its own, and can use up no more. Its snippets run
contained; another contained process, in which none of their code ran, looks at what they left and judges.
That a snippet works is believed only if its schema is in the database. A snippet can still lie about how
it got there: it is its author's, and so is the lie.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook.databases import throwaway
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.containment import ContainedWorker, NotContained
from migration_cookbook.verify.process.untrusted import (
    NoReportError,
    read_finding,
    read_trial,
    snippet_as_json,
)
from migration_cookbook.verify.values.verdict import Finding, Verdict
from migration_cookbook.worker import Limits
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.verify.values.outcome import Refusal, Trial
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.worker import JobResult
    from migration_cookbook.workspace import Workspace

_TRY = "migration_cookbook.verify.process.jobs:run_all"
_JUDGE = "migration_cookbook.verify.process.jobs:judge_all"
_LIMITS = Limits(seconds=10.0)
_TRUST = "needs --trust"
#: The SQLSTATEs of a statement that ran into a limit: of time, of temporary files, of disk, memory, connections.
_LIMITED = ("57014", "53400", "53100", "53200", "53300")
#: What a page may use up: in seconds, and for each of its snippets; in bytes on the disk.
_PAGE_S, _SNIPPET_S = 60.0, 1.0
_DISK = 768 * 2**20
_WATCH_S = 0.1


@dataclass(frozen=True)
class Job:
    """One snippet on one database."""

    snippet: Snippet
    dialect: Dialect
    #: What a trial needs, but for its databases.
    arguments: dict[str, Any]


@dataclass
class _Running:
    """A server, and how it's ended."""

    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    server: throwaway.ThrowawayServer | None = None


class PageResources:
    """What one page of somebody else's has for itself, and may use up."""

    def __init__(self, workspace: Workspace, snippets: int) -> None:
        self._workspace = workspace
        self._stack = contextlib.ExitStack()
        self._running: dict[int, _Running] = {}
        self._lock = threading.Lock()
        self._seconds = _PAGE_S + _SNIPPET_S * snippets
        self._end: float | None = None
        self.folder, _ = self._stack.enter_context(throwaway.page_folder())

    def close(self) -> None:
        """Give back all of it."""
        for running in self._running.values():
            running.stack.close()
        self._stack.close()

    def left(self) -> float:
        """Seconds that the page has left. They count from the first trial."""
        if self._end is None:
            self._end = time.monotonic() + self._seconds
        return self._end - time.monotonic()

    @property
    def time_is_up(self) -> str:
        return f"the page has used up its {self._seconds:.0f} seconds"

    def server(self, user: object) -> throwaway.ThrowawayServer:
        """A server of the page's, started at the first need, and again if the page brought it down.

        Each of those that work on the page at the same time has its own: what one uses up isn't the other's.
        """
        with self._lock:
            running = self._running.setdefault(id(user), _Running())
        if running.server is None or not running.server.answers():
            running.stack.close()
            running.server = running.stack.enter_context(throwaway.throwaway_server(self._workspace))
        return running.server

    def discard_server(self, user: object) -> None:
        """The next one who asks gets another: this one may be used up."""
        running = self._running.get(id(user))
        if running is not None:
            running.server = None
            running.stack.close()


class Quarantine:
    """Trials of somebody else's snippets; a warm process is ready for them."""

    def __init__(self, worker: ContainedWorker | None = None) -> None:
        self._worker = worker or ContainedWorker("migration_cookbook.verify.process.jobs")

    def start(self) -> None:
        """Let the process warm up meanwhile."""
        self._worker.start()

    def close(self) -> None:
        self._worker.close()

    def try_out(self, jobs: Sequence[Job], resources: PageResources) -> list[Finding]:
        """A finding for each job, in order."""
        try:
            return self._together(jobs, resources)
        except NotContained as reason:
            if len(jobs) == 1:
                return [Finding(jobs[0].dialect, Verdict.NOT_RUN, f"{_TRUST}: {reason}")]
        except _Apart as reason:
            if len(jobs) == 1:
                return [Finding(jobs[0].dialect, Verdict.NOT_DECIDED, str(reason))]
        # One of them took the others along: each for itself.
        return [self.try_out([job], resources)[0] for job in jobs]

    def _together(self, jobs: Sequence[Job], resources: PageResources) -> list[Finding]:
        left = resources.left()
        if left <= 0:
            raise _Apart(resources.time_is_up)
        limits = replace(_LIMITS, seconds=min(_LIMITS.seconds, left))
        try:
            with (
                _Scratch(jobs, resources, self) as scratch,
                _watch_disk(scratch.folders, self._worker) as disk,
            ):
                trials = self._trials(jobs, scratch, limits, disk)
                scratch.terminate_clients_and_reset()
                return self._judge_apart(jobs, trials, scratch)
        except CookbookError as error:
            if isinstance(error, NotContained | _Apart):
                raise
            resources.discard_server(self)
            raise _Apart(str(error)) from None

    def _trials(
        self, jobs: Sequence[Job], scratch: _Scratch, limits: Limits, disk: _DiskUse
    ) -> list[Trial | Finding]:
        arguments = [{**job.arguments, **scratch.urls(number)} for number, job in enumerate(jobs)]
        ended = self._worker.run(_TRY, {"jobs": arguments}, scratch.folder, scratch.socket, limits)
        if disk.exceeded:
            raise _Apart(f"it wrote more than {_DISK // 2**20} MB")
        found: list[Trial | Finding] = []
        for job, value in zip(jobs, _answers(ended, len(jobs), limits), strict=True):
            try:
                trial = read_trial(value)
            except NoReportError:
                found.append(Finding(job.dialect, Verdict.NOT_DECIDED, "its report can't be read"))
                continue
            if trial.refusal is not None and _ran_into_a_limit(trial.refusal):
                if len(jobs) > 1:
                    # What one of them has used up, the others may have missed.
                    raise _Apart(trial.refusal.message)
                found.append(Finding(job.dialect, Verdict.NOT_DECIDED, trial.refusal.message))
            else:
                found.append(trial)
        return found

    def _judge_apart(
        self, jobs: Sequence[Job], trials: Sequence[Trial | Finding], scratch: _Scratch
    ) -> list[Finding]:
        """The verdicts; of what passes only if its schema is in the database."""
        asked = [number for number, one in enumerate(trials) if not isinstance(one, Finding)]
        found = {number: one for number, one in enumerate(trials) if isinstance(one, Finding)}
        arguments = [
            {
                "snippet": snippet_as_json(jobs[number].snippet),
                "kind": jobs[number].dialect.value,
                "trial": asdict(trials[number]),
                "proof": scratch.urls(number)["proof"],
            }
            for number in asked
        ]
        if asked:
            ended = self._worker.run(_JUDGE, {"jobs": arguments}, scratch.folder, scratch.socket, _LIMITS)
            for number, value in zip(asked, _answers(ended, len(asked), _LIMITS), strict=True):
                trial = trials[number]
                assert not isinstance(trial, Finding)
                found[number] = _confirm(value, jobs[number].dialect, trial)
        return [found[number] for number in range(len(jobs))]


class _Apart(CookbookError):
    """MergedAnswer they come to nothing; the message says why."""


def _ran_into_a_limit(refusal: Refusal) -> bool:
    if refusal.sqlstate is None:
        return False
    return refusal.sqlstate in _LIMITED or "File too large" in refusal.message


def _answers(ended: JobResult, count: int, limits: Limits) -> list[Any]:
    if ended.how != "returned":
        raise _Apart(_why(ended, limits))
    if not isinstance(ended.value, list) or len(ended.value) != count:
        raise _Apart("its report can't be read")
    return ended.value


def _confirm(value: Any, dialect: Dialect, trial: Trial) -> Finding:
    if not isinstance(value, dict) or set(value) != {"finding", "left"}:
        return Finding(dialect, Verdict.NOT_DECIDED, "what it left can't be judged")
    try:
        finding = read_finding(value["finding"], dialect)
    except NoReportError:
        return Finding(dialect, Verdict.NOT_DECIDED, "what it left can't be judged")
    if finding.verdict.passes and (not trial.fingerprint or value["left"] != trial.fingerprint):
        return Finding(dialect, Verdict.NOT_DECIDED, "what it reports isn't what's in the database")
    return finding


class _Scratch:
    """Empty databases for some jobs, and a folder."""

    def __init__(self, jobs: Sequence[Job], resources: PageResources, user: object) -> None:
        self._jobs, self._resources, self._user = jobs, resources, user
        self._stack = contextlib.ExitStack()
        self._server: throwaway.ThrowawayServer | None = None
        self._urls: dict[int, dict[str, sa.URL]] = {}
        self.socket: Path | None = None

    def __enter__(self) -> _Scratch:
        with contextlib.ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix="s-", dir=self._resources.folder)).resolve()
            stack.callback(throwaway.remove, self.folder)
            if any(job.dialect is Dialect.POSTGRES for job in self._jobs):
                self._server = self._resources.server(self._user)
                self.socket = self._server.socket
                shared = self._database(stack)
            for number, job in enumerate(self._jobs):
                if job.dialect is Dialect.SQLITE:
                    file = str(self.folder / f"{number}.db")
                    self._urls[number] = {"proof": sa.URL.create("sqlite", database=file)}
                else:
                    self._urls[number] = {"url": shared, "proof": self._database(stack)}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.folder, *((self._server.folder,) if self._server else ()))

    def urls(self, number: int) -> dict[str, str]:
        """The databases of a job."""
        return {name: url.render_as_string(hide_password=False) for name, url in self._urls[number].items()}

    def terminate_clients_and_reset(self) -> None:
        """End whoever is still at work in them, and undo what would keep others out."""
        if self._server is not None:
            own = {url for urls in self._urls.values() for url in urls.values()}
            self._server.terminate_clients_and_reset(
                sorted((url for url in own if url.get_backend_name() != "sqlite"), key=str)
            )

    def _database(self, stack: contextlib.ExitStack) -> sa.URL:
        server = self._server
        assert server is not None
        url = server.create()
        stack.callback(_drop, server, url)
        return url


def _drop(server: throwaway.ThrowawayServer, url: sa.URL) -> None:
    # Of a server that went down there's nothing to drop.
    with contextlib.suppress(CookbookError):
        server.drop(url)


def _why(ended: JobResult, limits: Limits) -> str:
    if ended.how == "too much memory":
        return f"it needed more than {limits.memory // 2**20} MB of memory"
    return ended.error or ended.how


# --- the disk ----------------------------------------------------------------------------


@dataclass
class _DiskUse:
    exceeded: bool = False


@contextlib.contextmanager
def _watch_disk(folders: Sequence[Path], worker: ContainedWorker) -> Iterator[_DiskUse]:
    """Within, the worker is closed when more is written into the folders than may be."""
    use, done = _DiskUse(), threading.Event()
    before = _size(folders)

    def watch() -> None:
        free = _free(folders[0])
        while not done.wait(_WATCH_S):
            # To count takes long, so it's counted only after something was written.
            now = _free(folders[0])
            if free - now < _DISK // 8:
                continue
            free = now
            if _size(folders) - before > _DISK:
                use.exceeded = True
                worker.kill()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield use
    finally:
        done.set()
        thread.join()


def _free(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _size(folders: Sequence[Path]) -> int:
    """What the files take up on the disk."""
    # Folders in folders may be deeper than Python goes.
    counted = subprocess.run(["du", "-sk", "--", *folders], capture_output=True, text=True)
    return sum(int(line.split("\t")[0]) * 1024 for line in counted.stdout.splitlines())
