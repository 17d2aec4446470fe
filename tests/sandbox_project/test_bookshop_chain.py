"""Does each migration of the bookshop do what its models say, and take all of it back?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from bookshop_copy import PROJECT, REVISIONS, copy_project

if TYPE_CHECKING:
    from pathlib import Path

    from bookshop_copy import Copy


def test_the_chain_is_one_line_of_ten() -> None:
    script = ScriptDirectory.from_config(Config(PROJECT / "alembic.ini"))
    chain = list(script.walk_revisions())[::-1]
    assert [each.revision for each in chain] == REVISIONS
    assert [each.down_revision for each in chain] == [None, *REVISIONS[:-1]]
    assert chain[0].path.endswith("/0001_create_members_and_books.py")
    assert chain[2].doc == "add price to books"


@pytest.mark.parametrize(("before", "revision"), list(itertools.pairwise(["base", *REVISIONS])))
def test_a_migration_takes_back_all_it_did(tmp_path: Path, url: sa.URL, before: str, revision: str) -> None:
    earlier = copy_project(tmp_path / "earlier", url, before)
    now = copy_project(tmp_path / "now", url, revision)
    # `base` is run too, so that the version table stands in both pictures.
    now.alembic("upgrade", "0001")
    now.alembic("downgrade", "base")
    if before != "base":
        now.alembic("upgrade", before)
    earlier.fill()
    schema, contents = earlier.schema(), earlier.contents()

    now.alembic("upgrade", "head")
    assert now.alembic("current").startswith(f"{revision} (head)")
    _fill_new_tables(now, earlier)
    now.alembic("downgrade", "-1")
    assert earlier.schema() == schema
    assert earlier.contents() == contents

    now.alembic("upgrade", "head")
    assert "No new upgrade operations detected" in now.alembic("check")


def test_the_way_down_from_a_full_database_leaves_nothing(shop: Copy) -> None:
    shop.alembic("upgrade", "head")
    shop.fill()
    shop.alembic("downgrade", "base")
    left = shop.schema()
    assert [name for name in left if name not in ("relations", "types")] == ["alembic_version"]
    assert all("alembic_version" in name for name in left["relations"] + left.get("types", []))
    shop.alembic("upgrade", "head")
    shop.fill()


def test_books_at_0003_are_what_the_lessons_begin_with(tmp_path: Path, url: sa.URL) -> None:
    shop = copy_project(tmp_path / "shop", url, "0003")
    shop.alembic("upgrade", "head")
    shop.fill()
    columns = [(each["name"], each["type"], each["nullable"]) for each in shop.schema()["books"]["columns"]]
    assert columns == [
        ("id", "INTEGER", False),
        ("title", "VARCHAR(200)", False),
        ("author", "VARCHAR(100)", False),
        ("price", "NUMERIC(8, 2)", True),
    ]
    with shop.connect() as connection:
        books = connection.execute(sa.text("SELECT id, title, author FROM books ORDER BY id")).all()
    assert [tuple(each) for each in books] == [
        (1, "The Left Hand of Darkness", "Ursula K. Le Guin"),
        (2, "Middlemarch", "George Eliot"),
        (3, "Invisible Cities", "Italo Calvino"),
    ]


def test_check_sees_what_the_models_have_and_the_database_has_not(tmp_path: Path, url: sa.URL) -> None:
    """Else the clean checks above would say nothing."""
    shop = copy_project(tmp_path / "shop", url)
    shop.alembic("upgrade", "head")
    models = shop.folder / "bookshop" / "models.py"
    models.write_text(models.read_text().replace("sa.String(200)", "sa.String(201)", 1))
    with pytest.raises(Exception, match=r"New upgrade operations detected.*VARCHAR\(length=200\)"):
        shop.alembic("check")


def _fill_new_tables(now: Copy, earlier: Copy) -> None:
    rows, tables = now.rows().ROWS, now.metadata().tables
    new = tables.keys() - earlier.metadata().tables.keys()
    with now.connect() as connection:
        for name in [name for name in rows if name in new]:
            connection.execute(sa.insert(tables[name]), rows[name])
