"""The start of JupyterLab for a learner, with everything of its own in the workspace.

It listens on this computer only, asks nobody outside for news, and opens on
Start here. Nothing is written into the home folder. Its token gives whoever has it
the learner's rights, so other users of the computer can't read what it writes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases.environment import known_environment
from migration_cookbook.kernels import provisioner
from migration_cookbook.workspace import HOME_VARIABLE, CookbookError, write_atomically

if TYPE_CHECKING:
    from migration_cookbook.workspace import Workspace

_START = "notebooks/00-start-here.ipynb"

#: Where the server's configuration is, made anew at each start.
_CONFIG = "server-config"
_FOLDERS = (_CONFIG, "data", "runtime", "ipython", "cache", "settings", "workspaces")
#: The extensions that come with JupyterLab, which otherwise are switched on by files that aren't read here.
_CONFIGURATION = {
    "ServerApp": {
        "jpserver_extensions": dict.fromkeys(
            ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim"), True
        )
    }
}

_FIRST_PORT = 8888
_PORTS = 50

#: What JupyterLab would ask or show unasked on its first start.
_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # The index is there to be read, not edited.
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    # Long outputs scroll inside a small box otherwise; ours are short.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    # Notebooks are numbered: the file browser shows the reading order.
    "@jupyterlab/filebrowser-extension:browser": {"sortNotebooksFirst": False},
}


def prepare(workspace: Workspace) -> None:
    """Make Jupyter's folders and configuration, readable by their owner alone; tighten what was there before."""
    home = workspace.jupyter
    for folder in (home, *(home / name for name in _FOLDERS)):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise CookbookError(
                f"{folder} isn't a folder of the cookbook's. Move it away, and run this again."
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_private(home)
    _write_configuration(home / _CONFIG)
    readme = home / "ipython" / "profile_default" / "startup" / "README"
    if not readme.exists():
        # IPython would copy its own here, readable by everybody.
        _write_private(readme, "Python files in this folder run when a kernel starts.\n")
    for name, values in _SETTINGS.items():
        package, plugin = name.split(":")
        path = home / "settings" / package / f"{plugin}.jupyterlab-settings"
        # A learner's own changes stay.
        if not path.exists():
            _write(path, values)


def _write_configuration(folder: Path) -> None:
    """Write the server's configuration; another lab may be reading it at this moment.

    What somebody else put there would come before the kit's own, or be added to it.
    """
    ours = folder / "jupyter_server_config.json"
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path != ours:
            path.unlink(missing_ok=True)
    _write(ours, _CONFIGURATION)


def _write(path: Path, values: Any) -> None:
    _write_private(path, json.dumps(values, indent=2) + "\n")


def _write_private(path: Path, text: str) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(path, text, mode=0o600)
    finally:
        os.umask(before)


def _make_private(home: Path) -> None:
    """Take everybody else's rights to a folder and all that's below it."""
    for folder, names, more in os.walk(home):
        for path in map(Path(folder).joinpath, (".", *names, *more)):
            status = path.lstat()
            if status.st_uid != os.getuid():
                raise CookbookError(f"{path} belongs to another user of this computer. Remove it.")
            if stat.S_ISDIR(status.st_mode):
                path.chmod(0o700)
            elif status.st_mode & 0o077 and not stat.S_ISLNK(status.st_mode):
                path.chmod(stat.S_IMODE(status.st_mode) & 0o700)


def claim_port(workspace: Workspace, wanted: int | None = None) -> int:
    """Return the port to listen on, kept from other labs of this workspace as long as this process lives.

    JupyterLab looks for a free port long before it listens: of two labs that start at once one would die.
    """
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS) if wanted is None else (wanted,):
        trouble = _trouble(port) or _taken_by_another_lab(workspace, port)
        if trouble is None:
            return port
    if wanted is None:
        raise CookbookError(f"{_PORTS} ports from {_FIRST_PORT} on are in use. Name a free one with --port.")
    raise CookbookError(
        f"The port {wanted} {trouble}. Name another with --port, or none: "
        f"then the first free one from {_FIRST_PORT} is taken."
    )


def _trouble(port: int) -> str | None:
    """Say why nothing can listen on this port."""
    with socket.socket() as probe:
        # As JupyterLab's own server does it: a port whose lab has just ended counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OverflowError:
            return "does not exist: ports go up to 65535"
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else f"can't be used ({error.strerror})"
    return None


def _taken_by_another_lab(workspace: Workspace, port: int) -> str | None:
    path = workspace.jupyter / f"port-{port}.lock"
    # Never closed, and handed on to JupyterLab, which replaces this process.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return "is in use"
    os.set_inheritable(descriptor, True)
    return None


def command(workspace: Workspace, *, port: int, browser: bool = True) -> list[str]:
    """Return the command line that starts JupyterLab on this workspace."""
    words = [
        sys.executable,
        # A random.py in the workspace must not be imported. The variable for it would keep kernels from
        # the modules beside their notebooks.
        "-P",
        *("-m", "migration_cookbook.lab.server"),
        f"--ServerApp.root_dir={workspace.root}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--LabApp.default_url=/lab/tree/{_START}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        # Looking for language servers runs npm, which writes into the home folder.
        "--LanguageServerManager.autodetect=False",
        f"--LabApp.user_settings_dir={workspace.jupyter / 'settings'}",
        f"--LabApp.workspaces_dir={workspace.jupyter / 'workspaces'}",
    ]
    if not browser:
        words.append("--ServerApp.open_browser=False")
    if os.getuid() == 0:
        words.append("--ServerApp.allow_root=True")
    return words


def environment(workspace: Workspace) -> dict[str, str]:
    """Return the environment in which Jupyter and its kernels keep to the workspace."""
    home = workspace.jupyter
    return known_environment() | {
        HOME_VARIABLE: str(workspace.root),
        provisioner.VARIABLE: provisioner.NAME,
        "JUPYTER_CONFIG_DIR": str(home / _CONFIG),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
