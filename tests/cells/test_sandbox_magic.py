"""`%load_ext` and `%sandbox`: what a learner has after them, and what a mistake leaves alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from notebook_desk import open_desk
from one_session import EVERY_BACKEND

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.sandbox import project

if TYPE_CHECKING:
    from notebook_desk import Desk

EVERY_REVISION = ["base", *(each.id for each in project.revisions())]


def titles(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.text("SELECT title FROM books ORDER BY id")))


def places(desk: Desk) -> list[tuple[str, ...]]:
    return [desk.sandbox.place(dialect) for dialect in BOTH]


def test_loading_twice_is_quiet(blank: Desk) -> None:
    assert blank.run("%load_ext migration_cookbook").outputs == ()
    first = blank.notebook
    blank.run("%sandbox page --at 0001")
    again = blank.attempt("%load_ext migration_cookbook")
    assert again.error is None
    # The sentence of IPython itself would differ from what the first run recorded.
    assert (again.outputs, again.stream) == ((), "")
    assert blank.notebook is first
    assert blank.sandbox.name == "page"


def test_loading_removes_foreign_databases_from_the_environment(
    blank: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "PGHOST", "PGPASSWORD"):
        monkeypatch.setenv(name, "elsewhere")
    blank.run("%load_ext migration_cookbook")
    assert not {"DATABASE_URL", "PGHOST", "PGPASSWORD"} & set(os.environ)


@pytest.mark.parametrize("revision", EVERY_REVISION)
def test_files_models_and_databases_end_at_the_revision(desk: Desk, revision: str) -> None:
    # Another test may have left files of its own in the sandbox, which are then kept and mentioned first.
    *_, said = desk.run(f"%sandbox page --at {revision}").text.splitlines()
    assert said.startswith("Sandbox page: the bookshop")
    chain = EVERY_REVISION[1 : EVERY_REVISION.index(revision) + 1]
    versions = sorted(path.name[:4] for path in (desk.folder / "migrations/versions").glob("*.py"))
    assert versions == chain
    assert places(desk) == [(revision,) if chain else ()] * 2
    if chain:
        assert desk.run("%alembic check").below("SQLite and PostgreSQL") == [
            "No new upgrade operations detected."
        ]
        desk.run("from bookshop.models import Book", "assert Book.__tablename__ == 'books'")
        assert len(titles(desk.shell.user_ns["sqlite"])) > 1
        assert titles(desk.shell.user_ns["sqlite"]) == titles(desk.shell.user_ns["postgres"])
    else:
        assert "without tables" in said


@EVERY_BACKEND
def test_head_is_the_default_and_has_a_name(desk: Desk) -> None:
    head = EVERY_REVISION[-1]
    assert f"at revision {head}," in desk.run("%sandbox page").text
    assert f"at revision {head}," in desk.run("%sandbox page --at head").text


@EVERY_BACKEND
def test_empty_databases_have_tables_and_no_rows(desk: Desk) -> None:
    assert "without rows" in desk.run("%sandbox page --at 0003 --empty").text
    for name in ("sqlite", "postgres"):
        assert titles(desk.shell.user_ns[name]) == []
    assert places(desk) == [("0003",)] * 2


@EVERY_BACKEND
def test_databases_may_stand_before_the_files(desk: Desk) -> None:
    said = desk.run("%sandbox page --at 0003 --database-at 0001").text
    assert "files at revision 0003" in said
    assert "at 0001 with rows" in said
    assert places(desk) == [("0001",)] * 2
    ran = desk.run("%alembic upgrade head")
    assert "Running upgrade 0002 -> 0003" in ran.text
    assert titles(desk.shell.user_ns["sqlite"])


@EVERY_BACKEND
def test_a_bare_sandbox_is_an_empty_folder(desk: Desk) -> None:
    assert "an empty folder" in desk.run("%sandbox page --bare").text
    assert [path.name for path in desk.folder.iterdir() if path.suffix != ".db"] == []
    assert places(desk) == [(), ()]


@EVERY_BACKEND
def test_several_databases_of_each_kind(desk: Desk) -> None:
    said = desk.run("%sandbox page --at 0002 --databases 2").text
    assert "2 SQLite and 2 PostgreSQL databases" in said
    known = [desk.shell.user_ns[name] for name in ("sqlite", "sqlite_2", "postgres", "postgres_2")]
    assert len({str(engine.url) for engine in known}) == 4
    assert all(titles(engine) == titles(known[0]) for engine in known)
    with known[1].begin() as connection:
        connection.execute(sa.text("UPDATE books SET title = 'Other'"))
    assert "Other" not in titles(known[0])


def test_a_fresh_sandbox_lets_go_of_engines_that_it_has_no_more(desk: Desk) -> None:
    desk.run("%sandbox page --at 0001 --databases 2", "%sandbox page --at 0001")
    assert "sqlite_2" not in desk.shell.user_ns
    assert "postgres_2" not in desk.shell.user_ns


@EVERY_BACKEND
def test_again_is_fresh_again(shop: Desk) -> None:
    fresh = titles(shop.shell.user_ns["postgres"])
    shop.run("%%sql\nUPDATE books SET title = 'changed'", "%alembic downgrade base")
    shop.run("%%file notes.txt\nmine", "%sandbox page --at 0003")
    assert places(shop) == [("0003",)] * 2
    assert not (shop.folder / "notes.txt").exists()
    for name in ("sqlite", "postgres"):
        assert titles(shop.shell.user_ns[name]) == fresh


def test_the_folder_survives_so_that_the_working_directory_does(shop: Desk) -> None:
    inode = shop.folder.stat().st_ino
    shop.run("%sandbox page --at 0001")
    assert shop.folder.stat().st_ino == inode
    assert Path.cwd() == shop.folder


@EVERY_BACKEND
def test_one_database_of_each_kind_remains_after_many_sandboxes(shop: Desk) -> None:
    for _ in range(3):
        shop.run("%sandbox page --at 0001")
    with shop.shell.user_ns["postgres"].connect() as connection:
        family = f"{shop.sandbox.databases[Dialect.POSTGRES][0].name.rpartition('_')[0]}_%"
        count = connection.scalar(
            sa.text("SELECT count(*) FROM pg_database WHERE datname LIKE :family"), {"family": family}
        )
    assert count == 1


def test_files_changed_by_hand_are_kept_and_said_in_one_line(shop: Desk) -> None:
    models = shop.folder / "bookshop" / "models.py"
    models.write_text(models.read_text() + "# by hand\n")
    (shop.folder / "notes.txt").write_text("mine")
    said = shop.run("%sandbox page --at 0003").lines
    assert len(said) == 2
    assert "2 files" in said[0]
    (kept,) = shop.workspace.kept.glob("page/*")
    assert (kept / "notes.txt").read_text() == "mine"
    assert (kept / "bookshop" / "models.py").read_text().endswith("# by hand\n")
    assert "# by hand" not in models.read_text()
    assert len(shop.run("%sandbox page --at 0003").lines) == 1


def test_what_the_kit_itself_wrote_is_not_kept(shop: Desk) -> None:
    shop.run(
        '%%revision 0004 "mine"\ndef upgrade():\n    pass\ndef downgrade():\n    pass',
        "%%file notes.txt\nmine",
        '%alembic revision -m "empty"',
        "%alembic upgrade head",
    )
    assert len(shop.run("%sandbox page --at 0003").lines) == 1


@EVERY_BACKEND
def test_resuming_in_a_new_shell(shop: Desk) -> None:
    shop.run("%alembic downgrade -1 --on postgres", "%%sql\nUPDATE books SET title = 'kept' WHERE id = 1")
    (shop.folder / "notes.txt").write_text("mine")
    with open_desk(shop.workspace) as later:
        later.run("%load_ext migration_cookbook")
        said = later.run("%sandbox page --resume").text
        assert "SQLite at 0003, PostgreSQL at 0002" in said
        assert titles(later.shell.user_ns["postgres"])[0] == "kept"
        assert (later.folder / "notes.txt").exists()
        assert "already at" in later.run("%alembic upgrade head --on sqlite").text


def test_resuming_heals_what_a_role_may_do_to_itself(shop: Desk) -> None:
    shop.run("%%sql --on postgres\nALTER ROLE CURRENT_USER SET lock_timeout = 0")
    shop.run("%sandbox page --resume")
    shown = shop.run("%%sql --on postgres\nSHOW lock_timeout")
    assert "3s" in shown.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%sandbox", "needs a name"),
        ("%sandbox Page", "can't name a sandbox"),
        ("%sandbox ../page", "can't name a sandbox"),
        (f"%sandbox {'x' * 41}", "at most 40"),
        ("%sandbox page other", "does not understand `other`"),
        ("%sandbox page --at", "--at needs a value"),
        ("%sandbox page --at 0099", "no revision 0099"),
        ("%sandbox page --at 0002 --database-at 0003", "lies beyond"),
        ("%sandbox page --database-at 0099", "no revision 0099"),
        ("%sandbox page --att 0002", "Did you mean --at?"),
        ("%sandbox page --bare --at 0002", "leave out --at"),
        ("%sandbox page --databases 0", "from 1 to 9"),
        ("%sandbox page --databases two", "from 1 to 9"),
        ("%sandbox nobody-made-this --resume", "no sandbox nobody-made-this to resume"),
        ("%sandbox 'page", "quotation mark is missing"),
    ],
)
def test_a_mistake_is_one_line_and_touches_nothing(shop: Desk, line: str, words: str) -> None:
    shop.run("%%sql\nUPDATE books SET title = 'mine'", "%%file notes.txt\nmine")
    assert words in shop.refused(line)
    assert (shop.folder / "notes.txt").exists()
    assert set(titles(shop.shell.user_ns["postgres"])) == {"mine"}
    assert Path.cwd() == shop.folder
    assert not (shop.workspace.sandboxes / "nobody-made-this").exists()


def test_other_magics_ask_for_a_sandbox_first(desk: Desk) -> None:
    for cell in ("%alembic current", "%%sql\nSELECT 1", "%schema", "%revisions", "%tree", "%show a.py"):
        assert "Run the cell with %sandbox" in desk.refused(cell)


def test_a_folder_that_is_gone_is_said(shop: Desk) -> None:
    shop.folder.rename(shop.folder.with_name("page-moved"))
    try:
        assert "Run %sandbox page again" in shop.refused("%tree")
        shop.run("%sandbox page --at 0001", "%tree")
    finally:
        (shop.folder.with_name("page-moved") / "bookshop.db").unlink()


def test_a_link_in_place_of_the_folder_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    desk.run("%sandbox other --at 0001")
    link = desk.workspace.sandboxes / "linked"
    link.symlink_to(tmp_path)
    try:
        assert "is not a folder of the cookbook's" in desk.refused("%sandbox linked --at 0001")
        assert (tmp_path / "precious.txt").read_text() == "mine"
    finally:
        link.unlink()
