"""`cookbook practice`: an exercise in a terminal, and without one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from left_files import remove_left_files
from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.workspace import HOME_VARIABLE, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.workspace import Workspace

_PATIENCE_S = 30
RIGHT = '''"""add subtitle to books"""
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("books", sa.Column("subtitle", sa.String(200), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("books", "subtitle")
'''


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_SERVER_VARIABLE, raising=False)
        folder = tmp_path_factory.mktemp("terminal") / "workspace"
        patch.setenv(HOME_VARIABLE, str(folder))
        opened = open_workspace(folder)
        server.attach(opened)
        yield opened
        server.remove(opened)


@pytest.fixture(autouse=True)
def no_files_left(workspace: Workspace) -> None:
    remove_left_files(workspace)


def revision_file(workspace: Workspace, exercise: str) -> Path:
    return workspace.sandboxes / exercise / "migrations" / "versions" / "0004_add_subtitle_to_books.py"


def cookbook(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "migration_cookbook.cli", "practice", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=_PATIENCE_S)
    return process.returncode, said


def test_without_a_terminal_it_is_checked_once(workspace: Workspace) -> None:
    status, said = finished(cookbook("e07-1", "--fresh"))
    assert (status, said.split(".")[0].strip()) == (1, "Not yet")
    revision_file(workspace, "e07-1").write_text(RIGHT)
    status, said = finished(cookbook("e07-1"))
    assert (status, said.split(".")[0].strip()) == (0, "✓ Passed")


def test_a_prediction_stands_on_the_command_line(workspace: Workspace) -> None:
    assert finished(cookbook("e07-3", "postgres"))[0] == 1
    assert finished(cookbook("e07-3", "sqlite"))[0] == 0


def test_an_unknown_exercise_is_one_line(workspace: Workspace) -> None:
    status, said = finished(cookbook("e99-1"))
    assert status == 2
    assert said.startswith("cookbook: There is no exercise")
    assert said.count("\n") == 1


class Terminal:
    """`cookbook practice` with somebody at the keyboard."""

    def __init__(self, *arguments: str) -> None:
        self.keyboard, keys = pty.openpty()
        self.process = cookbook(*arguments, stdin=keys)
        os.close(keys)
        self.said = ""

    def type(self, line: str) -> None:
        os.write(self.keyboard, f"{line}\n".encode())

    def wait_for(self, words: str) -> None:
        """Wait until these words have been said, after those before."""
        stdout = self.process.stdout
        assert stdout is not None
        deadline = time.monotonic() + _PATIENCE_S
        while words not in self.said:
            assert select.select([stdout], [], [], max(deadline - time.monotonic(), 0))[0], self.said
            received = os.read(stdout.fileno(), 65536).decode()
            assert received, self.said
            self.said += received
        self.said = self.said.partition(words)[2]

    def end(self) -> int:
        os.close(self.keyboard)
        return finished(self.process)[0]


def test_a_saved_file_is_checked_at_once(workspace: Workspace) -> None:
    terminal = Terminal("e07-1", "--fresh")
    terminal.wait_for("Not yet.")
    terminal.type("h")
    terminal.wait_for("Hint 1.")
    revision_file(workspace, "e07-1").write_text(RIGHT.replace('server_default=""', 'server_default=" "'))
    terminal.wait_for("Not yet.")
    revision_file(workspace, "e07-1").write_text(RIGHT)
    terminal.wait_for("✓ Passed.")
    assert terminal.end() == 0


def test_a_rescue_is_done_by_commands(workspace: Workspace) -> None:
    terminal = Terminal("c01-3", "--fresh")
    terminal.wait_for("Not yet.")
    terminal.type("alembic stamp 0001 --on sqlite")
    terminal.wait_for("Not yet.")
    terminal.type("sql SELECT version_num FROM alembic_version --on sqlite")
    terminal.wait_for("0001")
    terminal.type("alembic stamp 0001")
    terminal.wait_for("Not yet.")
    terminal.type("alembic upgrade nowhere")
    terminal.wait_for("Can't locate revision")
    terminal.type("alembic upgrade head")
    terminal.wait_for("✓ Passed.")
    assert terminal.end() == 0


def test_the_end_of_the_keyboard_is_the_end(workspace: Workspace) -> None:
    terminal = Terminal("e07-1", "--fresh")
    terminal.wait_for("Not yet.")
    terminal.type("q")
    assert terminal.end() == 1
