"""What is contained reaches its folder and its server, and nothing else; and it comes to an end."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from contained import contained_or_skip

from migration_cookbook.verify.containment import ContainedWorker, NotContained
from migration_cookbook.worker import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.worker import JobResult


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainedWorker]:
    one = contained_or_skip(tmp_path_factory.mktemp("worker"), "json")
    yield one
    one.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside.txt"
    path.write_text("precious")
    return path


def run(
    worker: ContainedWorker, folder: Path, code: str, limits: Limits | None = None, server: Path | None = None
) -> JobResult:
    """Run statements, by a function of the standard library that does."""
    return worker.run("timeit:timeit", {"stmt": code, "number": 1}, folder, server, limits)


def test_it_returns_what_the_function_returns_and_what_was_printed(
    worker: ContainedWorker, folder: Path
) -> None:
    ended = worker.run("os:getcwd", {}, folder)
    assert (ended.how, ended.value) == ("returned", str(folder))
    assert run(worker, folder, "print('one', flush=True)").output == "one\n"
    ended = run(worker, folder, "raise ValueError('no such thing')")
    assert (ended.how, ended.error) == ("raised", "ValueError: no such thing")


def test_its_folder_is_its_own(worker: ContainedWorker, folder: Path) -> None:
    code = (
        "import os; open('a', 'w').write('x' * 9); os.rename('a', 'b'); os.mkdir('c'); os.rename('b', 'c/d')"
    )
    assert run(worker, folder, f"{code}; assert open('c/d').read(3) == 'xxx'").how == "returned"
    assert (folder / "c" / "d").read_text() == "x" * 9


def test_libraries_can_be_used(worker: ContainedWorker, folder: Path) -> None:
    for code in (
        "import sqlalchemy.orm, alembic.autogenerate, psycopg; psycopg.pq.version()",
        "import zoneinfo; zoneinfo.ZoneInfo('Europe/Berlin')",
        "import asyncio; asyncio.run(asyncio.sleep(0))",
        "import threading; t = threading.Thread(target=len, args=('',)); t.start(); t.join()",
        "import tempfile; tempfile.TemporaryFile().write(b'x')",
        "import sqlite3; sqlite3.connect('x.db').execute('CREATE TABLE x (id int)').connection.commit()",
    ):
        assert run(worker, folder, code).how == "returned", code


@pytest.mark.parametrize(
    "code",
    [
        "open(PATH)",
        "open(PATH, 'w')",
        "open(PATH, 'a')",
        "os.open(PATH, os.O_RDONLY | os.O_TRUNC)",
        "os.truncate(PATH, 0)",
        "os.unlink(PATH)",
        "os.rename(PATH, 'mine')",
        "os.link(PATH, 'mine')",
        "os.symlink(PATH, 'mine')",
        "open(PATH + '.new', 'w')",
        "os.mkdir(PATH + '.new')",
        "os.listdir(os.path.dirname(PATH))",
        "os.chown(PATH, 1, 1)",
        "os.setxattr(PATH, 'user.mine', b'x')",
        "os.mknod('mine')",
        "sqlite3.connect(PATH).execute('SELECT * FROM sqlite_schema').fetchall()",
        "open('/proc/self/environ')",
        "open('/etc/passwd')",
        "open('/dev/tty', 'w')",
    ],
)
def test_a_file_outside(worker: ContainedWorker, folder: Path, outside: Path, code: str) -> None:
    before = outside.stat()
    ended = run(worker, folder, f"import os, sqlite3; PATH = {str(outside)!r}; {code}")
    assert ended.how == "raised"
    # Where the kernel allows it, what's outside isn't even there.
    refusals = (
        "Permission",
        "not permitted",
        "unable to open",
        "No such file",
        "Read-only file",
        "cross-device",
    )
    assert any(words in ended.error for words in refusals), ended.error
    assert outside.stat() == before
    assert outside.read_text() == "precious"
    assert sorted(outside.parent.iterdir()) == [outside, folder]


def test_copying_a_file_changes_no_mode_and_no_time_elsewhere(
    worker: ContainedWorker, folder: Path, outside: Path
) -> None:
    before = outside.stat()
    code = f"import os; os.utime({str(outside)!r}); os.chmod({str(outside)!r}, 0)"
    assert run(worker, folder, code).how == "returned"
    assert outside.stat() == before
    assert run(worker, folder, "import shutil; open('a', 'w'); shutil.copy2('a', 'b')").how == "returned"


def test_what_it_may_read_it_may_not_write(worker: ContainedWorker, folder: Path) -> None:
    for module in ("os", "sqlalchemy", "migration_cookbook.worker"):
        code = f"import os, {module}; os.open({module}.__file__, os.O_RDONLY"
        assert run(worker, folder, f"{code})").how == "returned"
        for flag in ("os.O_TRUNC", "os.O_WRONLY"):
            assert "ermi" in run(worker, folder, f"{code} | {flag})").error


@pytest.mark.parametrize(
    "code",
    [
        "os.fork()",
        "os.execv(sys.executable, ['python'])",
        "subprocess.run([sys.executable])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(os.getppid(), 9)",
        "os.kill(0, 9)",
        "os.kill(-1, 9)",
        "os.killpg(os.getpgid(0), 9)",
        "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)",
        "fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
        "os.setsid()",
        "os.setpgid(0, os.getppid())",
        "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
        "os.sched_setaffinity(os.getppid(), [0])",
        "os.setuid(1)",
        "os.chroot('.')",
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))",
        "socket.socket()",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "urllib.request.urlopen('http://127.0.0.1')",
        "refused(101, 16, os.getppid(), 0, 0)  # ptrace(PTRACE_ATTACH)",
        "refused(310, os.getppid(), 0, 0, 0)  # process_vm_readv",
        "refused(165, b'none', b'.', b'tmpfs', 0)  # mount",
        "refused(272, 0x10000000)  # unshare(CLONE_NEWUSER)",
        "refused(56, 17, 0, 0, 0)  # clone(SIGCHLD)",
        "refused(319, b'x', 0)  # memfd_create",
        "refused(425, 8, 0)  # io_uring_setup",
        "refused(321, 0, 0, 0)  # bpf",
        "refused(29, 0, 4096, 0o1600)  # shmget",
        "refused(600, 0)  # what a kernel to come may bring",
    ],
)
def test_what_it_may_not_ask_of_the_system(worker: ContainedWorker, folder: Path, code: str) -> None:
    if code.startswith("refused") and os.uname().machine != "x86_64":
        pytest.skip("these numbers of system calls are x86_64's")
    ended = run(
        worker,
        folder,
        "import ctypes, fcntl, os, resource, signal, socket, subprocess, sys, urllib.request\n"
        "def refused(*given):\n"
        "    library = ctypes.CDLL(None, use_errno=True)\n"
        "    assert library.syscall(*given) == -1\n"
        "    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))\n" + code,
    )
    assert ended.how == "raised"
    refusals = ("not permitted", "ermission", "not allowed to raise")
    assert any(words in ended.error for words in refusals), ended.error
    # The warm process is still the one it was.
    assert run(worker, folder, "pass").how == "returned"


def test_the_environment_is_empty(worker: ContainedWorker, folder: Path) -> None:
    ended = worker.run("os:getenv", {"key": "PATH"}, folder)
    assert (ended.how, ended.value) == ("returned", None)
    ended = run(worker, folder, "import os; print({**os.environ})")
    assert ended.output == f"{ {'HOME': str(folder), 'TMPDIR': str(folder)} }\n"


class Listening:
    """A server on a Unix socket that says its name."""

    def __init__(self, path: Path) -> None:
        self.path, self.heard = path, 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.heard += 1
            with connection:
                connection.sendall(self.path.name.encode())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Listening, Listening]]:
    both = Listening(tmp_path / "first"), Listening(tmp_path / "second")
    yield both
    for one in both:
        one.close()


def test_every_connection_leads_to_its_server(
    worker: ContainedWorker, folder: Path, servers: tuple[Listening, Listening]
) -> None:
    first, second = servers
    code = f"""
import select, socket
for path in ({str(first.path)!r}, {str(second.path)!r}, "/run/docker.sock", "\\0abstract"):
    one = socket.socket(socket.AF_UNIX)
    one.connect(path)
    select.select([one], [], [])
    print(one.recv(99).decode())
"""
    assert run(worker, folder, code, server=first.path).output == "first\n" * 4
    assert (first.heard, second.heard) == (4, 0)
    ended = run(worker, folder, code)
    assert (ended.how, ended.output) == ("raised", "")
    assert "Permission" in ended.error
    assert (first.heard, second.heard) == (4, 0)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('os.write(fd, b"{}\\n")', "its answer can't be read"),
        ('os.write(fd, b\'{"how": "returned"}\')', "its answer can't be read"),
        ('os.write(fd, b\'{"how": "open"}\\n\' * 2)', "its answer can't be read"),
        ("os.write(fd, b'[' * 100_000 + b'\\n')", "its answer can't be read"),
        ('os.write(fd, b\'{"how": "returned", "output": ""}\\n\')', "its answer can't be read"),
        ('os.write(fd, b\'{"how": "returned", "error": [1]}\\n\')', "its answer can't be read"),
        ("os.write(fd, b'\\xff\\n')", "its answer can't be read"),
        ("os.close(fd)", "its answer can't be read"),
        ("[os.write(fd, b'x' * 60_000) for _ in range(100)]", "its answer has no end"),
    ],
)
def test_an_answer_that_is_none(worker: ContainedWorker, folder: Path, said: str, error: str) -> None:
    # The answer's pipe is the only one that is open.
    code = f"""
import os, stat
for fd in range(3, 128):
    try: found = stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError: continue
    assert found, fd
    {said}
    os._exit(0)
"""
    ended = run(worker, folder, code, Limits(seconds=3))
    assert (ended.how, ended.error) == ("died", error)
    assert run(worker, folder, "pass").how == "returned"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os; os._exit(3)", "it ended its own process with status 3"),
        ("import os; os.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
        ("import ctypes; ctypes.string_at(0)", "it was ended by SIGSEGV"),
    ],
)
def test_a_process_that_dies_is_told(worker: ContainedWorker, folder: Path, code: str, error: str) -> None:
    ended = run(worker, folder, code)
    assert (ended.how, ended.error) == ("died", error)


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15, 24)]\nwhile True: pass",
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); time.sleep(60)",
    ],
)
def test_what_never_ends_is_ended(worker: ContainedWorker, folder: Path, code: str) -> None:
    start = time.monotonic()
    ended = run(worker, folder, code, Limits(seconds=0.5))
    assert (ended.how, ended.error) == ("too long", "it ran for more than 0.5 seconds")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "code",
    [
        "held = bytearray(900 * 2**20)",
        "import mmap; held = mmap.mmap(-1, 900 * 2**20)",
        "import threading, time; [threading.Thread(target=time.sleep, args=(9,)).start() for _ in range(500)]",
        "held = ['x' * 2**20 for _ in range(900)]",
    ],
)
def test_memory_has_an_end(worker: ContainedWorker, folder: Path, code: str) -> None:
    ended = run(worker, folder, code, Limits(seconds=5, memory=200 * 2**20))
    assert ended.how in ("too much memory", "raised"), ended
    assert ended.how == "too much memory" or "allocate memory" in ended.error or "new thread" in ended.error


def test_output_and_files_have_an_end(worker: ContainedWorker, folder: Path) -> None:
    ended = run(worker, folder, "while True: print('x' * 10_000)")
    assert ended.how in ("raised", "died", "too long")
    assert len(ended.output) <= 20_000
    ended = run(worker, folder, "file = open('x', 'wb')\nwhile True: file.write(b'x' * 1_000_000)")
    assert "File too large" in ended.error
    assert (folder / "x").stat().st_size <= 64_000_000


def test_the_next_one_is_clean(worker: ContainedWorker, folder: Path) -> None:
    code = "import json, sys; json.loads = sys.exit; sys.modules['os'] = None; open('left', 'w').close()"
    assert run(worker, folder, code).how in ("returned", "raised", "died")
    assert (
        run(worker, folder, "import json; assert json.loads('[1]') == [1]; import os; os.getcwd()").how
        == "returned"
    )


def test_where_the_kernel_can_not_do_it_nothing_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    worker = ContainedWorker("without_landlock")
    with pytest.raises(NotContained, match="no Landlock"):
        run(worker, folder, "open('it ran', 'w')")
    worker.close()
    assert not (folder / "it ran").exists()
