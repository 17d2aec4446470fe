"""JupyterLab starts on the learner's notebooks, and keeps to the workspace."""

from __future__ import annotations

import json
import time
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab_desk import PATIENCE_S, Lab
from migration_cookbook.databases import server
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.recorded import notebook_paths

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


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


def test_terminals_are_there(lab: Lab) -> None:
    assert lab.ask("/api/terminals") == []


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
