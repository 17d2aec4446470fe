"""A folder in memory is for the time of the tests, and only where there is enough of it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from migration_cookbook.databases.account import server_account
from migration_cookbook.lab import memory
from migration_cookbook.lab.memory import tmpfs_folder


def test_it_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    with tmpfs_folder(tmp_path) as folder:
        assert folder is not None
        assert tmp_path in folder.parents
        (folder / "file").touch()
    assert not folder.exists()


def test_what_a_killed_run_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    with tmpfs_folder(tmp_path) as folder:
        assert folder is not None
        left = folder.parent / "left"
        left.mkdir()
        with tmpfs_folder(tmp_path):
            assert folder.exists()
            assert not left.exists()


def test_there_is_none_where_it_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 2**80)
    with tmpfs_folder(tmp_path) as folder:
        assert folder is None
    with tmpfs_folder(tmp_path / "missing") as folder:
        assert folder is None
    assert list(tmp_path.iterdir()) == []


#: For root the server's account may go through, and nobody else.
CLOSED = 0o710 if os.getuid() == 0 else 0o700


def planted(memory: Path, how: str) -> Path:
    """Something in the folder's place that we didn't make; what's in it must stay."""
    place, theirs = memory / f"cookbook-{os.getuid()}", memory / "theirs"
    folder = theirs if "link" in how else place
    (folder / "precious").mkdir(parents=True)
    (folder / "precious" / "file").touch()
    if how == "a link":
        place.symlink_to(theirs)
    elif how == "a link to a link":
        (memory / "between").symlink_to(theirs)
        place.symlink_to("between")
    elif how == "open to all":
        folder.chmod(0o777)
    elif how == "readable by all":
        folder.chmod(0o755)
    elif how == "somebody else's":
        folder.chmod(0o700)
        os.chown(folder, 65534, 65534)
    return folder / "precious" / "file"


@pytest.mark.parametrize(
    "how", ["a link", "a link to a link", "open to all", "readable by all", "somebody else's"]
)
def test_what_we_did_not_make_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    if how == "somebody else's" and os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    precious = planted(tmp_path, how)
    before = sorted(tmp_path.rglob("*"))
    with tmpfs_folder(tmp_path) as folder:
        assert folder is None
        assert sorted(tmp_path.rglob("*")) == before
    assert precious.exists()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Remove it to use memory" in said


def test_a_link_that_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    (tmp_path / f"cookbook-{os.getuid()}").symlink_to(tmp_path / "nowhere")
    with tmpfs_folder(tmp_path) as folder:
        assert folder is None
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_enter_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    before = os.umask(umask)
    try:
        for _ in range(2):
            with tmpfs_folder(tmp_path) as folder:
                assert folder is not None
                assert stat.S_IMODE(folder.parent.stat().st_mode) == CLOSED
    finally:
        os.umask(before)


def test_an_empty_folder_of_ours_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    place = tmp_path / f"cookbook-{os.getuid()}"
    place.mkdir()
    place.chmod(0o755)
    with tmpfs_folder(tmp_path) as folder:
        assert folder is not None
        assert stat.S_IMODE(place.stat().st_mode) == CLOSED


@pytest.mark.skipif(os.getuid() != 0, reason="only root's server runs as somebody else")
def test_the_account_of_roots_server_goes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENOUGH", 1)
    # Under /tmp: pytest's own folders are closed.
    with tempfile.TemporaryDirectory(dir="/tmp") as above:
        Path(above).chmod(0o711)
        with tmpfs_folder(Path(above)) as folder:
            assert folder is not None
            assert server_account().reaches(folder)
