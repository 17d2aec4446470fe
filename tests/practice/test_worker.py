"""A job can do what it likes: it comes to an end, and the process that asked goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from migration_cookbook.worker import Limits, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.worker import JobResult


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    one = Worker("json")
    yield one
    one.close()


def run(worker: Worker, code: str, limits: Limits | None = None) -> JobResult:
    """Run statements, by a function of the standard library that does."""
    return worker.run("timeit:timeit", {"stmt": code, "number": 1}, limits)


def test_it_returns_what_the_function_returns_and_what_was_printed(worker: Worker) -> None:
    assert worker.run("os:getcwd", {}).value == "/"
    ended = run(worker, "import os; print('one', flush=True); os.system('echo two >&2')")
    assert ended.how == "returned"
    assert ended.output == "one\ntwo\n"


def test_an_exception_is_one_line(worker: Worker) -> None:
    ended = run(worker, "raise ValueError('no such thing')")
    assert (ended.how, ended.error) == ("raised", "ValueError: no such thing")
    assert run(worker, "raise SystemExit(2)").how == "raised"


def test_jobs_do_not_see_each_other(worker: Worker) -> None:
    run(worker, "import json; json.left = 1")
    assert run(worker, "import json; json.left").how == "raised"


@pytest.mark.parametrize("code", ("while True: pass", "import time; time.sleep(60)"))
def test_what_never_ends_is_ended(worker: Worker, code: str) -> None:
    start = time.monotonic()
    assert run(worker, code, Limits(seconds=0.3)).how == "too long"
    assert time.monotonic() - start < 5


def test_its_children_end_with_it(worker: Worker, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import subprocess; p = subprocess.Popen(['sleep', '60']); open({str(note)!r}, 'w').write(str(p.pid))"
    assert run(worker, code).how == "returned"
    assert is_gone(int(note.read_text()))


def test_memory_has_an_end(worker: Worker) -> None:
    ended = run(worker, "held = bytearray(300 * 2**20)", Limits(memory=200 * 2**20))
    assert ended.how == "too much memory"


@pytest.mark.parametrize(
    ("code", "error"),
    (
        ("import os; os._exit(3)", "it ended its own process with status 3"),
        ("import os; os.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
    ),
)
def test_a_process_that_dies_is_told(worker: Worker, code: str, error: str) -> None:
    ended = run(worker, code)
    assert (ended.how, ended.error) == ("died", error)
    assert run(worker, "1").how == "returned"


@pytest.mark.parametrize(
    ("said", "error"),
    (
        ("b'nothing of sense\\n'", "its answer can't be read"),
        ('b\'{"how": "returned", "more": 1}\\n\'', "its answer can't be read"),
        ("b'x' * 60_000_000", "its answer has no end"),
    ),
)
def test_an_answer_that_is_none(worker: Worker, said: str, error: str) -> None:
    code = (
        f"import os; [os.write(fd, {said}) for fd in range(3, 20) if os.path.exists(f'/proc/self/fd/{{fd}}')]"
    )
    ended = run(worker, code)
    assert (ended.how, ended.error) == ("died", error)
    assert run(worker, "1").how == "returned"


def test_the_environment_can_be_another() -> None:
    worker = Worker(environment={"ONLY": "this"})
    assert (
        run(worker, "import os; assert list(os.environ) in (['ONLY'], ['ONLY', 'LC_CTYPE'])").how
        == "returned"
    )
    worker.close()


def test_a_warm_process_that_was_killed_is_started_again() -> None:
    worker = Worker()
    parent = worker.run("os:getppid", {}).value
    os.kill(parent, signal.SIGKILL)
    assert is_gone(parent)
    # The first may still have been sent to the dead one.
    assert any(worker.run("os:getcwd", {}).how == "returned" for _ in range(2))
    worker.close()


def test_it_ends_when_it_is_closed() -> None:
    worker = Worker()
    parent = worker.run("os:getppid", {}).value
    worker.close()
    assert is_gone(parent)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, or ends within a moment."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


KILLED = """
import os, sys, time
from pathlib import Path
from migration_cookbook.worker import Worker
worker = Worker("json")
worker.start()
Path(sys.argv[1]).write_text(str(worker._process.pid))
code = f"import os, pathlib, time; pathlib.Path({sys.argv[2]!r}).write_text(str(os.getpid())); time.sleep(600)"
worker.run("timeit:timeit", {"stmt": code, "number": 1})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("whom", ["the starter", "the warm process", "both"])
def test_a_job_does_not_outlive_those_who_are_killed(tmp_path: Path, whom: str) -> None:
    warm, job = tmp_path / "warm", tmp_path / "job"
    starter = subprocess.Popen([sys.executable, "-c", KILLED, warm, job])
    deadline = time.monotonic() + 60
    while not (job.exists() and job.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    pids = {"the starter": [starter.pid], "the warm process": [int(warm.read_text())]}
    for pid in pids.get(whom) or [int(warm.read_text()), starter.pid]:
        os.kill(pid, signal.SIGKILL)
    gone = [int(job.read_text()), int(warm.read_text())]
    while any(psutil.pid_exists(pid) for pid in gone) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in gone if psutil.pid_exists(pid)] == []
    starter.kill()
    starter.wait()
