"""`kill -9` at random moments: after each, the next Run All passes and no committed row is missing.

COOKBOOK_KILLS says how many, COOKBOOK_SEED which moments. Without a number, as many as two minutes hold.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from kernel_desk import Kernel, KernelDied, open_kernel
from places import cookbook, copy_checkout, disposable, environment_in

from migration_cookbook.databases import cluster, keeper, server
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import prefix
from migration_cookbook.editions.book import this_book
from migration_cookbook.sandbox import opening
from migration_cookbook.sandbox.plan import plan
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.workspace import Workspace

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("worst-kills")]

#: `make soak` asks for 200, however long they take.
KILLS = int(os.environ.get("COOKBOOK_KILLS", "200"))
BUILD_KILLS = max(2, KILLS // 10) if "COOKBOOK_KILLS" in os.environ else 3
TIME_BOX_S = math.inf if "COOKBOOK_KILLS" in os.environ else 120.0
SEED = int(os.environ.get("COOKBOOK_SEED", str(random.randrange(10**6))))

SLUG = "examples/07-add-a-column"
NOTEBOOK = this_book().notebook(SLUG)
#: The sandbox of that notebook: what is killed here, Run All must find usable.
NAME = "07-add-a-column"


@dataclass(frozen=True)
class Deed:
    """What is going on at the moment of the kill."""

    name: str
    cells: tuple[str, ...]
    #: What must have happened before.
    before: tuple[str, ...] = ()
    #: How the place is prepared after that.
    prepare: Callable[[Workspace], object] = lambda workspace: None


def forget_templates(workspace: Workspace) -> None:
    host = server.attach(workspace)
    with connect(host.url) as admin:
        found = admin.execute("SELECT datname FROM pg_database WHERE datistemplate").fetchall()
    for (name,) in found:
        if name.startswith(prefix(workspace.installation)):
            host.drop_named(name)
    for path in (workspace.databases / "templates").glob("*.db"):
        path.unlink()


DEEDS = (
    Deed("create", (f"%sandbox {NAME} --at base --databases 3",)),
    Deed("clone", (f"%sandbox {NAME} --at 0003 --databases 3",)),
    Deed("template", (f"%sandbox {NAME} --at 0005",), prepare=forget_templates),
    Deed("drop", (f"%sandbox {NAME} --bare",), (f"%sandbox {NAME} --at 0003 --databases 4",)),
    Deed(
        "upgrade",
        ("%alembic upgrade head", "%alembic downgrade 0002"),
        (f"%sandbox {NAME} --database-at base", "%schema"),
    ),
    Deed(
        "revision",
        (
            '%%revision 0004 "add isbn"\ndef upgrade():\n    op.add_column("books", sa.Column("isbn", sa.Text))\n\n'
            'def downgrade():\n    op.drop_column("books", "isbn")',
            "%alembic upgrade head",
            "%%sql\nUPDATE books SET isbn = '9780441478125'; SELECT count(*) AS n FROM books",
        ),
        (f"%sandbox {NAME} --at 0003",),
    ),
    Deed("start", (f"%sandbox {NAME} --at 0003",), prepare=server.stop),
)


@dataclass
class Witness:
    """Rows in another sandbox, committed one by one while the killing goes on."""

    sandbox: Sandbox
    #: The last number whose COMMIT came back.
    committed: dict[Dialect, int] = field(default_factory=lambda: {Dialect.SQLITE: 0, Dialect.POSTGRES: 0})

    def __str__(self) -> str:
        counts = (f"{count} rows on {dialect.title}" for dialect, count in self.committed.items())
        return f"{' and '.join(counts)} were committed and found again"

    def begin(self) -> None:
        for dialect in Dialect:
            with self._open(dialect) as connection:
                connection.execute("CREATE TABLE committed (number integer)")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        over = threading.Event()
        threads = [threading.Thread(target=self._write, args=(dialect, over)) for dialect in Dialect]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def missing(self) -> dict[str, set[int]]:
        lost = {}
        for dialect in Dialect:
            with self._open(dialect) as connection:
                found = {number for (number,) in connection.execute("SELECT number FROM committed")}
            if missing := set(range(1, self.committed[dialect] + 1)) - found:
                lost[dialect.title] = missing
        return lost

    def _write(self, dialect: Dialect, over: threading.Event) -> None:
        # With the server the connection dies, and with it this thread; the next kill starts another.
        with contextlib.suppress(psycopg.Error), self._open(dialect) as connection:
            while not over.wait(0.005):
                connection.execute(f"INSERT INTO committed VALUES ({self.committed[dialect] + 1})")
                self.committed[dialect] += 1

    def _open(
        self, dialect: Dialect
    ) -> contextlib.AbstractContextManager[sqlite3.Connection | psycopg.Connection]:
        database = self.sandbox.databases[dialect][0]
        if dialect is Dialect.SQLITE:
            return contextlib.closing(sqlite3.connect(database.name, isolation_level=None))
        return connect(database.url)


@dataclass
class Site:
    """The workspace in which things are killed."""

    workspace: Workspace
    random: random.Random
    witness: Witness
    durations: dict[str, float] = field(default_factory=dict)

    def victims(self, who: str, kernel: Kernel) -> list[int]:
        """The processes to kill; where the server is not up yet, the kernel dies instead."""
        if who == "kernel":
            return [kernel.pid]
        known = cluster.known(self.workspace)
        postmaster = known.pid() if known else None
        if postmaster is None:
            return [kernel.pid]
        if who == "server":
            return [postmaster]
        if who == "all of them":
            return [kernel.pid, postmaster, *self.keepers()]
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(postmaster).children()
            # A client's backend if there is one, else one of the server's own.
            clients = [
                child.pid for child in children if "cookbook_" in " ".join(child.cmdline()).partition(":")[2]
            ]
            return [self.random.choice(clients or [child.pid for child in children])]
        return [kernel.pid]

    def keepers(self) -> list[int]:
        root = str(self.workspace.root)
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if keeper.__name__ in (process.info["cmdline"] or []) and root in process.info["cmdline"][-1]
        ]

    def kill_during(self, deed: Deed, who: str, kernel: Kernel) -> None:
        """Do the deed, and kill somebody at a random moment of it."""
        self.rehearse(deed, kernel)
        self.set_up(deed, kernel)
        moment = self.random.uniform(0, self.durations[deed.name])
        timer = threading.Timer(moment, lambda: kill(self.victims(who, kernel)))
        with self.witness.writing():
            timer.start()
            with contextlib.suppress(KernelDied):
                self.do(deed, kernel)
            timer.join()

    def rehearse(self, deed: Deed, kernel: Kernel) -> None:
        """How long the deed takes when nobody is killed."""
        if deed.name not in self.durations:
            self.set_up(deed, kernel)
            began = time.monotonic()
            for cell in deed.cells:
                kernel.run(cell)
            self.durations[deed.name] = time.monotonic() - began

    def set_up(self, deed: Deed, kernel: Kernel) -> None:
        for cell in ("%load_ext migration_cookbook", *deed.before):
            kernel.run(cell)
        deed.prepare(self.workspace)

    def do(self, deed: Deed, kernel: Kernel) -> None:
        """A cell may fail, if it says so in a line; the next may not make it worse."""
        for cell in deed.cells:
            ended = kernel.attempt(cell)
            if ended.error is not None:
                assert "\n" not in ended.error and "did not expect" not in ended.error, ended.error


def left_over(workspace: Workspace) -> list[str]:
    """What killed processes left half made and nobody tidied up since."""
    return server.attach(workspace).sweep() + workspace.sweep()


def kill(pids: list[int]) -> None:
    """Kill them, and return when they are dead."""
    killed = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            killed.append(psutil.Process(pid))
            killed[-1].kill()
    psutil.wait_procs(killed, timeout=10)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with disposable(tmp_path / "workspace") as workspace:
        planned = plan("witness", at="0001", database_at=None, bare=False, rows=True, databases="1")
        sandbox, _ = opening.open_fresh(workspace, planned)
        witness = Witness(sandbox)
        witness.begin()
        yield Site(workspace, random.Random(SEED), witness)


def test_the_next_run_all_passes_and_no_committed_row_is_missing(site: Site) -> None:
    kills: Counter[str] = Counter()
    began = time.monotonic()
    with contextlib.ExitStack() as kernels:
        kernel = kernels.enter_context(open_kernel(site.workspace))
        while kills.total() < KILLS and time.monotonic() - began < TIME_BOX_S:
            deed = site.random.choice(DEEDS)
            who = site.random.choice(("kernel", "server", "backend", "all of them"))
            what = f"{who} during {deed.name}"
            with saying(f"seed {SEED}, kill {kills.total() + 1}: {what}"):
                site.kill_during(deed, who, kernel)
                if kernel.alive:
                    kernel.run(f"%sandbox {NAME} --at 0003")
                    kernel.run("%alembic downgrade base")
                kernels.close()
                kernel = kernels.enter_context(open_kernel(site.workspace))
                kernel.run_all(NOTEBOOK)
                assert site.witness.missing() == {}
            kills[what] += 1
    print(f"{kills.total()} kills in {time.monotonic() - began:.0f} s; {site.witness}")
    for what, count in sorted(kills.items()):
        print(f"{count:4} {what}")
    assert left_over(site.workspace) == []


@contextlib.contextmanager
def saying(what: str) -> Iterator[None]:
    """Whatever fails says at which kill."""
    print(what, flush=True)
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error


def test_a_killed_build_leaves_whole_notebooks_and_the_next_build_passes(tmp_path: Path) -> None:
    """Also its kernels end, which nobody but the build knew."""
    copy = copy_checkout(tmp_path)
    workspace = open_workspace(copy / "workspace")
    path = copy / "notebooks" / f"{SLUG}.ipynb"
    command, options = cookbook("build", NAME), {"env": environment_in(copy), "cwd": copy}
    try:
        began = time.monotonic()
        subprocess.run(command, **options, check=True, capture_output=True)
        duration = time.monotonic() - began
        built = path.read_text()
        chance = random.Random(SEED)
        for number in range(1, BUILD_KILLS + 1):
            older = built.replace("Predict", "Guess")
            path.write_text(older)
            building = subprocess.Popen(
                command, **options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                building.wait(chance.uniform(0.3, duration))
            kernels = (
                psutil.Process(building.pid).children(recursive=True) if building.returncode is None else []
            )
            building.kill()
            building.wait()
            with saying(f"seed {SEED}, kill {number} of a build"):
                assert path.read_text() in (older, built)
                psutil.wait_procs(kernels, timeout=20)
                subprocess.run(command, **options, check=True, capture_output=True)
                assert path.read_text() == built
                assert [kernel for kernel in kernels if kernel.is_running()] == []
    finally:
        for home in (workspace, open_workspace(workspace.root / "build")):
            server.remove(home)
