"""JupyterLab starts on the learner's notebooks, and keeps to the workspace."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from migration_cookbook.databases import server
from migration_cookbook.editions.blindspots import notebook_paths
from migration_cookbook.editions.book import this_book
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

COOKBOOK = Path(sys.executable).with_name("cookbook")
PATIENCE_S = 60


class Lab:
    """A running JupyterLab, asked over its own API."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.workspace = open_workspace(folder / "a learner's wörkspace")
        self.port = free_port()
        inherited = {"DATABASE_URL": "postgresql://foreign.example/prod", "PGHOST": "foreign.example"}
        self.log = folder / "lab.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [COOKBOOK, "lab", "--no-browser", "--port", str(self.port)],
                env=os.environ
                | inherited
                | {"HOME": str(self.home), "COOKBOOK_HOME": str(self.workspace.root)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.token = self._token()

    def _token(self) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"token=([0-9a-f]+)", self.log.read_text()):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def ask(self, path: str, data: Any = None, token: str | None = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if data is None else json.dumps(data).encode(),
            headers={"Authorization": f"token {self.token if token is None else token}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
        return json.loads(text) if path.startswith("/api") else text

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        server.stop(self.workspace)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_notebooks_are_there_in_reading_order(lab: Lab) -> None:
    listed = [entry["name"] for entry in lab.ask("/api/contents/notebooks")["content"]]
    tutorial = sorted(Path(slug).name for slug in notebook_paths(this_book().notebooks) if "/" not in slug)
    assert sorted(name for name in listed if name.endswith(".ipynb")) == [
        f"{name}.ipynb" for name in tutorial
    ]
    assert tutorial[0] == "00-start-here"


def test_it_opens_on_start_here(lab: Lab) -> None:
    assert f"http://127.0.0.1:{lab.port}/lab/tree/notebooks/00-start-here.ipynb?token=" in lab.log.read_text()


def test_learners_get_cleared_outputs(lab: Lab) -> None:
    notebook = lab.ask("/api/contents/notebooks/00-start-here.ipynb")["content"]
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)


def test_a_token_is_needed(lab: Lab) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        lab.ask("/api/contents/notebooks", token="wrong")
    assert refused.value.code == 403


def test_it_listens_on_this_computer_only(lab: Lab) -> None:
    assert "--ServerApp.ip=127.0.0.1" in Path(f"/proc/{lab.process.pid}/cmdline").read_text().split("\0")


def test_the_settings_ask_nobody_for_news(lab: Lab) -> None:
    settings = lab.ask("/lab/api/settings/@jupyterlab/apputils-extension:notification")
    raw = json.loads(settings)["raw"]
    assert json.loads(raw)["fetchNews"] == "false"
    assert json.loads(raw)["checkForUpdates"] is False


def test_both_databases_run_before_the_first_cell(lab: Lab) -> None:
    assert "PostgreSQL" in lab.log.read_text().splitlines()[1]
    assert server.running(lab.workspace)


def test_a_kernel_leaves_nothing_in_the_home_folder(lab: Lab) -> None:
    kernel = lab.ask("/api/kernels", data={"name": "python3"})
    deadline = time.monotonic() + PATIENCE_S
    while lab.ask(f"/api/kernels/{kernel['id']}")["execution_state"] not in ("idle", "starting"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    history = lab.workspace.jupyter / "ipython" / "profile_default"
    while not history.is_dir():
        assert time.monotonic() < deadline, "the kernel made no profile folder in the workspace"
        time.sleep(0.05)
    assert names_below(lab.home) == []
