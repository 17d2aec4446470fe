"""The same cells give the same outputs, byte for byte, whatever ran before and wherever the workspace lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notebook_desk import open_desk

from migration_cookbook.databases import server
from migration_cookbook.workspace import HOME_VARIABLE, open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from notebook_desk import Desk

#: One cell of every kind, those that fail among them.
CELLS = (
    "%load_ext migration_cookbook",
    "%sandbox page --at 0003",
    "%tree",
    '%%revision 0004 "add isbn to books"\ndef upgrade():\n    op.add_column("books", sa.Column("isbn", sa.Text))\n'
    'def downgrade():\n    op.drop_column("books", "isbn")\n',
    '%%revision "add a moment"\ndef upgrade():\n    op.add_column(\n'
    '        "books", sa.Column("at", sa.DateTime, server_default=sa.func.now())\n    )\n'
    'def downgrade():\n    op.drop_column("books", "at")\n',
    "%%fails sqlite\n%alembic upgrade head",
    "%revisions",
    "%sent --all",
    "%schema --diff",
    "%alembic downgrade 0003",
    '%alembic revision -m "empty"',
    "%alembic history --verbose",
    "%alembic current -v",
    "%alembic upgrade 0004 --all-lines",
    "%alembic upgrade 0003:0004 --sql",
    "%alembic upgrade --help",
    "%%sql\nSELECT * FROM books ORDER BY id",
    "%%fails\n%%sql\nINSERT INTO books (title) VALUES ('no author')",
    "%%fails\n%%sql\nSELECT * FROM nowhere",
    "%%sql --as anna --on postgres\nBEGIN; UPDATE books SET title = 'x'",
    "%%sql --as anna --on postgres\nROLLBACK",
    "%%locks\nCREATE INDEX ix_title ON books (title); ALTER TABLE books ALTER COLUMN title TYPE varchar(50)",
    "%%locks\nCREATE INDEX CONCURRENTLY ix_title ON books (title)",
    '%%locks\nop.create_table("shelves", sa.Column("book", sa.Integer, sa.ForeignKey("books.id")))',
    "%schema",
    "%schema books",
    "%%file notes.txt\none\ntwo",
    "%%file notes.txt\none\n2",
    "%show 0004",
    "%show migrations/env.py 1-9",
    "%%fails\n%alembic upgrad",
    "%%fails\nraise ValueError('on purpose')",
    "%sandbox page --bare",
    "%alembic init migrations",
    "%%fails\n%alembic current",
    "%practice c01-3",
    "%check c01-3",
    "%practice e07-4",
    "%check e07-4",
    '%%revision 0004 "add stock to books"\ndef upgrade():\n    op.drop_column("books", "stock")\n',
    "%check e07-4",
    "%check e07",
)


def outputs(desk: Desk) -> list[object]:
    return [(cell, desk.run(cell).outputs, desk.ran[-1].metadata) for cell in CELLS]


def test_twice_in_one_notebook_and_once_in_another_workspace(
    blank: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = outputs(blank)
    again = outputs(blank)
    for one, other in zip(first, again, strict=True):
        assert one == other
    elsewhere = open_workspace(tmp_path / "another place, with spaces & an 'apostrophe'")
    monkeypatch.setenv(HOME_VARIABLE, str(elsewhere.root))
    try:
        with open_desk(elsewhere) as desk:
            for one, other in zip(first, outputs(desk), strict=True):
                assert one == other
    finally:
        server.remove(elsewhere)
