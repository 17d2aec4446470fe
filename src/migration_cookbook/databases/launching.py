"""The start of a server whose data are there, with pg_ctl."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from migration_cookbook.databases.initdb import QUICK_PASSWORDS, QUICK_SINCE, program
from migration_cookbook.databases.server_log import CIRCUMSTANCES, complaints, last_complaint, read_log
from migration_cookbook.workspace import CookbookError, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.databases.account import Account
    from migration_cookbook.databases.binaries import Binaries
    from migration_cookbook.databases.cluster import Cluster

#: A server that ends so often while it starts, without a complaint, is taken for damaged.
_STARTS = 5

_STILL_IN_USE = "pre-existing shared memory block"

# Nothing listens on the network. The kit's own connections are reserved, so a sandbox can't shut it out. The table
# of locks takes 8 MB more than with the default, and three times as many locks. A learner's data need not survive
# a power cut, so fsync is off; `kill -9` loses nothing, because synchronous_commit is on.
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


class DamagedError(Exception):
    """The server didn't start, and the circumstances aren't to blame; says what it complained about."""


def launch(cluster: Cluster, binaries: Binaries, account: Account) -> None:
    """Start the server, again while a killed one is still going down."""
    if cluster.pid() is not None:
        return  # started after all, by the pg_ctl of a process that was killed
    _clear_remains(cluster)
    sockets = "'" + str(cluster.sockets).replace("'", "''") + "'"
    settings = cluster.data / "postgresql.auto.conf"
    lines = _SETTINGS.format(sockets=sockets)
    if binaries.major >= QUICK_SINCE:
        lines += f"{QUICK_PASSWORDS}\n"
    write_atomically(settings, lines, mode=0o600)
    account.own(settings)
    pg_ctl = program("pg_ctl", cluster.home, binaries, account)
    command: list[str | Path] = [pg_ctl, "-D", "data", "-l", "pg.log", "-w", "-t", "60"]
    command += ["-o", f"-c cluster_name={cluster.mark}", "start"]
    deadline = time.monotonic() + 15
    starts = 0
    while True:
        cluster.output.unlink(missing_ok=True)
        starts += 1
        if account.run(command, cluster.home).returncode == 0:
            return
        # The killed server's backends end by themselves, a moment after it.
        in_use = _STILL_IN_USE in read_log(cluster)
        if in_use and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        # Who complains of nothing was killed: that says nothing about the data.
        if not complaints(cluster) and starts < _STARTS:
            _clear_remains(cluster)
            continue
        complaint = last_complaint(cluster)
        if in_use or any(words in read_log(cluster) for words in CIRCUMSTANCES):
            raise CookbookError(f"PostgreSQL doesn't start: {complaint}. Its log is {cluster.output}.")
        raise DamagedError(complaint)


def _clear_remains(cluster: Cluster) -> None:
    """Remove what a dead server left: a new one would fail on it if the process id was given away again."""
    for path in (cluster.data / "postmaster.pid", *cluster.sockets.glob(".s.PGSQL.*")):
        path.unlink(missing_ok=True)
