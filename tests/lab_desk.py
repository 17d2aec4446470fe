"""A running JupyterLab for tests, as `cookbook lab` starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases import server
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_client.blocking.client import BlockingKernelClient

COOKBOOK = Path(sys.executable).with_name("cookbook")
PATIENCE_S = 60


class Lab:
    """A running JupyterLab, asked over its own API."""

    def __init__(
        self,
        folder: Path,
        *,
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        umask: int = 0o022,
    ) -> None:
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.workspace = open_workspace(folder / "a learner's wörkspace")
        self.port = free_port()
        inherited = {"DATABASE_URL": "postgresql://foreign.example/prod", "PGHOST": "foreign.example"}
        self.log = folder / "lab.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [COOKBOOK, "lab", "--no-browser", "--port", str(self.port)],
                cwd=cwd,
                umask=umask,
                env=os.environ
                | inherited
                | (variables or {})
                | {"HOME": str(self.home), "COOKBOOK_HOME": str(self.workspace.root)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.token = self._token()
        except BaseException:
            self.stop()
            raise

    def _token(self) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            # The address is printed a moment before anybody listens there.
            if (found := re.search(r"token=([0-9a-f]+)", self.log.read_text())) and listens(self.port):
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
        server.remove(self.workspace)


def wait_until_ready(client: BlockingKernelClient) -> None:
    """Wait until a kernel answers. One that's slow looks dead for a while: its heart isn't heard."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return client.wait_for_ready(timeout=PATIENCE_S)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody answers on this port."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
