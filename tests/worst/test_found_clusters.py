"""A server's data that can't be used is found in the workspace: set aside, made anew, and said."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kernel_desk import open_kernel
from places import disposable

from migration_cookbook.databases import cluster, server
from migration_cookbook.databases.binaries import OLDEST_MAJOR, Binaries, find_binaries
from migration_cookbook.editions.book import this_book

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kernel_desk import Kernel

    from migration_cookbook.databases.cluster import Cluster
    from migration_cookbook.workspace import Workspace

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("worst-clusters")]

NOTEBOOK = this_book().notebook("examples/07-add-a-column")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with disposable(tmp_path / "workspace") as opened:
        yield opened


def other_major() -> Binaries:
    usual = find_binaries()
    assert usual is not None
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        major = int(folder.parent.name)
        if major >= OLDEST_MAJOR and major != usual.major and (folder / "initdb").exists():
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True).stdout
            return Binaries(folder, "system", said.split()[2])
    pytest.skip("no second PostgreSQL of another major version is installed in /usr/lib/postgresql")


def stopped_cluster(workspace: Workspace) -> Cluster:
    server.stop(workspace)
    known = cluster.known(workspace)
    assert known is not None
    return known


def check_said_and_kept(workspace: Workspace, said: str, reason: str) -> None:
    assert reason in said
    assert "It is kept in workspace/kept/postgres-1" in said
    assert (workspace.kept / "postgres-1" / "global").is_dir()


def test_of_another_major_version(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    other = other_major()
    with monkeypatch.context() as patch:
        patch.setattr(server, "find_binaries", lambda: other)
        server.attach(workspace)
    stopped_cluster(workspace)
    with open_kernel(workspace) as kernel:
        kernel.run("%load_ext migration_cookbook")
        said = kernel.run("%sandbox page --at 0003")
        check_said_and_kept(workspace, said, f"was made by PostgreSQL {other.major}")
        kernel.run_all(NOTEBOOK)


def lose_control_file(data: Path) -> None:
    (data / "global" / "pg_control").unlink()


def fill_control_file_with_zeros(data: Path) -> None:
    path = data / "global" / "pg_control"
    path.write_bytes(bytes(path.stat().st_size))


def lose_the_log(data: Path) -> None:
    for path in (data / "pg_wal").iterdir():
        if path.is_file():
            path.unlink()


def lose_the_catalog(data: Path) -> None:
    for path in (data / "global").glob("[0-9]*"):
        path.unlink()


def lose_the_version(data: Path) -> None:
    (data / "PG_VERSION").unlink()


DAMAGES = (
    lose_control_file,
    fill_control_file_with_zeros,
    lose_the_log,
    lose_the_catalog,
    lose_the_version,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("then", ["run all", "the next cell", "resume"])
def test_damaged(workspace: Workspace, damage: Callable[[Path], None], then: str) -> None:
    with open_kernel(workspace) as kernel:
        kernel.run("%load_ext migration_cookbook")
        kernel.run("%sandbox page --at 0003")
        damage(stopped_cluster(workspace).data)
        check_said_and_kept(workspace, said_by(kernel, then), "is damaged")
        kernel.run("%sandbox page --at 0003")
        kernel.run("%alembic downgrade base")


def said_by(kernel: Kernel, then: str) -> str:
    if then == "run all":
        return kernel.run("%sandbox page --at 0003")
    ended = kernel.attempt("%alembic downgrade -1" if then == "the next cell" else "%sandbox page --resume")
    assert ended.error is not None and "\n" not in ended.error
    return ended.error
