"""JupyterLab in bad company: other people's configuration, variables and modules, and a computer with other users."""

from __future__ import annotations

import json
import stat
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from lab_desk import PATIENCE_S, Lab, free_port, wait_until_ready
from migration_cookbook import cli
from migration_cookbook.lab import jupyter
from migration_cookbook.workspace import CookbookError, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: An address in a file that only its owner may read is the one secret of a lab.
SECRET = "known to everybody"
OPEN = {
    "ServerApp": {
        "token": "",
        "password": "",
        "allow_origin": "*",
        "disable_check_xsrf": True,
        "allow_unauthenticated_access": True,
        "root_dir": "/",
        "jpserver_extensions": {"planted": True},
    },
    "IdentityProvider": {"token": ""},
    "PasswordIdentityProvider": {"hashed_password": "", "password_required": False},
}
#: A module that says that it was imported.
MODULE = "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\nraise ImportError\n"
SHADOWED = ("random", "socket", "jupyter", "json", "jupyterlab", "jupyter_core", "migration_cookbook")


def plant_configuration(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("jupyter_config", "jupyter_server_config", "jupyter_lab_config", "jupyter_notebook_config"):
        (folder / f"{name}.json").write_text(json.dumps(OPEN))
    (folder / "jupyter_server_config.d").mkdir()
    (folder / "jupyter_server_config.d" / "planted.json").write_text(json.dumps(OPEN))
    (folder / "jupyter_config.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()")


def plant_modules(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(MODULE)


@pytest.fixture(scope="module", params=[0o000, 0o022], ids=["umask 000", "umask 022"])
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("hostile")
    theirs = folder / "theirs"
    for place in (theirs / "path", theirs / "dir", folder / "home" / ".jupyter"):
        plant_configuration(place)
    workspace = open_workspace(folder / "a learner's wörkspace")
    # As a lab before this one may have left them, and as somebody may have used that.
    for place in ("server-config", "runtime", "config"):
        plant_configuration(workspace.jupyter / place)
    for place in (workspace.root, folder / "cwd", theirs / "modules"):
        plant_modules(place)
    (theirs / "start.py").write_text(MODULE)
    for path in (workspace.jupyter, *workspace.jupyter.rglob("*")):
        path.chmod(0o777)
    running = Lab(
        folder,
        variables={
            "JUPYTER_CONFIG_PATH": str(theirs / "path"),
            "JUPYTER_CONFIG_DIR": str(theirs / "dir"),
            "JUPYTER_TOKEN": SECRET,
            "JUPYTER_PREFER_ENV_PATH": "0",
            "JUPYTER_PATH": str(theirs),
            "JUPYTERLAB_DIR": str(theirs),
            "PYTHONSTARTUP": str(theirs / "start.py"),
            "PYTHONSAFEPATH": "1",
            "ALEMBIC_CONFIG": str(theirs / "alembic.ini"),
            "BOOKSHOP_DATABASE_URL_2": "postgresql://foreign.example/prod",
        },
        cwd=folder / "cwd",
        umask=request.param,
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def kernel(lab: Lab) -> Iterator[BlockingKernelClient]:
    """A kernel in the folder of the notebooks, with a module of the learner's beside them."""
    (lab.workspace.notebooks / "learners_own.py").write_text("value = 42\n")
    started = lab.ask(
        "/api/sessions",
        data={"path": "notebooks/x.ipynb", "name": "x", "type": "notebook", "kernel": {"name": "python3"}},
    )["kernel"]["id"]
    client = BlockingKernelClient(
        connection_file=str(lab.workspace.jupyter / "runtime" / f"kernel-{started}.json")
    )
    client.load_connection_file()
    client.start_channels()
    wait_until_ready(client)
    yield client
    client.stop_channels()


def printed(kernel: BlockingKernelClient, code: str) -> str:
    said: list[str] = []

    def hook(message: dict) -> None:
        content = message["content"]
        said.append(content.get("text", "") or "\n".join(content.get("traceback", ())))

    kernel.execute_interactive(code, output_hook=hook, timeout=PATIENCE_S)
    return "".join(said).strip()


def test_it_has_a_token_of_its_own(lab: Lab) -> None:
    assert len(lab.token) >= 32
    for token in ("", SECRET, "wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            lab.ask("/api/contents", token=token)
        assert refused.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{lab.port}/api/contents", timeout=PATIENCE_S)
    assert refused.value.code == 403


def test_it_shows_the_workspace_and_nothing_else(lab: Lab) -> None:
    assert "notebooks" in [each["name"] for each in lab.ask("/api/contents")["content"]]


def test_nobodys_configuration_ran(lab: Lab) -> None:
    assert [path for path in lab.home.parent.rglob("ran") if path.is_file()] == []
    assert [path for path in lab.home.parent.rglob("*.ran") if path.is_file()] == []
    assert "planted" not in lab.log.read_text()


def test_the_token_is_not_on_the_command_line(lab: Lab) -> None:
    seen = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert str(lab.port) in seen
    assert lab.token not in seen


def test_others_can_read_nothing_of_it(lab: Lab, kernel: BlockingKernelClient) -> None:
    printed(kernel, "%config HistoryManager.db_cache_size = 0\n1")
    home = lab.workspace.jupyter
    seen = [home, *home.rglob("*")]
    names = {path.name for path in seen}
    assert any(name.startswith("jpserver-") and name.endswith("-open.html") for name in names)
    assert "history.sqlite" in names
    for path in seen:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert not mode & 0o077, f"{path} {mode:o}"
    written = [path for path in seen if path.is_file() and lab.token.encode() in path.read_bytes()]
    assert written


def test_a_kernel_knows_nothing_of_the_strangers(kernel: BlockingKernelClient) -> None:
    names = ("ALEMBIC_CONFIG", "PYTHONSTARTUP", "PYTHONSAFEPATH", "JUPYTER_TOKEN", "JUPYTER_CONFIG_PATH")
    more = ("DATABASE_URL", "PGHOST", "BOOKSHOP_DATABASE_URL_2", "JUPYTER_PATH", "JUPYTERLAB_DIR")
    assert printed(kernel, f"import os; print([n for n in {names + more} if n in os.environ])") == "[]"


def test_a_kernel_imports_the_modules_beside_its_notebook(kernel: BlockingKernelClient, lab: Lab) -> None:
    assert printed(kernel, "import os; print(os.getcwd())") == str(lab.workspace.notebooks)
    assert printed(kernel, "import learners_own; print(learners_own.value)") == "42"


def test_what_a_kernel_writes_there_is_private(kernel: BlockingKernelClient, lab: Lab) -> None:
    path = lab.workspace.jupyter / "data" / "written"
    printed(kernel, f"open({str(path)!r}, 'w').close()")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "workspace")


@pytest.mark.parametrize("name", ["", "runtime", "server-config", "ipython"])
def test_a_planted_link_is_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    link = workspace.jupyter / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(theirs)
    with pytest.raises(CookbookError, match="Move it away"):
        jupyter.prepare(workspace)
    assert list(theirs.iterdir()) == []
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o755


def test_a_link_inside_is_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.txt"
    theirs.touch()
    theirs.chmod(0o644)
    jupyter.prepare(workspace)
    (workspace.jupyter / "data" / "link").symlink_to(theirs)
    jupyter.prepare(workspace)
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o644


def test_a_taken_port_is_told_with_the_folders_made(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COOKBOOK_HOME", str(workspace.root))
    assert cli.main(["lab", "--port", "70000"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert stat.S_IMODE(workspace.jupyter.stat().st_mode) == 0o700
    assert jupyter.claim_port(workspace, free_port())
