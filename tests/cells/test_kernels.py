"""Real kernels: interrupts, kills, a server that dies, two notebooks at once, somebody's own DATABASE_URL."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from notebook_desk import check_output

from migration_cookbook.databases import cluster, server
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.kernels.manager import WarmKernelManager
from migration_cookbook.workspace import HOME_VARIABLE, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

pytestmark = pytest.mark.xdist_group("kernels")

PATIENCE = 12.0
LONG_QUERY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) "
    "SELECT max(i) AS m FROM n"
)


@dataclass(frozen=True)
class Ended:
    """How a cell ended."""

    text: str
    error: str | None


@dataclass(frozen=True)
class Kernel:
    manager: WarmKernelManager
    client: BlockingKernelClient
    workspace: Workspace

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.process.pid)

    def start(self, cell: str) -> str:
        return str(self.client.execute(cell))

    def end(self, message: str) -> Ended:
        """Wait until the cell is done; what it put out."""
        texts: list[str] = []
        error = None
        while True:
            heard: dict[str, Any] = self.client.get_iopub_msg(timeout=PATIENCE)
            if heard["parent_header"].get("msg_id") != message:
                continue
            content = heard["content"]
            if heard["msg_type"] == "display_data":
                check_output(content["data"], self.workspace)
                texts.append(content["data"]["text/plain"])
            elif heard["msg_type"] == "stream":
                texts.append(content["text"])
            elif heard["msg_type"] == "error":
                error = "\n".join(content["traceback"])
            elif heard["msg_type"] == "status" and content["execution_state"] == "idle":
                return Ended("\n".join(texts), error)

    def run(self, cell: str) -> str:
        ended = self.end(self.start(cell))
        assert ended.error is None, f"{cell}\n{ended.text}\n{ended.error}"
        return ended.text

    def kill(self) -> None:
        process = self.manager.provisioner.process
        os.kill(process.pid, signal.SIGKILL)
        process.wait(5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace of their own: its server meets with accidents."""
    opened = open_workspace(tmp_path_factory.mktemp("kernels") / "workspace")
    server.attach(opened)
    yield opened
    server.remove(opened)


@contextlib.contextmanager
def kernel_in(home: Workspace, **variables: str) -> Iterator[Kernel]:
    manager = WarmKernelManager()
    environment = {key: value for key, value in os.environ.items() if key != OWN_SERVER_VARIABLE}
    ipython = home.root.parent / "ipython"
    manager.start_kernel(
        env=environment | {HOME_VARIABLE: str(home.root), "IPYTHONDIR": str(ipython)} | variables
    )
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        kernel = Kernel(manager, client, home)
        kernel.run("%load_ext migration_cookbook")
        # An interrupt may get lost in an import: all that %%sql needs is imported before.
        kernel.run("import sql.run")
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def start_kernel(home: Workspace) -> Iterator[Callable[..., Kernel]]:
    with contextlib.ExitStack() as stack:
        yield lambda **variables: stack.enter_context(kernel_in(home, **variables))


@pytest.fixture(scope="module")
def shared_kernel(home: Workspace) -> Iterator[Kernel]:
    with kernel_in(home) as kernel:
        yield kernel


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def computing(kernel: Kernel) -> bool:
    """Whether the kernel is busy in SQLite, which takes a whole processor."""
    return psutil.Process(kernel.pid).cpu_percent(interval=0.2) > 40


def sleeping(home: Workspace) -> bool:
    """Whether some session sleeps in PostgreSQL."""
    with connect(server.attach(home).url) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid <> pg_backend_pid()"
        )
        return found.fetchone() is not None


def open_transactions(home: Workspace, name: str) -> int:
    """How many there are in databases with this in their name."""
    with connect(server.attach(home).url) as connection:
        found = connection.execute(
            "SELECT FROM pg_stat_activity WHERE datname LIKE %s AND xact_start IS NOT NULL", [f"%{name}%"]
        )
        return len(found.fetchall())


def interrupted(kernel: Kernel, cell: str, begun: Callable[[], bool]) -> Ended:
    """Start a cell, interrupt it once it has begun; how it ended, and what it began with it."""
    message = kernel.start(cell)
    wait_until(begun)
    kernel.manager.interrupt_kernel()
    ended = kernel.end(message)
    # Each statement takes longer than anybody waits here, so it was the interrupt that ended it.
    wait_until(lambda: not begun())
    assert ended.error is not None
    assert "Traceback" not in ended.error
    return ended


def revision(name: str, upgrade: str) -> str:
    return f'%%revision {name} "{name}"\ndef upgrade():\n    {upgrade}\ndef downgrade():\n    pass'


def test_an_interrupt_of_a_migration_on_postgresql(shared_kernel: Kernel) -> None:
    shared_kernel.run("%sandbox interrupts --at 0003")
    shared_kernel.run(
        revision(
            "0004",
            "op.add_column('books', sa.Column('isbn', sa.Text))\n"
            "    if op.get_bind().dialect.name == 'postgresql':\n"
            "        op.execute('SELECT pg_sleep(600)')",
        )
    )
    ended = interrupted(shared_kernel, "%alembic upgrade head", lambda: sleeping(shared_kernel.workspace))
    assert "worked; now at revision 0004" in ended.text
    assert "KeyboardInterrupt: interrupted" in ended.text
    assert "still at revision 0003; schema unchanged" in ended.text
    assert "interrupted, see above" in str(ended.error)
    # Databases and kernel stay usable.
    assert "SQLite at 0004, PostgreSQL at 0003" in shared_kernel.run("%sandbox interrupts --resume")
    shared_kernel.run("%alembic downgrade 0003 --on sqlite\n%alembic downgrade base")


def test_an_interrupt_of_a_migration_on_sqlite(shared_kernel: Kernel) -> None:
    shared_kernel.run("%sandbox interrupts --at 0003")
    shared_kernel.run(revision("0004", f'op.execute("{LONG_QUERY}")'))
    ended = interrupted(shared_kernel, "%alembic upgrade head", lambda: computing(shared_kernel))
    assert "KeyboardInterrupt: interrupted" in ended.text
    assert "not run: the interrupt came first" in ended.text
    assert "both databases at 0003" in shared_kernel.run("%sandbox interrupts --resume")
    shared_kernel.run("%alembic downgrade -1")


def test_an_interrupt_of_sql(shared_kernel: Kernel) -> None:
    shared_kernel.run("%sandbox interrupts --at 0003")
    update = "UPDATE books SET title = 'done' WHERE id = 1;\n"
    ended = interrupted(shared_kernel, f"%%sql\n{update}{LONG_QUERY}", lambda: computing(shared_kernel))
    assert "UPDATE: 1 row" in ended.text
    assert "not run: the interrupt came first" in ended.text
    ended = interrupted(
        shared_kernel,
        "%%sql --on postgres\nUPDATE books SET title = 'done';\nSELECT pg_sleep(600)",
        lambda: sleeping(shared_kernel.workspace),
    )
    assert "UPDATE: 3 rows" in ended.text
    assert "interrupted" in ended.text
    assert "done" in shared_kernel.run("%%sql\nSELECT title FROM books WHERE id = 1")


def test_an_interrupt_under_fails_is_no_announced_failure(shared_kernel: Kernel) -> None:
    shared_kernel.run("%sandbox interrupts --at 0003")
    ended = interrupted(
        shared_kernel,
        "%%fails\n%%sql --on postgres\nSELECT pg_sleep(600)",
        lambda: sleeping(shared_kernel.workspace),
    )
    assert "As announced" not in ended.text


def test_an_interrupt_while_waiting_for_a_session(shared_kernel: Kernel) -> None:
    shared_kernel.run("%sandbox interrupts --at 0003")
    shared_kernel.run("%%sql --as anna --background --on postgres\nSELECT pg_sleep(600)")
    ended = interrupted(shared_kernel, "%wait anna", lambda: sleeping(shared_kernel.workspace))
    assert "interrupted" in str(ended.error)
    assert "1" in shared_kernel.run("%%sql --as anna --on postgres\nSELECT 1 AS n")


def test_two_kernels_share_one_server(
    shared_kernel: Kernel, start_kernel: Callable[..., Kernel], home: Workspace
) -> None:
    other = start_kernel()
    for kernel, name in ((shared_kernel, "one"), (other, "two")):
        kernel.run(f"%sandbox {name} --at 0003")
        kernel.run(f"%%sql\nUPDATE books SET title = '{name}'")
    postmaster = "%%sql --on postgres\nSELECT pg_postmaster_start_time()::text AS t"
    assert shared_kernel.run(postmaster) == other.run(postmaster)
    other.run("%sandbox two --at 0001")
    assert "one" in shared_kernel.run("%%sql\nSELECT title FROM books WHERE id = 1")
    assert shared_kernel.run("%alembic current").count("0003 (head)") == 1


def test_one_name_in_two_kernels_ends_in_no_traceback(
    shared_kernel: Kernel, start_kernel: Callable[..., Kernel]
) -> None:
    other = start_kernel()
    messages = [(kernel, kernel.start("%sandbox twin --at 0003")) for kernel in (shared_kernel, other)]
    assert [kernel.end(message).error for kernel, message in messages] == [None, None]
    # The one that came last has it; the other is told, in one line.
    cells = ("%alembic upgrade head", "%alembic downgrade -1", "%%sql\nSELECT title FROM books", "%schema")
    for cell in cells:
        messages = [(kernel, kernel.start(cell)) for kernel in (shared_kernel, other)]
        for kernel, message in messages:
            ended = kernel.end(message)
            assert "Traceback" not in (ended.error or "")
            assert "did not expect" not in (ended.error or ""), ended.error
    other.run("%sandbox twin --at 0003")
    assert other.run("%alembic current").count("0003 (head)") == 1


def test_a_kernel_killed_with_an_open_transaction(
    start_kernel: Callable[..., Kernel], home: Workspace
) -> None:
    killed = start_kernel()
    killed.run("%sandbox killed --at 0003")
    killed.run("%%sql --as anna\nBEGIN; UPDATE books SET title = 'open'; DELETE FROM order_lines")
    killed.kill()
    following = start_kernel()
    following.run("%sandbox killed --resume")
    assert "open" not in following.run("%%sql\nSELECT title FROM books")
    following.run("%sandbox killed --at 0003")
    following.run("%alembic downgrade base")
    # Whoever waits for a lock is told so after 3 seconds, and the cell fails.
    assert open_transactions(home, "_s_killed_") == 0
    names = [name for name in server.attach(home).names() if "_s_killed_" in name]
    assert len(names) == 1


def test_a_server_that_is_killed_comes_back_with_every_committed_row(
    shared_kernel: Kernel, home: Workspace
) -> None:
    shared_kernel.run("%sandbox phoenix --at 0003")
    shared_kernel.run("%%sql --as anna\nUPDATE books SET title = 'committed' WHERE id = 1")
    known = cluster.known(home)
    assert known is not None
    postmaster = known.pid()
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    wait_until(lambda: known.pid() != postmaster)
    shown = shared_kernel.run("%%sql\nSELECT title FROM books WHERE id = 1")
    assert shown.count("committed") == 1
    # An open session is told that its transaction is gone, and then goes on.
    session = "%%sql --as anna --on postgres\nSELECT title FROM books WHERE id = 1"
    assert "terminating connection" in shared_kernel.end(shared_kernel.start(session)).text
    assert "committed" in shared_kernel.run(session)
    shared_kernel.run("%alembic downgrade -1")
    assert "committed" in shared_kernel.run("%%sql\nSELECT title FROM books WHERE id = 1")


def test_inherited_variables_of_a_foreign_database_are_never_followed(
    start_kernel: Callable[..., Kernel], home: Workspace, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.db"
    with contextlib.closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE precious (id INTEGER)")
    before = foreign.read_bytes()
    url = f"sqlite:///{foreign}"
    kernel = start_kernel(
        DATABASE_URL=url, BOOKSHOP_DATABASE_URL=url, PGHOST="/nowhere", PGDATABASE="precious", PGPORT="1"
    )
    kernel.run("%sandbox foreign --at 0003")
    kernel.run("%alembic downgrade base")
    kernel.run("%alembic upgrade head")
    assert "books" in kernel.run("%schema")
    assert foreign.read_bytes() == before
    # A plain Python cell that asks the project for its database must not be led there either.
    shown = kernel.run("from bookshop import database_url\nprint(database_url().database)")
    assert str(foreign) not in shown
