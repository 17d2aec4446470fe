"""A command keeps to its sandbox's folder: somebody else's project is neither run nor written to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import BOTH

if TYPE_CHECKING:
    from pathlib import Path

    from notebook_desk import Desk

ENV = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"
MAKO = '"""${message}"""\nrevision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n'


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Somebody's own project."""
    folder = tmp_path / "theirs"
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (folder / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    (folder / "migrations" / "env.py").write_text(ENV)
    (folder / "migrations" / "script.py.mako").write_text(MAKO)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


COMMANDS = ('revision -m "mine"', "upgrade head", "current", "history", "merge -m both heads", "stamp head")


def assert_refused(desk: Desk, foreign: Path, commands: tuple[str, ...], word: str) -> None:
    before, own = content(foreign), content(desk.folder)
    for command in commands:
        ran = desk.attempt(f"%alembic {command}")
        assert ran.error is not None, command
        refusals = [line for line in ran.lines if line.strip().startswith("FAILED: Refused: ")]
        assert refusals, (command, ran.text)
        assert all(word in line and "this project's folder" in line for line in refusals), ran.text
    assert content(foreign) == before
    assert content(desk.folder) == own
    assert [desk.sandbox.place(dialect) for dialect in BOTH] == [("0003",), ("0003",)]


@pytest.mark.parametrize("name", ["alembic.ini", "pyproject.toml"])
def test_a_configuration_file_that_the_line_names(shop: Desk, foreign: Path, name: str) -> None:
    lines = tuple(f"-c {foreign / name} {command}" for command in COMMANDS)
    assert_refused(shop, foreign, lines, "the configuration file")
    relative = os.path.relpath(foreign / name, shop.folder)
    assert_refused(shop, foreign, (f"-c {relative} current",), "the configuration file")
    assert_refused(shop, foreign, (f"-c {foreign / 'new.ini'} init here",), "the configuration file")


@pytest.mark.parametrize("name", ["alembic.ini", "pyproject.toml"])
def test_a_configuration_file_that_the_environment_names(
    shop: Desk, foreign: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEMBIC_CONFIG", str(foreign / name))
    assert_refused(shop, foreign, COMMANDS, "the configuration file")


def test_an_environment_that_the_kernel_inherited(
    blank: Desk, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEMBIC_CONFIG", str(foreign / "alembic.ini"))
    before = content(foreign)
    blank.run("%load_ext migration_cookbook", "%sandbox page --at 0003")
    made = blank.run("%alembic revision -m mine --rev-id 0004").text
    assert "Generating migrations/versions/0004_mine.py" in made
    blank.run("%alembic upgrade head")
    assert content(foreign) == before


def test_a_link_to_a_configuration_file(shop: Desk, foreign: Path) -> None:
    (shop.folder / "linked.ini").symlink_to(foreign / "alembic.ini")
    assert_refused(shop, foreign, ("-c linked.ini current",), "the configuration file")
    (shop.folder / "alembic.ini").unlink()
    (shop.folder / "alembic.ini").symlink_to(foreign / "alembic.ini")
    assert_refused(shop, foreign, ("current",), "the configuration file")
    for cell in ("%revisions", '%%revision "mine"\ndef upgrade():\n    pass\ndef downgrade():\n    pass'):
        assert "the configuration file" in shop.refused(cell)
    assert "ran" not in [path.name for path in foreign.rglob("*")]


def test_another_configuration_in_the_folder_is_used(shop: Desk) -> None:
    (shop.folder / "shop.ini").write_text((shop.folder / "alembic.ini").read_text())
    assert "0003" in shop.run("%alembic -c shop.ini current").text
    assert "0003" in shop.run("%alembic -c ../page/shop.ini current").text


def own_scripts(desk: Desk, line: str) -> None:
    path = desk.folder / "alembic.ini"
    kept = [each for each in path.read_text().splitlines() if not each.startswith(line.split(" ")[0])]
    kept.insert(kept.index("[alembic]") + 1, line)
    path.write_text("\n".join(kept))


def test_scripts_elsewhere(shop: Desk, foreign: Path) -> None:
    own_scripts(shop, f"script_location = {foreign / 'migrations'}")
    assert_refused(shop, foreign, COMMANDS, "script_location or version_locations")
    for cell in ("%revisions", '%%revision "mine"\ndef upgrade():\n    pass\ndef downgrade():\n    pass'):
        assert "script_location or version_locations" in shop.refused(cell)
    own_scripts(shop, f"script_location = {os.path.relpath(foreign / 'migrations', shop.folder)}")
    assert_refused(shop, foreign, COMMANDS, "script_location or version_locations")


def test_a_package_elsewhere(shop: Desk, foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (foreign, foreign / "migrations"):
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(foreign.parent)
    own_scripts(shop, f"script_location = {foreign.name}:migrations")
    assert_refused(shop, foreign, ("current",), "script_location or version_locations")


def test_revisions_elsewhere(shop: Desk, foreign: Path) -> None:
    versions = foreign / "migrations" / "versions"
    own_scripts(shop, f"version_locations = %(here)s/migrations/versions:{versions}")
    lines = ('revision -m "mine"', f"revision --version-path {versions} -m mine", "upgrade head", "history")
    assert_refused(shop, foreign, lines, "script_location or version_locations")


def test_a_link_to_revisions_elsewhere(shop: Desk, foreign: Path) -> None:
    own = shop.folder / "migrations" / "versions"
    own.rename(own.with_name("kept"))
    own.symlink_to(foreign / "migrations" / "versions")
    assert_refused(shop, foreign, ('revision -m "mine"', "history"), "script_location or version_locations")
    own.unlink()


@pytest.mark.parametrize("directory", ["{foreign}/new", "../new", "link/new"])
def test_init_elsewhere(shop: Desk, foreign: Path, directory: str) -> None:
    (shop.folder / "link").symlink_to(foreign)
    above = sorted(shop.folder.parent.iterdir())
    line = f"init {directory.format(foreign=foreign)}"
    assert_refused(shop, foreign, (line, line.replace("init", "init --package -t async")), "would write")
    assert sorted(shop.folder.parent.iterdir()) == above


def test_a_file_name_that_leads_elsewhere(shop: Desk, foreign: Path) -> None:
    above = sorted(shop.folder.parent.rglob("*.py"))
    up = os.path.relpath(foreign, shop.folder / "migrations" / "versions")
    lines = (f"revision --rev-id {up}/mine -m m", f"revision --rev-id {up}/new/mine -m m")
    assert_refused(shop, foreign, lines, "would write")
    own_scripts(shop, f"file_template = {foreign}/new/%%(rev)s")
    assert_refused(shop, foreign, ("revision -m m",), "would write")
    assert sorted(shop.folder.parent.rglob("*.py")) == above


def test_a_folder_of_the_project_for_revisions(shop: Desk) -> None:
    own_scripts(shop, "version_locations = %(here)s/migrations/versions:%(here)s/more")
    made = shop.run("%alembic revision -m more --rev-id 0004 --version-path more")
    assert "more/0004_more.py" in made.text
    assert "0004" in shop.run("%alembic upgrade head").text
