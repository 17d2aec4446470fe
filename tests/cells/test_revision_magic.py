"""`%%revision`: the cell's code in a file that Alembic made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import BOTH

if TYPE_CHECKING:
    from pathlib import Path

    from notebook_desk import Desk

CODE = """\
def upgrade() -> None:
    op.add_column("books", sa.Column("isbn", sa.String(13)))


def downgrade() -> None:
    op.drop_column("books", "isbn")
"""


def versions(desk: Desk) -> list[str]:
    return sorted(path.name for path in (desk.folder / "migrations/versions").glob("*.py"))


def text(desk: Desk, name: str) -> str:
    path: Path = desk.folder / "migrations" / "versions" / name
    return path.read_text()


def test_the_file_is_alembics_with_the_code_of_the_cell(shop: Desk) -> None:
    ran = shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}')
    assert ran.lines == ["wrote migrations/versions/0004_add_isbn_to_books.py"]
    written = text(shop, "0004_add_isbn_to_books.py")
    assert written.startswith('"""add isbn to books\n\nRevision ID: 0004\nRevises: 0003\n')
    assert written.endswith(CODE)
    assert written.count("def upgrade") == 1
    shop.run("%alembic upgrade head", "%alembic downgrade -1")


def test_imports_and_helpers_come_along(shop: Desk) -> None:
    shop.run(
        '%%revision 0004 "add isbn to books"\n'
        "import sqlalchemy as sa\nfrom decimal import (\n    Decimal,\n)\n\n"
        "SIZE = 13  # the new ones\n\n\ndef isbn():\n    return sa.String(SIZE)\n\n\n"
        'def upgrade():\n    op.add_column("books", sa.Column("isbn", isbn()))\n\n\ndef downgrade():\n    pass\n'
    )
    written = text(shop, "0004_add_isbn_to_books.py")
    assert written.count("import sqlalchemy as sa") == 1
    assert written.index("from decimal import (\n    Decimal,\n)") < written.index("revision: str")
    assert "SIZE = 13  # the new ones" in written
    shop.run("%alembic upgrade head")
    assert "VARCHAR(13)" in shop.run("%schema books").text


def test_again_rewrites_the_same_file_and_keeps_its_parent(shop: Desk) -> None:
    shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}', f'%%revision 0005 "later"\n{CODE}')
    before = versions(shop)
    again = shop.run('%%revision 0004 "add isbn to books"\n' + CODE.replace("13", "17"))
    assert again.lines == ["rewrote migrations/versions/0004_add_isbn_to_books.py"]
    assert versions(shop) == before
    assert "down_revision: str | Sequence[str] | None = '0003'" in text(shop, "0004_add_isbn_to_books.py")
    assert "sa.String(17)" in text(shop, "0004_add_isbn_to_books.py")
    # Imports of the earlier text go with it.
    shop.run(f'%%revision 0004 "add isbn to books"\nimport decimal\n{CODE}')
    shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}')
    assert "decimal" not in text(shop, "0004_add_isbn_to_books.py")


def test_another_message_renames_the_file(shop: Desk) -> None:
    shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}')
    shop.run(f'%%revision 0004 "give books a number"\n{CODE}')
    assert versions(shop)[-1] == "0004_give_books_a_number.py"
    assert len(versions(shop)) == 4
    assert text(shop, "0004_give_books_a_number.py").startswith('"""give books a number\n')
    assert "give books a number" in shop.run("%revisions").text
    # The kit renamed it: nothing was changed by hand.
    assert len(shop.run("%sandbox page --at 0003").lines) == 1


def test_without_an_id_the_message_finds_the_file(shop: Desk) -> None:
    shop.run(f'%%revision "add isbn to books"\n{CODE}')
    before = versions(shop)
    assert shop.run(f'%%revision "add isbn to books"\n{CODE}').lines[0].startswith("rewrote ")
    assert versions(shop) == before


def test_ids_are_the_same_in_each_run_of_the_notebook(shop: Desk) -> None:
    names = []
    for _ in range(2):
        shop.run("%sandbox page --at 0003", f'%%revision "add isbn to books"\n{CODE}')
        shop.run('%alembic revision -m "next"')
        names.append((versions(shop), text(shop, versions(shop)[-1])))
    assert names[0] == names[1]


def test_a_text_that_a_database_has_already_run_is_said(shop: Desk) -> None:
    shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}', "%alembic upgrade head --on postgres")
    same = shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}')
    assert len(same.lines) == 1
    other = shop.run('%%revision 0004 "add isbn to books"\n' + CODE.replace("13", "17"))
    assert other.lines[1].startswith("PostgreSQL has already run the earlier text of 0004:")
    shop.run("%alembic upgrade head", f'%%revision 0005 "later"\n{CODE.replace("isbn", "ean")}')
    shop.run("%alembic upgrade head")
    below = shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}')
    assert below.lines[1].startswith("SQLite and PostgreSQL have already run")
    assert [shop.sandbox.place(dialect) for dialect in BOTH] == [("0005",), ("0005",)]


def test_a_file_that_can_not_be_read_is_mended_by_its_own_cell(shop: Desk) -> None:
    shop.run(f'%%revision 0004 "add isbn to books"\n{CODE}')
    for name in ('0004 "add isbn to books"', '"add isbn to books"'):
        broken = shop.run(f"%%revision {name}\nfrom bookshop import lost\n\n{CODE}")
        assert broken.lines[0] == "rewrote migrations/versions/0004_add_isbn_to_books.py"
        assert "Alembic can't read the revisions: ImportError cannot import name 'lost'" in broken.text
        mended = shop.run(f"%%revision {name}\n{CODE}")
        assert mended.lines == ["rewrote migrations/versions/0004_add_isbn_to_books.py"]
    shop.run("%alembic upgrade head")


def test_a_missing_downgrade_is_said(shop: Desk) -> None:
    ran = shop.run('%%revision 0004 "one way"\ndef upgrade():\n    pass')
    assert ran.lines[1].startswith("There is no downgrade()")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('%%revision 0004 "x"\ndef upgrade(:\n    pass', "syntax error in line 2"),
        ('%%revision 0004 "x"\n\n\nx = = 1', "syntax error in line 4"),
        ('%%revision 0004 "x"\ndef downgrade():\n    pass', "no upgrade()"),
        (f"%%revision 0004\n{CODE}", "needs a message"),
        (f"%%revision\n{CODE}", "needs a message"),
        (f"%%revision 0004 add isbn to books\n{CODE}", "in quotation marks"),
        (f'%%revision "x" --autogenerate\n{CODE}', "%alembic revision --autogenerate"),
        (f'%%revision 0004 "x" --wrong\n{CODE}', "unrecognized arguments: --wrong"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(shop: Desk, cell: str, words: str) -> None:
    before = versions(shop)
    assert words in shop.refused(cell)
    assert versions(shop) == before


def test_options_of_alembic_revision_go_to_alembic(shop: Desk) -> None:
    shop.run(f'%%revision 0004 "a branch" --head 0002 --splice --branch-label side\n{CODE}')
    assert "0002 -> 0004 (side) (head), a branch" in shop.run("%alembic history").text
    failed = shop.attempt(f'%%revision 0009 "x" --head nowhere\n{CODE}')
    assert "Can't locate revision" in failed.text
    assert "0009" not in str(versions(shop))


def test_without_a_project_it_says_how_to_make_one(desk: Desk) -> None:
    desk.run("%sandbox page --bare")
    assert "%alembic init migrations" in desk.refused(f'%%revision 0001 "x"\n{CODE}')
