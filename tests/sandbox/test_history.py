"""The revisions of a project, read beside the commands that run in it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config

from migration_cookbook.sandbox import history
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    config = Config(tmp_path / "alembic.ini")
    command.init(config, str(tmp_path / "migrations"))
    command.revision(config, "create books", rev_id="0001")
    return tmp_path


def test_two_files_with_one_id_are_read_without_a_warning(project: Path) -> None:
    file = project / "migrations" / "versions" / "0001_create_books.py"
    file.with_name("0001_create_members.py").write_text(file.read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [entry.id for entry in history.entries(project)] == ["0001"]


def test_a_missing_parent_is_an_error_and_no_warning(project: Path) -> None:
    file = project / "migrations" / "versions" / "0001_create_books.py"
    file.write_text(file.read_text().replace("= None", "= 'gone'", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CookbookError, match="KeyError 'gone'"):
            history.entries(project)


def test_a_wrong_script_location_is_named_as_seen_from_the_project(project: Path) -> None:
    ini = project / "alembic.ini"
    ini.write_text(ini.read_text().replace(str(project / "migrations"), "%(here)s/elsewhere"))
    with pytest.raises(CookbookError, match=r"^Path doesn't exist: elsewhere\."):
        history.entries(project)
