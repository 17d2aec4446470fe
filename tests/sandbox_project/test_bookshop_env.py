"""Does env.py get right what so often goes wrong?"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

import psutil
import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from bookshop_copy import copy_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookshop_copy import Copy

    from migration_cookbook.databases.postgres import Server


@pytest.fixture
def shop(tmp_path: Path, url: sa.URL) -> Copy:
    """The bookshop at 0003, with rows."""
    shop = copy_project(tmp_path / "shop", url, "0003")
    shop.alembic("upgrade", "head")
    shop.fill()
    return shop


@pytest.fixture
def sqlite_shop(tmp_path: Path) -> Copy:
    """The whole bookshop on SQLite, with rows."""
    shop = copy_project(tmp_path / "shop", sa.URL.create("sqlite", database=str(tmp_path / "shop.db")))
    shop.alembic("upgrade", "head")
    shop.fill()
    return shop


@pytest.fixture
def foreign_keys_on_everywhere() -> Iterator[None]:
    """What many applications do, and what then holds for their migrations too."""

    def switch_on(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA foreign_keys = ON")

    sa.event.listen(sa.Engine, "connect", switch_on)
    yield
    sa.event.remove(sa.Engine, "connect", switch_on)


def test_a_failed_revision_leaves_nothing_and_the_one_before_it_stays(shop: Copy) -> None:
    shop.add_revision("0004", "0003", 'op.add_column("books", sa.Column("isbn", sa.String(13)))')
    broken = (
        'op.create_table("shelves", sa.Column("id", sa.Integer, primary_key=True)); '
        'op.execute("UPDATE books SET isbn = 1"); op.execute("SELECT * FROM missing")'
    )
    shop.add_revision("0005", "0004", broken)
    with pytest.raises(sa.exc.DBAPIError, match="missing"):
        shop.alembic("upgrade", "head")
    assert "shelves" not in shop.schema()
    assert shop.alembic("current").startswith("0004")
    with shop.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM books WHERE isbn IS NOT NULL")) == 0


def test_an_autocommit_block_is_in_no_transaction(shop: Copy) -> None:
    vacuum = "with op.get_context().autocommit_block(): op.execute('VACUUM')"
    index = 'op.create_index("ix_books_title", "books", ["title"], postgresql_concurrently=True)'
    shop.add_revision("0004", "0003", vacuum)
    shop.add_revision("0005", "0004", f"with op.get_context().autocommit_block(): {index}")
    shop.add_revision("0006", "0005", 'op.add_column("books", sa.Column("isbn", sa.String(13)))')
    shop.alembic("upgrade", "head")
    assert shop.alembic("current").startswith("0006")
    assert [each["name"] for each in shop.schema()["books"]["indexes"]] == ["ix_books_title"]


@pytest.mark.usefixtures("foreign_keys_on_everywhere")
def test_copying_a_table_deletes_no_row_that_points_at_it(sqlite_shop: Copy) -> None:
    before = sqlite_shop.contents()
    sqlite_shop.add_revision(
        "0011", "0010", 'b = op.batch_alter_table("orders", recreate="always")\n    with b: pass'
    )
    sqlite_shop.alembic("upgrade", "head")
    after = sqlite_shop.contents()
    assert len(after["order_lines"]) == 4
    assert after | {"alembic_version": []} == before | {"alembic_version": []}


def test_a_revision_that_breaks_a_foreign_key_is_rolled_back_with_a_word(sqlite_shop: Copy) -> None:
    sqlite_shop.add_revision("0011", "0010", 'op.execute("DELETE FROM books WHERE id = 2")')
    message = (
        "upgrade 0011 would leave foreign keys that point at no row: "
        r"order_lines row 3 -> books, order_lines row 4 -> books, reviews row 3 -> books \(3 in all\)"
    )
    with pytest.raises(CommandError, match=message):
        sqlite_shop.alembic("upgrade", "head")
    assert len(sqlite_shop.contents()["books"]) == 3
    assert sqlite_shop.alembic("current").startswith("0010")


def test_a_stamp_changes_no_row_so_it_is_not_held_up_by_one(sqlite_shop: Copy) -> None:
    engine = sa.create_engine(sqlite_shop.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM books WHERE id = 2"))
    sqlite_shop.alembic("stamp", "0009")
    assert sqlite_shop.alembic("current").startswith("0009")


def test_a_failing_downgrade_names_itself(sqlite_shop: Copy) -> None:
    sqlite_shop.add_revision("0011", "0010", "pass", 'op.execute("DELETE FROM staff")')
    sqlite_shop.alembic("upgrade", "head")
    with pytest.raises(CommandError, match="downgrade 0011 would leave"):
        sqlite_shop.alembic("downgrade", "-1")
    assert sqlite_shop.alembic("current").startswith("0011")


def test_odd_characters_in_folders(tmp_path: Path) -> None:
    # Not in this one: a folder with % in its name, which Alembic's own %(here)s can't stand.
    folder = tmp_path / "it's söme $HOME? #1 & 2"
    folder.mkdir()
    shop = copy_project(folder / "shop", sa.URL.create("sqlite", database=str(folder / "a b%40.db")))
    shop.alembic("upgrade", "head")
    shop.fill()
    assert (folder / "a b%40.db").is_file()
    shop.alembic("downgrade", "base")


def test_a_password_may_hold_any_character(
    tmp_path: Path, bookshop_server: Server, postgres_url: sa.URL
) -> None:
    if not bookshop_server.capabilities.has_roles:
        pytest.skip("on your own server, the password is yours")
    odd = r"p%40@/:ss 'w\"örd#?"
    with sa.create_engine(postgres_url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(
            "ALTER ROLE CURRENT_USER PASSWORD '" + odd.replace("'", "''").replace("%", "%%") + "'"
        )
    shop = copy_project(tmp_path / "shop", postgres_url.set(password=odd), "0001")
    shop.alembic("upgrade", "head")
    assert shop.alembic("current").startswith("0001")


def test_offline_sql_makes_the_same_tables(tmp_path: Path, url: sa.URL, other_url: sa.URL) -> None:
    # Batch operations need a database to look at, so on SQLite the script ends before the first.
    last = "0003" if url.get_backend_name() == "sqlite" else "head"
    online, offline = copy_project(tmp_path / "online", url), copy_project(tmp_path / "offline", other_url)
    online.alembic("upgrade", last)
    script = offline.alembic("upgrade", last, "--sql")
    assert script.count("BEGIN;") == script.count("COMMIT;") == script.count("-- Running upgrade")
    _run_script(other_url, script)
    assert offline.schema() == online.schema()
    assert offline.alembic("current") == online.alembic("current")
    back = offline.alembic("downgrade", "head:base" if last == "head" else f"{last}:base", "--sql")
    _run_script(other_url, back)
    online.alembic("downgrade", "base")
    assert {**offline.schema(), "alembic_version": 0} == {**online.schema(), "alembic_version": 0}


def test_offline_connects_to_nothing(tmp_path: Path) -> None:
    nowhere = sa.URL.create("postgresql+psycopg", "me", "100%", "nowhere.invalid", database="shop")
    assert "CREATE TYPE booking_status" in copy_project(tmp_path / "shop", nowhere).alembic(
        "upgrade", "head", "--sql"
    )


def test_no_connection_stays_open(shop: Copy) -> None:
    shop.alembic("downgrade", "base")
    if shop.url.get_backend_name() == "sqlite":
        assert shop.url.database not in [file.path for file in psutil.Process().open_files()]
    else:
        with shop.connect() as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            assert connection.scalar(sa.text(query)) == 0


def test_the_caller_keeps_its_loggers(shop: Copy) -> None:
    logger = logging.getLogger("a.callers.own")
    shop.alembic("current")
    assert not logger.disabled


def test_a_generated_revision_is_tidy_and_runs(shop: Copy) -> None:
    models = shop.folder / "bookshop" / "models.py"
    price = "    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(8, 2))\n"
    models.write_text(models.read_text().replace(price, f"{price}    isbn: Mapped[str | None]\n"))
    shop.alembic("revision", "--autogenerate", "--rev-id", "0004", "-m", "add isbn to books")
    path = shop.folder / "migrations" / "versions" / "0004_add_isbn_to_books.py"
    text = path.read_text()
    assert text.startswith('"""add isbn to books\n\nRevision ID: 0004\nRevises: 0003\nCreate Date: ')
    assert "from alembic import op\n\n# revision identifiers" in text
    assert ("with op.batch_alter_table" in text) == (shop.url.get_backend_name() == "sqlite")
    shop.alembic("upgrade", "head")
    shop.alembic("check")
    shop.alembic("downgrade", "-1")


def test_without_a_variable_the_file_beside_the_ini_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop" / "bookshop.db"
    shop = copy_project(tmp_path / "shop", sa.URL.create("sqlite", database=str(file)), "0001")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    # An empty variable is no URL either.
    monkeypatch.setenv("BOOKSHOP_DATABASE_URL", "")
    assert shop.rows().database_url() == shop.url


def _run_script(url: sa.URL, script: str) -> None:
    if url.get_backend_name() == "sqlite":
        assert url.database
        with sqlite3.connect(url.database) as connection:
            connection.executescript(script)
        connection.close()
        return
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Without parameters, psycopg sends the text as it is, with all its statements.
        connection.connection.cursor().execute(script)
