"""Are the bookshop's rows the same each time, and good to build lessons on?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from bookshop_copy import REVISIONS, copy_project

if TYPE_CHECKING:
    from pathlib import Path

    from bookshop_copy import Copy


@pytest.fixture
def shop(tmp_path: Path, url: sa.URL) -> Copy:
    shop = copy_project(tmp_path / "shop", url)
    shop.alembic("upgrade", "head")
    return shop


def test_what_is_filled_in_is_what_stands_in_the_file(shop: Copy) -> None:
    shop.fill()
    rows, tables = shop.rows().ROWS, shop.metadata().tables
    assert rows.keys() == tables.keys()
    with shop.connect() as connection:
        for name, expected in rows.items():
            table = tables[name]
            found = connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            ids = [{"id": number} if "id" not in row else {} for number, row in enumerate(expected, 1)]
            wanted = [
                _without_zone(id_ | row if "id" in table.c else row)
                for id_, row in zip(ids, expected, strict=True)
            ]
            assert [_without_zone(dict(each)) for each in found] == wanted


def test_the_next_row_gets_the_next_id(shop: Copy) -> None:
    shop.fill()
    with shop.connect() as connection:
        connection.execute(sa.text("INSERT INTO books (title, author) VALUES ('Emma', 'Jane Austen')"))
        assert connection.scalar(sa.text("SELECT max(id) FROM books")) == 4


def test_no_price_prints_differently_on_the_two_databases(shop: Copy) -> None:
    """SQLite drops a price's last zero."""
    assert all(str(row["price"])[-1] != "0" for row in shop.rows().ROWS["books"])


def test_the_tables_of_any_revision_can_be_filled(tmp_path: Path) -> None:
    for revision in REVISIONS:
        url = sa.URL.create("sqlite", database=str(tmp_path / f"{revision}.db"))
        shop = copy_project(tmp_path / revision, url, revision)
        shop.alembic("upgrade", "head")
        shop.fill()
        assert all(shop.contents().values())


def test_filling_twice_or_too_early_says_so(shop: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = shop.rows()
    monkeypatch.setenv("BOOKSHOP_DATABASE_URL", shop.url.render_as_string(hide_password=False))
    rows.main()
    filled = shop.contents()
    with pytest.raises(SystemExit, match=r"There are rows in .* already, so nothing was added"):
        rows.main()
    assert shop.contents() == filled
    shop.alembic("downgrade", "-1")
    with pytest.raises(SystemExit, match=r"No table sessions yet\. Run `alembic upgrade head` first"):
        rows.main()


def _without_zone(row: dict[str, object]) -> dict[str, object]:
    """SQLite stores no time zone: the lesson of the table, not of this test."""
    return {
        name: value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for name, value in row.items()
    }
