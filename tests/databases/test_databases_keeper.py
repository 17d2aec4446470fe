"""The server is stopped when nobody needs it any more."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from migration_cookbook.databases import cluster, keeper, processes, server
from migration_cookbook.databases.connections import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.workspace import Workspace

    MakeWorkspace = Callable[[Path], Workspace]


def wait_until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came"
        time.sleep(0.01)


def keepers(workspace: Workspace) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if keeper.__name__ in arguments and json.dumps(str(workspace.root)) in " ".join(arguments):
            found.append(process.pid)
    return found


def watched(workspace: Workspace) -> keeper.Watched:
    known = cluster.known(workspace)
    assert known is not None
    return keeper.Watched(
        workspace.installation, str(workspace.root), str(known.home), str(known.sockets), known.mark
    )


def test_when_the_workspace_goes_the_server_and_its_folders_go(
    open_folder: Path, workspace_at: MakeWorkspace
) -> None:
    workspace = workspace_at(open_folder / ("deep" * 30))  # so that the socket is elsewhere
    server.attach(workspace)
    seen = watched(workspace)
    pid = seen.pid()
    assert pid is not None
    shutil.rmtree(workspace.root)
    wait_until(lambda: not processes.is_marked(pid, seen.mark))
    wait_until(lambda: not Path(seen.home).exists() and not Path(seen.sockets).exists())
    wait_until(lambda: not keepers(workspace))


def test_a_killed_keeper_is_replaced_and_two_there_never_are(unlucky: Workspace) -> None:
    server.attach(unlucky)
    (first,) = keepers(unlucky)
    server.attach(unlucky)
    assert keepers(unlucky) == [first]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not keepers(unlucky))
    assert server.running(unlucky)
    server.attach(unlucky)
    assert len(keepers(unlucky)) == 1


def test_an_idle_server_is_stopped(unlucky: Workspace) -> None:
    server.attach(unlucky)
    watcher = get_context("fork").Process(target=keeper.watch, args=(watched(unlucky), 0.01, 0.3))
    watcher.start()
    wait_until(lambda: not server.running(unlucky))
    watcher.kill()
    watcher.join()
    assert server.attach(unlucky).notices == ()


class Over(Exception):
    """Enough looks were taken."""


@pytest.mark.parametrize("kind", ["stays", "comes and goes"])
def test_a_server_in_use_is_not_stopped(
    unlucky: Workspace, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    attached = server.attach(unlucky)
    database = attached.create("shop")
    original, looks = keeper._client_counts, []

    def look(seen: keeper.Watched) -> tuple[int, int]:
        looks.append(time.monotonic())
        if looks[-1] - looks[0] > 0.6:  # three times what counts as idle
            raise Over
        if kind == "comes and goes":
            connect(database.url).close()
        return original(seen)

    monkeypatch.setattr(keeper, "_client_counts", look)
    client = connect(database.url)
    if kind == "comes and goes":
        client.close()
    with pytest.raises(Over):
        keeper.watch(watched(unlucky), 0.01, 0.2)
    assert server.running(unlucky)
    client.close()
    attached.drop(database)
