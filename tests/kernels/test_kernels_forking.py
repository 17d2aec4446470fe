"""Kernels that are forked from a template: like a cold one in all that's seen, and none is left over."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from migration_cookbook import package
from migration_cookbook.kernels import forking, provisioner
from migration_cookbook.kernels.forking import ForkedProcess, TemplateError
from migration_cookbook.kernels.manager import AsyncWarmKernelManager, WarmKernelManager
from migration_cookbook.kernels.template import ForkServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE = 60
#: What differs between two kernels in any case.
OWN = ("JPY_SESSION_NAME", "JPY_PARENT_PID")


class Kernel:
    """A kernel that's asked for values."""

    def __init__(self, environment: Mapping[str, str], cwd: Path) -> None:
        self.manager = WarmKernelManager()
        self.manager.start_kernel(env=dict(environment), cwd=str(cwd))
        self.client: Any = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    @property
    def process(self) -> Any:
        return self.manager.provisioner.process

    def ask(self, expression: str) -> str:
        reply = self.client.execute("", user_expressions={"it": expression}, reply=True, timeout=PATIENCE)
        answer = reply["content"]["user_expressions"]["it"]
        assert answer["status"] == "ok", answer
        return str(answer["data"]["text/plain"])

    def run(self, code: str) -> dict[str, Any]:
        content: dict[str, Any] = self.client.execute(code, reply=True, timeout=PATIENCE)["content"]
        return content

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@contextlib.contextmanager
def kernel(cwd: Path, **variables: str) -> Iterator[Kernel]:
    started = Kernel(os.environ | {"IPYTHONDIR": str(cwd / "ipython")} | variables, cwd)
    try:
        yield started
    finally:
        started.end()


def template_of(process: ForkedProcess) -> Any:
    return next(each for each in forking._templates.values() if each.channel is process.channel)


def is_gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_a_kernel_is_forked_and_sees_what_a_cold_one_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "environment": f"sorted(f'{{k}}={{v}}' for k, v in __import__('os').environ.items() if k not in {OWN})",
        "folder": "__import__('os').getcwd()",
        "path": "__import__('sys').path",
        "flags": "__import__('sys').flags",
        "arguments": "[__import__('pathlib').Path(a).name for a in __import__('sys').argv[:2]]",
        "executable": "__import__('sys').executable",
        "hash": "hash('bookshop')",
        "zone": "__import__('time').tzname",
        "main": "__import__('sys').modules['__main__'].__dict__ is globals()",
        "session": "__import__('os').getsid(0) == __import__('os').getpid()",
        "threads": "sorted(type(t).__name__ for t in __import__('threading').enumerate())",
        "locale": "__import__('locale').setlocale(__import__('locale').LC_ALL)",
        "encoding": "__import__('sys').stdout.encoding",
        "interrupts": "__import__('signal').getsignal(2)",
        "tables": "{k: __import__('pandas').get_option(f'display.{k}') for k in ('max_columns', 'max_rows', 'width')}",
        "umask": "__import__('os').umask(__import__('os').umask(0))",
    }
    # `json` must not come from the folder where the kernel runs, for either of them.
    (tmp_path / "json.py").write_text("raise SystemExit\n")
    variables = {"PYTHONHASHSEED": "0", "TZ": "Asia/Tokyo", "SHOP": "böoks"}
    seen: list[dict[str, str]] = []
    for can_fork in (True, False):
        monkeypatch.setattr(provisioner, "CAN_FORK", can_fork)
        with kernel(tmp_path, **variables) as one:
            assert isinstance(one.process, ForkedProcess) == can_fork
            # In a cell, where a library sees that it's in a notebook.
            one.run("import pandas")
            seen.append({name: one.ask(expression) for name, expression in asked.items()})
    forked, cold = seen
    assert {name: (forked[name], cold[name]) for name in asked if forked[name] != cold[name]} == {}


def test_what_notebooks_import_is_there_already(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        loaded = "[m for m in ('pandas', 'alembic', 'sqlalchemy', 'sql.run', 'migration_cookbook.cells') if m not in __import__('sys').modules]"
        assert one.ask(loaded) == "[]"
        before = one.ask("set(__import__('sys').modules)")
        assert one.run("%load_ext migration_cookbook")["status"] == "ok"
        assert one.ask("set(__import__('sys').modules)") == before


def test_two_kernels_draw_other_random_numbers(tmp_path: Path) -> None:
    drawn = "(__import__('random').random(), __import__('numpy').random.random(), str(__import__('uuid').uuid4()))"
    with kernel(tmp_path) as one, kernel(tmp_path) as two:
        assert one.process.channel is two.process.channel
        pairs = zip(eval(one.ask(drawn)), eval(two.ask(drawn)), strict=True)
    assert all(left != right for left, right in pairs)


def test_what_is_written_past_the_notebook_goes_where_the_manager_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manager = WarmKernelManager()
    with (tmp_path / "errors").open("w") as errors:
        manager.start_kernel(cwd=str(tmp_path), stderr=errors)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    assert isinstance(manager.provisioner.process, ForkedProcess)
    code = "import sys; print('out', file=sys.__stdout__, flush=True); print('err', file=sys.__stderr__, flush=True)"
    client.execute(code, reply=True, timeout=PATIENCE)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert "err" in (tmp_path / "errors").read_text()
    printed = capfd.readouterr()
    assert "out" in printed.out
    assert "err" not in printed.err


def test_two_kernels_share_no_value(tmp_path: Path) -> None:
    with kernel(tmp_path) as one, kernel(tmp_path) as two:
        one.run("import pandas; pandas.mark = 1")
        assert two.ask("hasattr(__import__('pandas'), 'mark')") == "False"


def test_other_settings_of_python_have_another_template(tmp_path: Path) -> None:
    with kernel(tmp_path, PYTHONHASHSEED="0") as one, kernel(tmp_path, PYTHONHASHSEED="1") as two:
        assert one.process.channel is not two.process.channel
        assert one.ask("hash('a')") != two.ask("hash('a')")


def test_an_interrupt_reaches_the_cell_and_the_kernel_goes_on(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        message = one.client.execute("import time; time.sleep(60)")
        time.sleep(0.5)
        one.manager.interrupt_kernel()
        while (reply := one.client.get_shell_msg(timeout=PATIENCE))["parent_header"]["msg_id"] != message:
            pass
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert one.ask("1 + 1") == "2"


def test_a_kernel_restarts_warm(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        one.run("kept = 1")
        before = one.process.pid
        one.manager.restart_kernel(now=True)
        one.client.wait_for_ready(timeout=PATIENCE)
        assert isinstance(one.process, ForkedProcess)
        assert one.process.pid != before
        assert is_gone(before)
        assert one.ask("'kept' in globals()") == "False"


def test_an_orderly_end_leaves_nothing(tmp_path: Path) -> None:
    one = Kernel(os.environ | {"IPYTHONDIR": str(tmp_path)}, tmp_path)
    process = one.process
    one.client.stop_channels()
    one.manager.shutdown_kernel()
    assert process.returncode == 0
    assert not psutil.pid_exists(process.pid)


def test_how_a_kernel_ended_is_known(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        process = one.process
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
        assert not one.manager.is_alive()
        # Its number may be somebody else's by now.
        process.kill()
        assert process.poll() == -signal.SIGKILL


def test_a_running_kernel_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    with kernel(tmp_path) as one, pytest.raises(subprocess.TimeoutExpired):
        one.process.wait(0.01)


def test_a_template_that_is_killed_takes_its_kernels_along_and_the_next_kernel_has_a_new_one(
    tmp_path: Path,
) -> None:
    variables = {"PYTHONHASHSEED": "7"}
    with kernel(tmp_path, **variables) as one:
        template_of(one.process).process.kill()
        assert is_gone(one.process.pid)
        assert one.process.wait(PATIENCE) == -signal.SIGKILL
        with kernel(tmp_path, **variables) as two:
            assert isinstance(two.process, ForkedProcess)
            assert two.process.channel is not one.process.channel


def test_a_killed_manager_leaves_no_process(tmp_path: Path) -> None:
    program = f"""
        import os, sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_kernels_forking import Kernel, template_of
        one = Kernel(os.environ, Path({str(tmp_path)!r}))
        one.client.execute("while True: pass")
        print(template_of(one.process).process.pid, one.process.pid, flush=True)
        time.sleep(600)
    """
    manager = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    assert manager.stdout is not None
    template, busy = map(int, manager.stdout.readline().split())
    manager.kill()
    manager.wait()
    manager.stdout.close()
    assert is_gone(template)
    assert is_gone(busy)


@pytest.mark.parametrize("sign", ["not there", "exits", "too large"])
def test_a_kernel_starts_cold_where_no_template_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sign: str
) -> None:
    if sign == "too large":
        monkeypatch.setattr(forking, "LONGEST_MESSAGE", 100)
    else:
        program = "import sys; sys.exit(3)" if sign == "exits" else "import no_such_module"
        monkeypatch.setattr(forking, "_PROGRAM", program)
        monkeypatch.setattr(forking, "_templates", {})
    with kernel(tmp_path) as one:
        assert not isinstance(one.process, ForkedProcess)
        assert one.ask("1 + 1") == "2"
    assert "The kernel starts cold" in caplog.text


def test_a_kernel_that_is_no_python_of_ours_is_started_as_jupyter_does(tmp_path: Path) -> None:
    manager = WarmKernelManager()
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv.insert(1, "-Xutf8")
    manager.start_kernel(cwd=str(tmp_path))
    try:
        assert not isinstance(manager.provisioner.process, ForkedProcess)
    finally:
        manager.shutdown_kernel(now=True)


def test_a_kernel_with_a_pipe_is_started_as_jupyter_does(tmp_path: Path) -> None:
    manager = WarmKernelManager()
    manager.start_kernel(cwd=str(tmp_path), stdout=subprocess.PIPE)
    try:
        assert not isinstance(manager.provisioner.process, ForkedProcess)
    finally:
        manager.shutdown_kernel(now=True)


def test_a_template_that_never_becomes_ready_is_no_endless_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_templates", {})
    monkeypatch.setattr(forking, "_SECONDS", 0.2)
    monkeypatch.setattr(forking, "_PROGRAM", "import time; time.sleep(60)")
    with pytest.raises(TemplateError):
        forking.fork_kernel(sys.executable, ["-f", "x"], "/", os.environ)
    for template in forking._templates.values():
        template.process.kill()
        template.process.wait()
        template.channel.socket.close()


WORKER = """
from migration_cookbook.worker import Worker
one = Worker("json")
told = one.run("os:getcwd", {})
"""


def test_a_worker_of_a_kernel_is_forked_too_and_ends_with_it(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        assert one.run(WORKER)["status"] == "ok"
        assert one.ask("(told.how, told.value)") == "('returned', '/')"
        assert one.ask("type(one._process).__name__") == "'ForkedProcess'"
        worker, kernel_ = int(one.ask("one._process.pid")), one.process
        assert psutil.Process(worker).parent() == psutil.Process(kernel_.pid).parent()
        os.kill(kernel_.pid, signal.SIGKILL)
        assert is_gone(worker)
        kernel_.wait(PATIENCE)
    # Nor is it left as a zombie.
    deadline = time.monotonic() + 10
    while psutil.pid_exists(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_that_is_closed_or_killed_is_replaced(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        one.run(WORKER)
        first = int(one.ask("one._process.pid"))
        one.run("one.close()\ntold = one.run('os:getcwd', {})")
        assert not psutil.pid_exists(first)
        second = int(one.ask("one._process.pid"))
        os.kill(second, signal.SIGKILL)
        assert one.ask("one.run('os:getcwd', {}).how") in ("'died'", "'returned'")
        assert one.ask("one.run('os:getcwd', {}).how") == "'returned'"


def test_a_worker_starts_cold_where_the_template_is_gone() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with ours:
        started = forking.start_worker(forking.Channel(ours), ["json"], None)
    assert isinstance(started, subprocess.Popen)
    assert started.stdin is not None
    assert started.stdout is not None
    started.stdin.close()
    assert started.wait(PATIENCE) == 0
    started.stdout.close()


def test_a_build_starts_its_kernels_warm(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    client = NotebookClient(
        notebook,
        kernel_manager_class=AsyncWarmKernelManager,
        kernel_name="python3",
        shutdown_kernel="immediate",
    )
    started: list[object] = []
    client.on_cell_executed = lambda **_: started.append(client.km.provisioner.process)
    client.execute()
    (process,) = started
    assert isinstance(process, ForkedProcess)


def test_after_an_update_of_the_kit_the_next_kernel_has_a_new_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "kit"
    shutil.copytree(package.FOLDER, copy)
    monkeypatch.setattr(package, "FOLDER", copy)
    with kernel(tmp_path) as one, kernel(tmp_path) as two:
        assert two.process.channel is one.process.channel
        (copy / "worker.py").unlink()
        (copy / "worker.py").write_text("")
        with kernel(tmp_path) as three:
            assert three.process.channel is not one.process.channel
        # The older ones go on.
        assert one.ask("1 + 1") == "2"


def test_a_failed_fork_is_one_kernel_that_starts_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = ForkServer(theirs, {})

    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    answering = threading.Thread(target=server.serve)
    answering.start()
    request = {"arguments": [], "cwd": "/", "environment": {}}
    for again in ({"preload": [], "environment": {}}, request, request):
        with pytest.raises(TemplateError, match="can't fork \\(Resource temporarily unavailable"):
            forking.Channel(ours).fork(again, (0, 1, 2))
    ours.close()
    answering.join(PATIENCE)
    assert not answering.is_alive()
    theirs.close()


def test_a_kernel_has_no_socket_but_its_own(tmp_path: Path) -> None:
    with kernel(tmp_path) as one, kernel(tmp_path) as two:
        # The template's: one for this process, one for each kernel.
        ends = {pid: unix_sockets(pid) for pid in (template_of(one.process).process.pid, two.process.pid)}
        of_template, of_kernel = ends.values()
        assert of_template & of_kernel == set()
        assert len(of_template) >= 3


def unix_sockets(pid: int) -> set[str]:
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return {link for link in links if link.startswith("socket:")}
