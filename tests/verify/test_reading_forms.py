"""The text says what it is, whatever its fence says."""

from __future__ import annotations

import time

import pytest

from migration_cookbook.verify.reading.forms import classify
from migration_cookbook.verify.reading.page import Passage
from migration_cookbook.verify.values.snippet import Form

UPGRADE = "def upgrade():\n    op.drop_table('a')"
REVISION = f"from alembic import op\n\nrevision = '1'\ndown_revision = None\n\n\n{UPGRADE}"
ENVIRONMENT = "context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)"

#: What each text is, in a fence of any language that it may stand in.
TEXTS = [
    ("op.drop_table('a')", Form.OPERATIONS),
    ("# a comment\n\nop.drop_table('a')", Form.OPERATIONS),
    ("with op.batch_alter_table('a') as batch:\n    batch.drop_column('b')", Form.OPERATIONS),
    ("batch_op.drop_column('b')", Form.OPERATIONS),
    ("from alembic import op\n\nop.execute('SELECT 1')", Form.OPERATIONS),
    ("bind = op.get_bind()\nprint(bind)", Form.OPERATIONS),
    ("if op.get_context().dialect.name == 'sqlite':\n    ...", Form.OPERATIONS),
    (">>> op.drop_table('a')", Form.OPERATIONS),
    (UPGRADE, Form.FUNCTIONS),
    ("def downgrade() -> None:\n    op.drop_table('a')", Form.FUNCTIONS),
    ("def upgrade_engine1():\n    pass", Form.FUNCTIONS),
    (f"import sqlalchemy as sa\n\n{UPGRADE}", Form.FUNCTIONS),
    (f"from alembic import context\n\n{UPGRADE}\n    context.get_x_argument()", Form.FUNCTIONS),
    (REVISION, Form.REVISION),
    ("revision: str = '1'\ndown_revision: str | None = None", Form.REVISION),
    (ENVIRONMENT, Form.ENVIRONMENT),
    ("from models import Base\n\ntarget_metadata = Base.metadata", Form.ENVIRONMENT),
    ("def include_object(object, name, type_, reflected, compare_to):\n    return True", Form.ENVIRONMENT),
    ("config = context.config", Form.ENVIRONMENT),
    ("import os\n\nconfig.set_main_option('sqlalchemy.url', os.environ['URL'])", Form.ENVIRONMENT),
    ("add_audit_trigger(op, 'books')", Form.OPERATIONS),
    ("alembic upgrade head", Form.COMMANDS),
    ("$ alembic upgrade head", Form.COMMANDS),
    ("# Make it so:\nalembic upgrade head", Form.COMMANDS),
    ("[alembic]\nscript_location = migrations", Form.INI),
    ("# alembic.ini\n\n[post_write_hooks]\nhooks = ruff", Form.INI),
    ('[tool.alembic]\nscript_location = "migrations"', Form.PYPROJECT),
    ('[[tool.alembic.post_write_hooks]]\nname = "ruff"', Form.PYPROJECT),
    ("SELECT id FROM books", Form.SQL),
    ("ALTER TABLE books ADD COLUMN isbn VARCHAR(13);", Form.SQL),
    ("-- The next line waits.\n/* really */\ncreate unique index concurrently i ON a (b)", Form.SQL),
    ("BEGIN;\n\nCREATE TABLE a (id int);", Form.SQL),
    ("UPDATE books\nSET title = ''\nWHERE id = 1", Form.SQL),
    ("WITH old AS (SELECT 1) SELECT * FROM old", Form.SQL),
    ("DO $$ BEGIN RAISE NOTICE 'x'; END $$", Form.SQL),
    ("SET lock_timeout = '3s';", Form.SQL),
    ("PRAGMA foreign_keys = ON", Form.SQL),
    ("ALTER TYPE status ADD VALUE 'new'", Form.SQL),
    ("shop=# SELECT 1;\n ?column?\n----------", Form.SQL),
    ("sqlite> SELECT 1;", Form.SQL),
]
RIGHT = {
    Form.OPERATIONS: "python",
    Form.FUNCTIONS: "python",
    Form.REVISION: "python",
    Form.ENVIRONMENT: "python",
    Form.COMMANDS: "bash",
    Form.INI: "ini",
    Form.PYPROJECT: "toml",
    Form.SQL: "sql",
}


def form(language: str, text: str) -> Form:
    return classify(language, Passage.of(text)).form


@pytest.mark.parametrize("language", ["", "text", "the right one"])
@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_the_text_says_what_it_is(text: str, expected: Form, language: str) -> None:
    assert form(RIGHT[expected] if language == "the right one" else language, text) is expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("sql", "op.drop_table('a')", Form.OPERATIONS),
        ("bash", "op.drop_table('a')", Form.OPERATIONS),
        ("javascript", UPGRADE, Form.FUNCTIONS),
        ("python", "ALTER TABLE a ADD COLUMN b INTEGER;", Form.SQL),
        ("python", "alembic upgrade head", Form.COMMANDS),
        ("python", "[alembic]\nscript_location = %(here)s/migrations", Form.INI),
        ("bash", "SELECT 1 FROM a;", Form.SQL),
        ("sql", "alembic upgrade head --sql", Form.COMMANDS),
        ("toml", "alembic check", Form.COMMANDS),
        ("ini", '[tool.alembic]\nscript_location = "migrations"', Form.PYPROJECT),
    ],
)
def test_a_wrong_language_is_put_right(language: str, text: str, expected: Form) -> None:
    assert form(language, text) is expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        # With a syntax error: it is still meant to be that.
        ("python", "op.add_column('a', sa.Column('b', sa.Integer)", Form.OPERATIONS),
        ("", "op.add_column('a', sa.Column('b', sa.Integer)", Form.OPERATIONS),
        ("python", "def upgrade()\n    op.drop_table('a')", Form.FUNCTIONS),
        ("python", "revision = '1'\ndef upgrade()\n    op.drop_table('a')", Form.REVISION),
        ("python", "x = = 1", Form.PYTHON),
        ("python", "class Book(Base):\n    __tablename__ = 'books'", Form.PYTHON),
        ("py", "from alembic import command\n\ncommand.upgrade(config, 'head')", Form.PYTHON),
        ("py", "config = Config('alembic.ini')\nconfig.set_main_option('a', 'b')", Form.PYTHON),
        ("", "import sqlalchemy as sa\n\nmetadata = sa.MetaData()", Form.PYTHON),
        ("python", "await connection.run_sync(upgrade)", Form.PYTHON),
        ("sql", "whatever this is", Form.SQL),
        ("sql", "-- only a comment", Form.SQL),
        ("console", "$ alembic upgarde head", Form.COMMANDS),
        ("ini", "sqlalchemy.url = sqlite:///shop.db", Form.INI),
        ("ini", "# sqlalchemy.url =", Form.INI),
        ("", "sqlalchemy.url = sqlite:///shop.db", Form.INI),
        ("", "script_location = migrations", Form.INI),
        ("python", "script_location = 'migrations'", Form.PYTHON),
    ],
)
def test_what_the_language_decides(language: str, text: str, expected: Form) -> None:
    assert form(language, text) is expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("", "migrations/\n    env.py\n    versions/"),
        ("", "books"),
        ("text", "INFO  [alembic.runtime.migration] Running upgrade  -> 1, create books"),
        ("", "Update the table first, then SET the value"),
        ("", "alembic is a tool"),
        ("bash", "pip install alembic"),
        ("bash", "cd shop\nmake"),
        ("yaml", "steps:\n  - run: alembic upgrade head"),
        ("toml", "[project]\nname = 'shop'"),
        ("ini", "[flake8]\nmax-line-length = 100"),
        ("diff", "-    op.drop_table('a')\n+    op.drop_table('b')"),
        ("mako", "def upgrade():\n    ${upgrades if upgrades else 'pass'}"),
        ("json", '{"a": 1}'),
        ("mermaid", "graph TD\nA --> B"),
        ("mysql", "ALTER TABLE a MODIFY b INT"),
        ("python", ""),
        ("python", "  \n\t\n"),
        ("", "\x00\x00"),
    ],
)
def test_what_nothing_here_can_run(language: str, text: str) -> None:
    assert form(language, text) is Form.UNRELATED


@pytest.mark.parametrize(
    ("language", "text", "commands", "answers"),
    [
        ("bash", "pip install alembic\nalembic init migrations\ncd x", "alembic init migrations", ()),
        (
            "console",
            "$ alembic current\n0003 (head)\n$ ls\nalembic.ini\n$ alembic heads\n0003 (head)\nmore",
            "alembic current\nalembic heads",
            ("0003 (head)", "0003 (head)\nmore"),
        ),
        ("", "$ alembic check\n$ alembic current\n0003", "alembic check\nalembic current", ("", "0003")),
        ("console", "alembic current\n0003 (head)", "alembic current", ("0003 (head)",)),
        ("bash", "alembic current\n0003", "alembic current", ()),
        ("console", "(venv) me@host:~/shop$ alembic current", "alembic current", ()),
        ("powershell", "PS C:\\shop> alembic current", "alembic current", ()),
        ("cmd", "C:\\shop>alembic current", "alembic current", ()),
        ("bash", "uv run alembic current", "alembic current", ()),
        ("bash", "DATABASE_URL=x python -m alembic current", "alembic current", ()),
        ("bash", "docker compose exec -T web alembic upgrade head", "alembic upgrade head", ()),
        (
            "bash",
            "cd shop && alembic upgrade head; alembic current",
            "alembic upgrade head\nalembic current",
            (),
        ),
        ("bash", 'alembic revision -m "a; b && c"', 'alembic revision -m "a; b && c"', ()),
        ("bash", "alembic \\\n    upgrade \\\n    head", "alembic upgrade head", ()),
        ("", "!alembic current", "alembic current", ()),
    ],
)
def test_commands_and_what_they_answer(
    language: str, text: str, commands: str, answers: tuple[str, ...]
) -> None:
    found = classify(language, Passage.of(text))
    assert (found.form, found.passage.text, found.answers) == (Form.COMMANDS, commands, answers)


def test_each_command_knows_its_line() -> None:
    text = "cd x\nalembic \\\n  current\n\nls && alembic heads && alembic check"
    assert classify("bash", Passage.of(text, 10)).passage.numbers == (11, 14, 14)


def test_what_was_typed_at_a_python_prompt_keeps_its_lines() -> None:
    text = ">>> with op.batch_alter_table('a') as batch:\n...     batch.drop_column('b')\n...\nanswer\n>>> op.drop_table('c')"
    found = classify("pycon", Passage.of(text, 3))
    assert found.passage.lines == (
        "with op.batch_alter_table('a') as batch:",
        "    batch.drop_column('b')",
        "",
        "",
        "op.drop_table('c')",
    )
    assert found.passage.line == 3


def test_what_was_typed_into_psql() -> None:
    text = "shop=> SELECT a\nshop-> FROM b;\n a\n---\n 1\nshop=> \\d\n no SQL\nshop=> SELECT 2;\n 2"
    found = classify("", Passage.of(text))
    assert found.passage.text == "SELECT a\nFROM b;\nSELECT 2;"
    assert found.passage.numbers == (1, 2, 8)
    assert found.answers[1] == " 2"


@pytest.mark.parametrize("language", ["", "bash", "sql", "python"])
@pytest.mark.parametrize(
    "repeated",
    [" ", "\n", "-", "-- a\n", "/*", "'", "SELECT ", "CREATE UNIQUE ", "$ ", "\\\n", "a@", "x = 1\n"],
)
def test_a_long_text_of_any_kind_is_read_at_once(language: str, repeated: str) -> None:
    text = repeated * (100_000 // len(repeated)) + "x"
    begun = time.process_time()
    classify(language, Passage.of(text))
    assert time.process_time() - begun < 5
