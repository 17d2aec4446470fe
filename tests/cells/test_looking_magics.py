"""`%schema`, `%revisions`, `%%file`, `%show` and `%tree`: looking at the project and its databases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from one_session import EVERY_BACKEND

if TYPE_CHECKING:
    from pathlib import Path

    from notebook_desk import Desk

BOTH_TITLES = "SQLite and PostgreSQL"


@EVERY_BACKEND
def test_a_table_has_its_columns_and_below_them_its_constraints(desk: Desk) -> None:
    desk.run("%sandbox page --at 0005")
    ran = desk.run("%schema books")
    lines = ran.below(BOTH_TITLES)
    assert lines[0] == "table books"
    assert "price   NUMERIC(8, 2)  may be NULL" in [line.rstrip() for line in lines]
    assert "primary key pk_books: id" in lines
    assert any(line.startswith("index ix_books_author:") for line in lines)
    assert "<caption" in ran.html
    assert 'scope="row"' in ran.html
    assert any(line.startswith("uq_members_email:") for line in desk.run("%schema members").lines[1:]) or (
        "uq_members_email" in desk.run("%schema members").text
    )


@EVERY_BACKEND
def test_all_tables_are_listed(shop: Desk) -> None:
    lines = shop.run("%schema").below(BOTH_TITLES)
    assert [line.split()[0] for line in lines[2:]] == ["books", "members", "order_lines", "orders"]


def test_a_mistyped_table_is_answered_with_the_nearest(shop: Desk) -> None:
    assert shop.refused("%schema bocks") == "There is no table bocks. Did you mean books?"
    assert "There are: books, members" in shop.refused("%schema zzz")
    assert "Did you mean --diff?" in shop.refused("%schema --dif")
    assert "does not understand `two`" in shop.refused("%schema one two")


@EVERY_BACKEND
def test_a_table_of_one_database_only(shop: Desk) -> None:
    shop.run("%%sql --on sqlite\nCREATE TABLE shelves (id INTEGER)")
    ran = shop.run("%schema shelves")
    assert ran.below("PostgreSQL") == ["no table shelves"]
    assert "no table shelves" in shop.refused("%schema shelves --on postgres")


@EVERY_BACKEND
def test_diff_is_what_the_last_move_changed_also_when_run_again(shop: Desk) -> None:
    assert "No command has changed a database yet" in shop.refused("%schema --diff")
    shop.run("%alembic downgrade -1")
    first = shop.run("%schema --diff")
    assert first.lines[0] == "What downgrade -1 changed:"
    assert first.below(BOTH_TITLES) == ["- books.price  NUMERIC(8, 2)"]
    shop.run("%alembic current", "%%sql\nCREATE TABLE other (id INTEGER)")
    assert shop.run("%schema --diff") == first
    shop.run("%alembic stamp 0001", "%alembic stamp 0002")
    assert shop.run("%schema --diff").below(BOTH_TITLES) == ["no change of the schema"]
    # Where each database went its own way, each has its own list.
    shop.run("%alembic upgrade head --on postgres")
    assert "SQLite" not in shop.run("%schema --diff --on postgres").text
    for line in ("%schema --diff --on sqlite", "%sent --on sqlite"):
        assert "ran on PostgreSQL only" in shop.refused(line)


@EVERY_BACKEND
def test_the_graph_shows_where_each_database_stands(shop: Desk) -> None:
    shop.run("%alembic downgrade -1 --on postgres")
    ran = shop.run("%revisions")
    assert ran.lines == [
        "  base -> 0001  create members and books",
        "  0001 -> 0002  create orders  <- PostgreSQL",
        "  0002 -> 0003  add price to books (head)  <- SQLite",
    ]
    for word in ("0001", "create orders", "◀ SQLite", "◀ PostgreSQL"):
        assert word in ran.svg
    assert "PostgreSQL" not in shop.run("%revisions --on sqlite").text


def test_the_graph_at_base_and_with_branches(shop: Desk) -> None:
    shop.run("%alembic downgrade base")
    assert shop.run("%revisions").lines[-1] == f"  {BOTH_TITLES}: at base, no revision applied"
    shop.run(
        "%alembic upgrade head",
        '%alembic revision -m "left" --rev-id aaaa --branch-label left',
        '%alembic revision -m "right" --rev-id bbbb --head 0003 --splice',
        "%alembic upgrade heads",
    )
    branched = shop.run("%revisions").text
    assert "0003 -> aaaa  left (left, head)  <- SQLite  <- PostgreSQL" in branched
    assert "0003 -> bbbb  right (head)  <- SQLite  <- PostgreSQL" in branched
    shop.run('%alembic merge heads -m "one again" --rev-id cccc')
    assert re.search(
        r"(aaaa \+ bbbb|bbbb \+ aaaa) -> cccc  one again \(.*head\)", shop.run("%revisions").text
    )


def test_a_long_history_shows_the_neighborhood_of_the_databases(desk: Desk) -> None:
    desk.run("%sandbox page --at head --database-at 0005")
    ran = desk.run("%revisions")
    assert ran.lines[0].strip() == "… 2 earlier"
    assert ran.lines[-1].strip() == "… 3 later"
    assert [line.split()[2] for line in ran.lines[1:-1]] == ["0003", "0004", "0005", "0006", "0007"]
    assert ran.svg.count("<rect") < 10


def test_no_revisions_yet(desk: Desk) -> None:
    desk.run("%sandbox page --bare")
    assert "%alembic init migrations" in desk.refused("%revisions")
    desk.run("%alembic init migrations")
    assert desk.run("%revisions").lines[0] == "no revisions yet"


def test_a_file_is_written_and_what_changed_is_shown(shop: Desk) -> None:
    assert shop.run("%%file notes/plan.txt\none\ntwo").lines == ["wrote notes/plan.txt"]
    changed = shop.run("%%file notes/plan.txt\none\n2")
    assert changed.lines[0] == "changed notes/plan.txt"
    assert [line.strip() for line in changed.lines if line.strip()[:1] in "+-"] == ["-two", "+2"]
    assert shop.run("%%file notes/plan.txt\none\n2").lines == ["notes/plan.txt is as it was"]
    assert (shop.folder / "notes" / "plan.txt").read_text() == "one\n2\n"


def test_a_file_is_edited_at_one_line(shop: Desk) -> None:
    shop.run("%%file plan.txt\none\ntwo\nthree")
    shop.run('%%file plan.txt --after "two"\ntwo and a half')
    shop.run("%%file plan.txt --instead-of one\nOne")
    wanted = "One\ntwo\ntwo and a half\nthree\n"
    assert (shop.folder / "plan.txt").read_text() == wanted
    # The same cell once more changes nothing.
    shop.run('%%file plan.txt --after "two"\ntwo and a half')
    assert (shop.folder / "plan.txt").read_text() == wanted
    assert "2 lines of plan.txt hold" in shop.refused("%%file plan.txt --after two\nnew")
    assert "0 lines of plan.txt hold" in shop.refused("%%file plan.txt --after four\nnew")
    assert "no file other.txt" in shop.refused("%%file other.txt --after two\nnew")
    assert "not both" in shop.refused("%%file plan.txt --after two --instead-of one\nnew")
    assert (shop.folder / "plan.txt").read_text() == wanted


@pytest.mark.parametrize(
    "path", ["../outside.txt", "/etc/outside.txt", "a/../../outside.txt", "link/outside.txt"]
)
def test_a_path_that_leads_out_is_refused(shop: Desk, tmp_path: Path, path: str) -> None:
    (shop.folder / "link").symlink_to(tmp_path)
    (tmp_path / "outside.txt").write_text("precious")
    for cell in (f"%%file {path}\nmine", f"%show {path}", f"%tree {path}"):
        assert "lies outside the sandbox" in shop.refused(cell)
    assert (tmp_path / "outside.txt").read_text() == "precious"
    shop.run("%sandbox page --at 0003")
    assert (tmp_path / "outside.txt").read_text() == "precious"


def test_what_is_no_text_file_is_said_in_one_line(shop: Desk) -> None:
    (shop.folder / "picture.bin").write_bytes(b"\xff\xfe\x00")
    for cell in ("%show picture.bin", "%show bookshop.db", "%%file picture.bin\ntext"):
        assert "is no text file" in shop.refused(cell), cell
    assert "is a folder" in shop.refused("%%file migrations\ntext")


def test_a_file_or_a_revision_is_shown(shop: Desk) -> None:
    whole = shop.run("%show alembic.ini")
    assert whole.lines[0] == "alembic.ini"
    assert "    [alembic]" in whole.lines
    part = shop.run("%show 0002 1-2")
    assert part.lines[0] == "migrations/versions/0002_create_orders.py, lines 1 to 2"
    assert part.lines[1] == '    """create orders'
    assert shop.run("%show alembic.ini 1").lines[1].strip().startswith("#")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%show", "needs a path or a revision"),
        ("%show alembik.ini", "Did you mean alembic.ini?"),
        ("%show 9999", "no file or revision 9999"),
        ("%show alembic.ini 9000", "names no lines"),
        ("%show alembic.ini 5-2", "names no lines"),
        ("%show alembic.ini first", "names no lines"),
        ("%tree nowhere", "no folder nowhere"),
        ("%tree alembic.ini", "no folder alembic.ini"),
        ("%%file\ntext", "needs a path"),
        ("%%file a b\ntext", "does not understand `b`"),
        ("%tree --depth 2", "no option --depth"),
    ],
)
def test_a_mistake_is_one_line(shop: Desk, cell: str, words: str) -> None:
    assert words in shop.refused(cell)


def test_the_tree_lists_what_belongs_to_the_project(shop: Desk) -> None:
    shop.run("%alembic check", "from bookshop.models import Book")
    text = shop.run("%tree").text
    assert text.startswith("page/\n├── README.md\n├── alembic.ini\n")
    assert "        └── 0003_add_price_to_books.py" in text
    for noise in ("__pycache__", ".db", ".pyc"):
        assert noise not in text
    assert shop.run("%tree migrations/versions").lines[0] == "migrations/versions/"
