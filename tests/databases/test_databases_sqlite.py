"""SQLite databases are files of ours, inside the workspace; any other file is left alone."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url, text

from migration_cookbook.databases import sqlite
from migration_cookbook.databases.database import Database
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.engines import engine
from migration_cookbook.databases.ownership import State
from migration_cookbook.workspace import CookbookError, Workspace, open_workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = open_workspace(tmp_path / "work space, l'été 書店 50%?#")
    workspace.databases.mkdir()
    return workspace


def fill(database: Database) -> None:
    with engine(database).begin() as connection:
        connection.execute(text("CREATE TABLE books (title text)"))
        connection.execute(text("INSERT INTO books VALUES ('Middlemarch')"))


def fill_in_wal_mode(database: Database) -> None:
    with engine(database).connect() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
    fill(database)


def titles(database: Database) -> list[str]:
    with engine(database).connect() as connection:
        return list(connection.execute(text("SELECT title FROM books")).scalars())


def test_create_and_drop(workspace: Workspace) -> None:
    database = sqlite.create(workspace, "shop")
    assert database.dialect is Dialect.SQLITE
    fill(database)
    assert titles(database) == ["Middlemarch"]
    sqlite.drop(workspace, database)
    assert not (workspace.root / database.name).exists()
    sqlite.drop(workspace, database)


def test_the_url_survives_being_written_down(workspace: Workspace) -> None:
    database = sqlite.create(workspace, "shop")
    assert make_url(database.url.render_as_string(hide_password=False)) == database.url


@pytest.mark.parametrize("build", [fill, fill_in_wal_mode])
def test_a_template_is_built_once_and_cloned(workspace: Workspace, build: object) -> None:
    built: list[str] = []

    def counted(database: Database) -> None:
        built.append(database.name)
        build(database)  # type: ignore[operator]

    template = sqlite.template(workspace, "key", counted)
    assert sqlite.template(workspace, "key", counted) == template
    assert len(built) == 1
    one, other = (sqlite.clone(workspace, template, "shop") for _ in range(2))
    with engine(one).begin() as connection:
        connection.execute(text("DELETE FROM books"))
    assert (titles(one), titles(other)) == ([], ["Middlemarch"])


def test_a_failing_build_leaves_no_template(workspace: Workspace) -> None:
    def fails(database: Database) -> None:
        fill(database)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sqlite.template(workspace, "key", fails)
    assert list((workspace.databases / "building").iterdir()) == []
    assert titles(sqlite.clone(workspace, sqlite.template(workspace, "key", fill), "shop")) == ["Middlemarch"]


def test_at_a_path_one_of_ours_is_replaced_with_all_that_belongs_to_it(workspace: Workspace) -> None:
    path = workspace.sandboxes / "shop" / "bookshop.db"
    template = sqlite.template(workspace, "key", fill)
    database = sqlite.clone(workspace, template, "shop", path)
    interrupted = sqlite3.connect(path)
    interrupted.execute("PRAGMA journal_mode=WAL")
    interrupted.execute("INSERT INTO books VALUES ('yesterday')")
    interrupted.commit()  # in the -wal file, which must not reach the next database
    assert path.with_name("bookshop.db-wal").exists()
    again = sqlite.clone(workspace, template, "shop", path)
    assert again == database
    assert titles(again) == ["Middlemarch"]
    interrupted.close()


def test_somebodys_file_is_refused_untouched(workspace: Workspace) -> None:
    path = workspace.sandboxes / "thesis.db"
    path.parent.mkdir()
    path.write_text("three years of work", encoding="utf-8")
    template = sqlite.template(workspace, "key", fill)
    theirs = Database(Dialect.SQLITE, str(path), make_url(f"sqlite:///{path}"))
    for attempt in (
        lambda: sqlite.create(workspace, "shop", path),
        lambda: sqlite.clone(workspace, template, "shop", path),
        lambda: sqlite.drop(workspace, theirs),
    ):
        with pytest.raises(CookbookError, match="not a file of the cookbook's") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert path.read_text(encoding="utf-8") == "three years of work"


def test_an_intent_is_no_right(workspace: Workspace) -> None:
    path = workspace.sandboxes / "thesis.db"
    journal = sqlite._journal(workspace)
    journal.note(sqlite._key(workspace, path), State.INTENDED)
    path.parent.mkdir()
    path.write_text("three years of work", encoding="utf-8")
    with pytest.raises(CookbookError, match="not a file of the cookbook's"):
        sqlite.create(workspace, "shop", path)
    assert path.read_text(encoding="utf-8") == "three years of work"


def test_a_link_out_of_the_workspace_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.db").write_text("three years of work", encoding="utf-8")
    workspace.sandboxes.mkdir()
    (workspace.sandboxes / "folder").symlink_to(outside)
    (workspace.sandboxes / "file.db").symlink_to(outside / "thesis.db")
    for path in (
        workspace.sandboxes / "folder" / "thesis.db",
        workspace.sandboxes / "folder" / "new.db",
        workspace.sandboxes / "file.db",
        workspace.sandboxes / ".." / ".." / "outside" / "new.db",
    ):
        with pytest.raises(CookbookError, match="leads out of the workspace") as caught:
            sqlite.create(workspace, "shop", path)
        assert "\n" not in str(caught.value)
    assert [file.name for file in outside.iterdir()] == ["thesis.db"]
    assert (outside / "thesis.db").read_text(encoding="utf-8") == "three years of work"


def test_ours_replaced_by_a_link_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    path = workspace.sandboxes / "shop.db"
    database = sqlite.create(workspace, "shop", path)
    inside = workspace.sandboxes / "thesis.db"
    inside.write_text("three years of work", encoding="utf-8")
    path.unlink()
    path.symlink_to(inside)
    with pytest.raises(CookbookError, match="not a file of the cookbook's"):
        sqlite.drop(workspace, database)
    assert inside.exists()


def test_a_moved_workspace_knows_its_files(workspace: Workspace, tmp_path: Path) -> None:
    sqlite.create(workspace, "shop", workspace.sandboxes / "shop.db")
    workspace.root.rename(tmp_path / "moved")
    moved = open_workspace(tmp_path / "moved")
    sqlite.create(moved, "shop", moved.sandboxes / "shop.db")


def test_sweep_leaves_what_is_being_made(workspace: Workspace) -> None:
    (workspace.databases / "building" / "killed").mkdir(parents=True)

    def build(database: Database) -> None:
        fill(database)
        assert workspace.sweep() == ["killed"]

    assert titles(sqlite.clone(workspace, sqlite.template(workspace, "key", build), "shop")) == [
        "Middlemarch"
    ]


def test_a_sweep_beside_takes_nothing_that_is_being_made(workspace: Workspace) -> None:
    over = threading.Event()

    def sweep() -> None:
        while not over.is_set():
            workspace.sweep()

    with ThreadPoolExecutor(1) as threads:
        sweeping = threads.submit(sweep)
        try:
            made = [sqlite.create(workspace, "shop") for _ in range(200)]
        finally:
            over.set()
        sweeping.result()
    assert all(sqlite.is_ours(workspace, workspace.root / database.name) for database in made)
