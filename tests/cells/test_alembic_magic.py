"""`%alembic` and `%sent`: the real command line, on each database, seen as one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from one_session import EVERY_BACKEND

from migration_cookbook.databases.dialects import BOTH, Dialect

if TYPE_CHECKING:
    from notebook_desk import Desk

BOTH_TITLES = "SQLite and PostgreSQL"


def places(desk: Desk) -> list[str]:
    return [", ".join(desk.sandbox.place(dialect)) for dialect in BOTH]


def write_revision(desk: Desk, name: str, upgrade: str, downgrade: str = "pass") -> None:
    desk.run(
        f'%%revision {name} "revision {name}"\ndef upgrade():\n    {upgrade}\ndef downgrade():\n    {downgrade}'
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("history", "0002 -> 0003 (head), add price to books"),
        ("heads", "0003 (head)"),
        ("branches", "(nothing printed)"),
        ("show 0002", "Path: migrations/versions/0002_create_orders.py"),
        ("list_templates", "async - Generic single-database configuration with an async dbapi."),
        ("history --on sqlite", "<base> -> 0001"),
        ("upgrade --help", "usage: alembic upgrade"),
        ("--version", "alembic 1."),
        ("history -r 0001:0002", "0001 -> 0002"),
    ],
)
def test_commands_without_a_database_run_once(shop: Desk, line: str, words: str) -> None:
    ran = shop.run(f"%alembic {line}")
    assert ran.lines[0] == f"$ alembic {line.removesuffix(' --on sqlite')}"
    assert ran.text.count(words) == 1
    assert "SQLite" not in ran.text.replace("SQLite:", "SQLite") or "--on" in line


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("current", ["0003 (head)"]),
        ("check", ["No new upgrade operations detected."]),
        ("history -i", ["0002 -> 0003 (head) (current), add price to books"]),
        ("ensure_version", ["(nothing printed)"]),
        ("upgrade head", ["already at revision 0003"]),
        ("stamp 0003", ["already at revision 0003"]),
    ],
)
def test_commands_with_a_database_run_on_both_and_are_shown_once(
    shop: Desk, line: str, words: list[str]
) -> None:
    ran = shop.run(f"%alembic {line}")
    assert ran.below(BOTH_TITLES)[: len(words)] == words
    assert ran.text.count(words[0]) == 1


@EVERY_BACKEND
def test_up_and_down(shop: Desk) -> None:
    down = shop.run("%alembic downgrade -1")
    assert down.text.count("Running downgrade 0003 -> 0002, add price to books") == 1
    assert "Context impl" not in down.text
    assert places(shop) == ["0002", "0002"]
    shop.run("%alembic downgrade base")
    assert places(shop) == ["", ""]
    shop.run("%alembic upgrade +1", "%alembic stamp 0003")
    assert places(shop) == ["0003", "0003"]


@EVERY_BACKEND
def test_one_database_and_a_relative_step_afterwards(shop: Desk) -> None:
    only = shop.run("%alembic downgrade -1 --on postgres")
    assert "SQLite" not in only.text
    assert places(shop) == ["0003", "0002"]
    apart = shop.run("%alembic downgrade -1")
    assert "different revisions (SQLite at 0003, PostgreSQL at 0002)" in apart.text
    assert places(shop) == ["0002", "0001"]


def test_all_lines_shows_what_is_usually_left_out(shop: Desk) -> None:
    ran = shop.run("%alembic downgrade -1 --all-lines")
    assert ran.lines[0] == "$ alembic downgrade -1"
    assert "Context impl SQLiteImpl." in ran.below("SQLite")[0]
    assert "Context impl PostgresqlImpl." in ran.below("PostgreSQL")[0]


def test_offline_sql_is_sql_alone_and_changes_nothing(shop: Desk) -> None:
    ran = shop.run("%alembic upgrade 0001:0002 --sql")
    assert "id INTEGER NOT NULL" in "\n".join(ran.below("SQLite"))
    assert "id SERIAL NOT NULL" in "\n".join(ran.below("PostgreSQL"))
    assert "INFO" not in ran.text
    assert places(shop) == ["0003", "0003"]


def test_autogenerate_must_name_one_database(shop: Desk) -> None:
    line = shop.refused('%alembic revision --autogenerate -m "shelves"')
    assert "Name it: %alembic revision --autogenerate -m shelves --on sqlite" in line
    ran = shop.run('%alembic revision --autogenerate -m "shelves" --on sqlite')
    assert "Generating migrations/versions/" in ran.text


@EVERY_BACKEND
def test_models_edited_between_two_commands_are_seen(shop: Desk) -> None:
    shop.run("from bookshop.models import Book")
    models = shop.folder / "bookshop" / "models.py"
    text = models.read_text()
    column = "    author: Mapped[str] = mapped_column(sa.String(100))\n"
    models.write_text(text.replace(column, column + "    shelf: Mapped[str | None]\n"))
    failed = shop.attempt("%alembic check")
    assert "shelf" in failed.text
    shop.run("from bookshop.models import Book", "assert hasattr(Book, 'shelf')")
    models.write_text(text)
    shop.run("%alembic check", "from bookshop.models import Book", "assert not hasattr(Book, 'shelf')")


def test_a_revision_rewritten_within_one_second_is_seen(shop: Desk) -> None:
    for table in ("one", "two", "six"):
        # The same size and the same second: an old .pyc would pass for the new file.
        write_revision(shop, "0004", f'op.execute("CREATE TABLE t_{table} (id INTEGER)")')
        shop.run("%alembic upgrade head")
        for dialect in BOTH:
            assert shop.sandbox.schema(dialect).table(f"t_{table}")
        shop.run("%alembic downgrade -1")


def test_sys_path_and_the_working_directory_are_left_as_they_were(shop: Desk) -> None:
    before = (list(sys.path), Path.cwd(), sys.dont_write_bytecode, dict(os.environ))
    shop.run("%alembic current", "%revisions", "%show 0002")
    shop.attempt("%alembic upgrade nonsense")
    assert (list(sys.path), Path.cwd(), sys.dont_write_bytecode, dict(os.environ)) == before


def test_what_a_migration_prints_and_warns_of_is_shown_without_paths(shop: Desk) -> None:
    write_revision(
        shop,
        "0004",
        "import sys, warnings; print('three rows', __file__); "
        "print('to stderr', file=sys.stderr); warnings.warn('slow on large tables')",
    )
    lines = shop.run("%alembic upgrade head").below(BOTH_TITLES)
    assert "three rows migrations/versions/0004_revision_0004.py" in lines
    assert "to stderr" in lines
    assert "UserWarning: slow on large tables" in lines


@EVERY_BACKEND
def test_a_failure_says_who_refused_what_and_where_each_database_stands(shop: Desk) -> None:
    write_revision(
        shop,
        "0004",
        'op.add_column("books", sa.Column("added", sa.DateTime, server_default=sa.func.now()))',
    )
    ran = shop.attempt("%alembic upgrade head")
    assert str(ran.error) == "upgrade head failed on SQLite, see above."
    assert ran.below("SQLite") == [
        "FAILED  OperationalError: Cannot add a column with non-constant default",
        "  SQL sent: ALTER TABLE books ADD COLUMN added DATETIME DEFAULT CURRENT_TIMESTAMP",
        "  from migrations/versions/0004_revision_0004.py, line 22",
        *[line for line in ran.below("SQLite")[3:] if "0003" in line and "schema unchanged" in line],
    ]
    assert len(ran.below("SQLite")) == 4
    assert ran.below("PostgreSQL") == ["worked; now at revision 0004"]
    assert places(shop) == ["0003", "0004"]


@EVERY_BACKEND
def test_a_failure_after_committed_rows_promises_no_more_than_the_schema(shop: Desk) -> None:
    write_revision(
        shop,
        "0004",
        "with op.get_context().autocommit_block():\n"
        "        op.execute(\"UPDATE books SET title = 'committed'\")\n"
        "    raise RuntimeError('the power fails')",
    )
    ran = shop.attempt("%alembic upgrade head")
    assert ran.below("SQLite and PostgreSQL")[-1] == "  still at revision 0003; schema unchanged"
    for dialect in ("sqlite", "postgres"):
        assert "committed" in shop.run(f"%%sql --on {dialect}\nSELECT title FROM books").text


def test_a_failure_says_what_is_done_and_stays(shop: Desk) -> None:
    write_revision(shop, "0004", 'op.create_table("shelves", sa.Column("id", sa.Integer))')
    write_revision(shop, "0005", 'op.execute("SELECT * FROM nowhere")')
    ran = shop.attempt("%alembic upgrade head")
    assert ran.error is not None
    assert "stays" in ran.text
    assert "shelves" in ran.text
    assert places(shop) == ["0004", "0004"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("upgrad head", "Did you mean `upgrade`?"),
        ("nonsense", "Alembic's commands: branches,"),
        ("", "needs a command"),
        ("downgrade", "are required: revision"),
        ("upgrade head --wrong", "unrecognized arguments: --wrong"),
        ("edit head", "opens an editor"),
        ("upgrade 'head", "quotation mark is missing"),
        ("upgrade head --on mysql", "no database `mysql`"),
        ("upgrade head --on", "--on needs a database"),
    ],
)
def test_a_mistake_in_the_command_is_one_line_once(shop: Desk, line: str, words: str) -> None:
    assert words in shop.refused(f"%alembic {line}")
    assert shop.ran[-1].outputs == ()


def test_a_revision_file_that_python_cannot_read_is_said_in_one_line(shop: Desk) -> None:
    (shop.folder / "migrations" / "versions" / "0004_broken.py").write_text("def upgrade(:\n")
    assert "SyntaxError" in shop.attempt("%alembic history").text
    line = shop.refused("%revisions")
    assert "can't read the revisions: SyntaxError" in line
    assert "migrations/versions/0004_broken.py, line 1" in line


def test_a_lost_file_is_told_from_a_mistyped_revision(shop: Desk) -> None:
    assert "Did you mean 0003?" in shop.attempt("%alembic upgrade 00003").text
    next((shop.folder / "migrations" / "versions").glob("0003_*.py")).unlink()
    ran = shop.attempt("%alembic upgrade head")
    assert "The database says that it is at 0003, and no file in versions/ has that revision." in ran.text
    assert "Did you mean" not in ran.text


def test_a_comment_is_no_part_of_the_command(shop: Desk) -> None:
    assert shop.run("%alembic current  # where are we?").lines[0] == "$ alembic current"


@EVERY_BACKEND
def test_branches_and_merges(shop: Desk) -> None:
    shop.run('%alembic revision -m "left" --rev-id aaaa', "%alembic upgrade head")
    shop.run('%alembic revision -m "right" --rev-id bbbb --head 0003 --splice')
    assert "Multiple head revisions" in shop.attempt("%alembic upgrade head").text
    assert "0003 (branchpoint)" in shop.run("%alembic branches").text
    shop.run("%alembic upgrade heads")
    assert places(shop) == ["aaaa, bbbb"] * 2
    shop.run('%alembic merge heads -m "together" --rev-id cccc', "%alembic upgrade head")
    assert places(shop) == ["cccc"] * 2
    assert "cccc (head) (mergepoint)" in shop.run("%alembic current").text


@EVERY_BACKEND
def test_a_bare_project_from_init_to_its_first_table(desk: Desk) -> None:
    desk.run("%sandbox page --bare")
    assert "No 'script_location'" in desk.attempt("%alembic current").text
    made = desk.run("%alembic init migrations")
    assert "Generating alembic.ini ...  done" in made.lines
    assert (
        "NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:driver"
        in desk.attempt("%alembic current").text
    )
    env = (desk.folder / "migrations" / "env.py").read_text()
    line = "config = context.config\n"
    assert line in env
    url = 'config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"].replace("%", "%%"))\n'
    desk.run("%%file migrations/env.py\n" + env.replace(line, f"import os\n{line}{url}"))
    write_revision(desk, "0001", 'op.create_table("shelves", sa.Column("id", sa.Integer))')
    assert "Running upgrade  -> 0001" in desk.run("%alembic upgrade head").text
    assert "shelves" in desk.run("%schema").text


@EVERY_BACKEND
def test_several_databases_are_told_to_env_by_numbered_variables(desk: Desk) -> None:
    desk.run("%sandbox page --at 0001 --databases 2")
    env = desk.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace(
            "url = database_url()", 'import os\nurl = sa.make_url(os.environ["DATABASE_URL_2"])'
        )
    )
    desk.run("%alembic downgrade base")
    for name, tables in (("sqlite", True), ("sqlite_2", False), ("postgres", True), ("postgres_2", False)):
        with desk.shell.user_ns[name].connect() as connection:
            assert connection.dialect.has_table(connection, "books") is tables, name


@EVERY_BACKEND
def test_sent_shows_the_sql_of_the_last_move(shop: Desk) -> None:
    assert "No command has changed a database yet" in shop.refused("%sent")
    shop.run("%alembic downgrade -1", "%alembic current")
    sent = shop.run("%sent").below(BOTH_TITLES)
    assert sent[0] == "BEGIN;"
    assert sent[1] == "ALTER TABLE books DROP COLUMN price;"
    assert sent[-1] == "COMMIT;"
    assert "PRAGMA foreign_keys = OFF;" in shop.run("%sent --all").below("SQLite")
    assert shop.run("%sent --on postgres").below("PostgreSQL") == sent
    assert "no option --al" in shop.refused("%sent --al")


def test_the_sql_also_stands_in_the_metadata_for_the_index_of_facts(shop: Desk) -> None:
    ran = shop.run("%alembic downgrade -1")
    sent = ran.metadata[0]["cookbook"]["sent"]
    assert set(sent) == {"sqlite", "postgres"}
    assert "ALTER TABLE books DROP COLUMN price" in sent["postgres"]


@EVERY_BACKEND
def test_what_alembic_lets_run_outside_a_transaction_is_told_as_it_was_sent(shop: Desk) -> None:
    write_revision(
        shop,
        "0004",
        "with op.get_context().autocommit_block():\n"
        '        op.create_index("ix_title", "books", ["title"], postgresql_concurrently=True)',
    )
    shop.run("%alembic upgrade head")
    sent = shop.run("%sent --on postgres").below("PostgreSQL")
    index = sent.index("CREATE INDEX CONCURRENTLY ix_title ON books (title);")
    assert sent[index - 1] != "BEGIN;"


def test_environment_of_the_project_takes_part_in_revision_when_it_asks_to(shop: Desk) -> None:
    ini = shop.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]\n", "[alembic]\nrevision_environment = true\n", 1))
    ran = shop.run('%alembic revision -m "empty" --rev-id dddd')
    assert "Generating migrations/versions/dddd_empty.py" in ran.text
    assert ran.text.count("Generating") == 1


def test_the_project_ending_the_process_is_a_failure_and_no_more(shop: Desk) -> None:
    write_revision(shop, "0004", "import sys; sys.exit(3)")
    ran = shop.attempt("%alembic upgrade head")
    assert "status 3" in ran.text
    assert places(shop) == ["0003", "0003"]
    assert shop.sandbox.place(Dialect.SQLITE) == ("0003",)
