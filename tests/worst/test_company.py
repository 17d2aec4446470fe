"""Several at once in one checkout: two labs and a test, and an update of the kit under a running lab."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from kernel_desk import PATIENCE_S, Kernel, connected
from places import cookbook, copy_checkout, environment_in, open_folder

from migration_cookbook.databases import server
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.workspace import Workspace

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("worst-company")]

EXAMPLE = "examples/07-add-a-column"


@dataclass(frozen=True)
class OpenLab:
    """A lab of a checkout's copy, and the address it printed."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int
    token: str
    workspace: Workspace

    def ask(self, path: str, data: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if data is None else json.dumps(data).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    @contextlib.contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """A kernel that the lab started, as for a notebook that is opened."""
        number = self.ask("/api/kernels", data={"name": "python3", "path": "notebooks/any.ipynb"})["id"]
        file = self.workspace.jupyter / "runtime" / f"kernel-{number}.json"
        deadline = time.monotonic() + PATIENCE_S
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client = BlockingKernelClient()
        client.load_connection_file(str(file))
        with connected(client) as kernel:
            yield kernel


@contextlib.contextmanager
def labs_in(copy: Path, count: int = 1) -> Iterator[list[OpenLab]]:
    """So many labs of one checkout, all started at the same moment."""
    begun = []
    for number in range(count):
        log = copy / f"lab-{time.monotonic_ns()}-{number}.log"
        with log.open("wb") as output:
            command = cookbook("lab", "--no-browser")
            options = {"env": environment_in(copy), "cwd": copy, "stdout": output, "stderr": output}
            begun.append((subprocess.Popen(command, **options), log))
    try:
        yield [opened(copy, process, log) for process, log in begun]
    finally:
        for process, _ in begun:
            process.terminate()
            process.wait(PATIENCE_S)


def opened(copy: Path, process: subprocess.Popen[bytes], log: Path) -> OpenLab:
    """Wait until the lab prints its address, and listens there."""
    deadline = time.monotonic() + PATIENCE_S
    address = r"http://127\.0\.0\.1:(\d+)/lab/\S+token=([0-9a-f]+)"
    while not (found := re.search(address, log.read_text())) or not listens(int(found[1])):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return OpenLab(process, log, int(found[1]), found[2], open_workspace(copy / "workspace"))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def copy() -> Iterator[Path]:
    with open_folder() as folder:
        made = copy_checkout(folder)
        keep_one_page(made)
        yield made
        workspace = open_workspace(made / "workspace")
        for part in ("", "build", "test"):
            server.remove(open_workspace(workspace.root / part))


def keep_one_page(copy: Path) -> None:
    """A book of one page is enough here, and is tested in seconds."""
    for path in (*(copy / "chapters").rglob("*.md"), *(copy / "notebooks").rglob("*.ipynb")):
        # The page shows exercises, so they stay.
        if path.stem not in ("INDEX", EXAMPLE.rpartition("/")[2]) and path.parent.name != "exercises":
            path.unlink()
    # Its links lead to pages that are gone now.
    chapter = copy / "chapters" / f"{EXAMPLE}.md"
    text = chapter.read_text(encoding="utf-8")
    chapter.write_text(
        re.sub(r"\]\([^)#]*\.ipynb", f"]({EXAMPLE.rpartition('/')[2]}.ipynb", text), encoding="utf-8"
    )
    subprocess.run(cookbook("build"), env=environment_in(copy), cwd=copy, check=True, capture_output=True)


def test_two_labs_and_a_test_at_once(copy: Path) -> None:
    with contextlib.ExitStack() as stack:
        labs = stack.enter_context(labs_in(copy, 2))
        assert labs[0].port != labs[1].port
        testing = subprocess.Popen(
            cookbook("test", "tests/test_docstrings.py", "tests/editions/test_chapter.py"),
            env=environment_in(copy),
            cwd=copy,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        kernels = [stack.enter_context(lab.kernel()) for lab in labs]
        for kernel, sandbox in zip(kernels, ("one", "two"), strict=True):
            kernel.run("%load_ext migration_cookbook")
            kernel.run(f"%sandbox {sandbox} --at 0003")
            kernel.run(f"%%sql\nUPDATE books SET title = 'in {sandbox}' WHERE id = 1")
        kernels[0].run_all(copy / "notebooks" / f"{EXAMPLE}.ipynb")
        output, _ = testing.communicate(timeout=300)
        assert testing.returncode == 0, output
        kernels[1].run("%alembic downgrade -1")
        assert kernels[1].run("%%sql\nSELECT title FROM books WHERE id = 1").count("in two") == 1
        assert [lab.process.poll() for lab in labs] == [None, None]


def test_a_busy_port_is_one_line_that_says_what_to_do(copy: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = subprocess.run(
            cookbook("lab", "--no-browser", "--port", str(port)),
            env=environment_in(copy),
            cwd=copy,
            capture_output=True,
            text=True,
        )
    assert refused.returncode == 2
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert f"The port {port} is in use. Name another with --port" in line
    assert not (copy / "workspace" / "notebooks").exists()


def test_an_update_of_the_kit_under_a_running_lab(copy: Path) -> None:
    with labs_in(copy) as [lab], lab.kernel() as old:
        notebook = lab.workspace.notebooks / f"{EXAMPLE}.ipynb"
        edited = nbformat.read(notebook, as_version=4)
        edited.cells[2].source += "\n# mine"
        nbformat.write(edited, notebook)
        theirs = notebook.read_text()
        old.run("%load_ext migration_cookbook")
        old.run("%sandbox mine --at 0003")
        old.run("%%sql\nUPDATE books SET title = 'mine' WHERE id = 1")
        update(copy)
        old.run_all(copy / "notebooks" / f"{EXAMPLE}.ipynb")
        old.run("%sandbox mine --resume")
        assert old.run("import migration_cookbook\nprint(migration_cookbook.__version__)").strip() != "99"
        with lab.kernel() as new:
            new.run("%load_ext migration_cookbook")
            new.run("%sandbox mine --resume")
            assert "mine" in new.run("%%sql\nSELECT title FROM books WHERE id = 1")
            assert new.run("import migration_cookbook\nprint(migration_cookbook.__version__)").strip() == "99"
            new.run_all(copy / "notebooks" / f"{EXAMPLE}.ipynb")
        with labs_in(copy) as [second]:
            assert "it lies beside it" in second.log.read_text()
        assert notebook.read_text() == theirs


def update(copy: Path) -> None:
    """As git does it: other files in the place of the old ones. Old and new code don't fit together."""
    package = copy / "src" / "migration_cookbook"
    for path in package.rglob("*.py"):
        text = path.read_text().replace("publish_answers", "publish_all").replace("open_fresh", "open_anew")
        text = re.sub(r'^__version__ = ".*"', '__version__ = "99"', text, flags=re.MULTILINE)
        path.unlink()
        path.write_text(text)
    page = copy / "notebooks" / f"{EXAMPLE}.ipynb"
    changed = nbformat.read(page, as_version=4)
    changed.cells[0].source += "\n\nA new edition."
    page.unlink()
    nbformat.write(changed, page)
