"""The disk is full: each answer is one clear line, nothing is lost, and it works again once there is space."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from kernel_desk import Ended, open_kernel
from places import disposable, open_folder

from migration_cookbook.databases import server
from migration_cookbook.editions.book import this_book
from migration_cookbook.workspace import CookbookError, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kernel_desk import Kernel

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("worst-disk")]

CELLS = (
    "%%sql\nSELECT count(*) AS n FROM books",
    "%%file note.txt\n" + "a line of text\n" * 2000,
    '%%revision 0004 "add isbn"\ndef upgrade():\n    op.add_column("books", sa.Column("isbn", sa.Text))\n\n'
    'def downgrade():\n    op.drop_column("books", "isbn")',
    "%alembic upgrade head",
    "%%sql\nINSERT INTO books (title, author) SELECT 'Middlemarch', 'George Eliot' FROM books",
    "%schema books",
    "%alembic downgrade base",
    "%sandbox full --at 0003",
    "%sandbox full --at 0009",
)


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of that size; only root may make one."""
    with open_folder() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "cookbook", folder],
            capture_output=True,
            text=True,
        )
        if mounted.returncode != 0:
            pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Take all the space, but for a number of bytes."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        for _ in range(max(0, status.f_bavail * status.f_frsize - leave) // 4096):
            file.write(bytes(4096))
            file.flush()
    return ballast


def check(cell: str, ended: Ended) -> None:
    """A cell that fails says in one line that the disk is full, or points to what says so above."""
    print(f"--- {cell.splitlines()[0]}\n{ended.text}\n{ended.error}")
    assert "Traceback" not in ended.text
    if ended.error is not None and "There is no sandbox yet" not in ended.error:
        assert "\n" not in ended.error, ended.error
        assert "did not expect" not in ended.error, ended.error
        assert re.search("no space left|disk is full", f"{ended.text} {ended.error}", re.IGNORECASE)


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(150) as mounted:
        yield mounted


@pytest.mark.parametrize("leave", [0, 64 * 1024, 3 * 1024 * 1024])
def test_it_fills_up_under_a_running_notebook(disk: Path, leave: int) -> None:
    with disposable(disk / "workspace") as workspace, open_kernel(workspace) as kernel:
        kernel.run("%load_ext migration_cookbook")
        kernel.run("%sandbox kept --at 0003")
        kernel.run("%%sql\nUPDATE books SET title = 'committed' WHERE id = 1")
        kernel.run("%sandbox full --at 0003")
        ballast = fill(disk, leave)
        for cell in CELLS:
            check(cell, kernel.attempt(cell))
        ballast.unlink()
        works_again(kernel)


def works_again(kernel: Kernel) -> None:
    kernel.run("%sandbox kept --resume")
    assert kernel.run("%%sql\nSELECT title FROM books WHERE id = 1").count("committed") == 1
    kernel.run_all(this_book().notebook("examples/07-add-a-column"))


def test_it_is_full_before_the_first_start(disk: Path) -> None:
    with disposable(disk / "workspace") as workspace:
        ballast = fill(disk, 1024 * 1024)
        with pytest.raises(CookbookError) as refused:
            server.attach(workspace)
        assert "\n" not in str(refused.value)
        assert "No space left" in str(refused.value)
        ballast.unlink()
        assert server.attach(workspace).notices == ()


def test_there_is_no_room_for_a_workspace_at_all(disk: Path) -> None:
    fill(disk)
    with pytest.raises(CookbookError, match="No space left") as refused:
        open_workspace(disk / "workspace")
    assert "\n" not in str(refused.value)
