"""What comes of a snippet: the verdict on each database, in a world that was made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from migration_cookbook.databases import engines
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.editions.book import this_book
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.verify.values.verdict import Difference, Verdict

if TYPE_CHECKING:
    from trying import Desk

    from migration_cookbook.verify.required_schema.tracker import SchemaTracker

WORKS, FAILS, OUTSIDE = Verdict.WORKS, Verdict.FAILS, Verdict.OUTSIDE
BATCH = 'with op.batch_alter_table("books") as batch:\n    '
PAIR = "def upgrade():\n    {}\n\n\ndef downgrade():\n    {}\n"


@pytest.mark.parametrize(
    ("text", "sqlite", "postgres"),
    (
        ('op.add_column("books", sa.Column("isbn", sa.String(13)))', WORKS, WORKS),
        ('op.add_column("books", sa.Column("isbn", sa.String(13), nullable=False))', FAILS, FAILS),
        ('op.drop_column("books", "isbn")', WORKS, WORKS),
        ('op.alter_column("books", "title", nullable=False)', FAILS, WORKS),
        (f'{BATCH}batch.alter_column("title", nullable=False)', WORKS, WORKS),
        ('op.alter_column("books", "pages", type_=sa.BigInteger())', FAILS, WORKS),
        ('op.alter_column("books", "title", new_column_name="name")', WORKS, WORKS),
        ('op.create_unique_constraint("uq_books_isbn", "books", ["isbn"])', FAILS, WORKS),
        (f'{BATCH}batch.drop_constraint("uq_books_isbn", type_="unique")', WORKS, WORKS),
        ('op.drop_constraint("ck_books_price", "books", type_="check")', FAILS, WORKS),
        ('op.create_check_constraint("ck_books_price", "books", "price > 100")', FAILS, WORKS),
        ('op.drop_constraint("fk_books_author_id", "books", type_="foreignkey")', FAILS, WORKS),
        ('op.drop_index("ix_books_title", "books")', WORKS, WORKS),
        ('op.drop_index("ix_books_title")', WORKS, WORKS),
        ('op.create_index("ix", "books", [sa.text("lower(title)")])', WORKS, WORKS),
        ('op.create_index("ix", "books", ["data"], postgresql_using="gin")', WORKS, WORKS),
        (
            'op.create_index("ix", "b", ["title"], postgresql_using="gin",'
            ' postgresql_ops={"title": "gin_trgm_ops"})',
            WORKS,
            WORKS,
        ),
        ('op.rename_table("books", "volumes")', WORKS, WORKS),
        ('op.drop_table("books")', WORKS, WORKS),
        ('op.execute("UPDATE books SET price = price * 2 WHERE title LIKE \'%a%\'")', WORKS, WORKS),
        ('op.execute("DELETE FROM sessions WHERE expires_at < now()")', FAILS, WORKS),
        ('op.execute("CREATE INDEX CONCURRENTLY ix ON books (title)")', FAILS, OUTSIDE),
        (
            "with op.get_context().autocommit_block():\n"
            '    op.create_index("ix", "books", ["title"], postgresql_concurrently=True)',
            WORKS,
            WORKS,
        ),
        ('op.execute("VACUUM")', WORKS, OUTSIDE),
        ("op.execute(\"ALTER TYPE genre ADD VALUE 'poetry'\")", FAILS, WORKS),
        (
            "op.execute(\"ALTER TYPE genre ADD VALUE 'poetry'\")\n"
            "op.execute(\"UPDATE books SET genre = 'poetry'\")",
            FAILS,
            OUTSIDE,
        ),
        (
            'op.execute("ALTER TABLE b ADD EXCLUDE USING gist (room_id WITH =, period WITH &&)")',
            FAILS,
            FAILS,
        ),
        ('op.execute("CREATE TRIGGER t BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION f()")', FAILS, WORKS),
        ('op.execute("ALTER TABLE books VALIDATE CONSTRAINT fk_books_author_id")', FAILS, WORKS),
        (
            'op.execute("COMMIT")\nop.execute("CREATE INDEX CONCURRENTLY ix ON books (title)")\nop.execute("BEGIN")',
            FAILS,
            OUTSIDE,
        ),
        ('op.add_column("books", sa.Column("g", sa.Enum("a", "b", name="genre")))', WORKS, FAILS),
        ('op.add_colum("books", sa.Column("isbn", sa.String(13)))', FAILS, FAILS),
        (
            'op.bulk_insert(sa.table("roles", sa.column("name", sa.String)), [{"name": "editor"}])',
            WORKS,
            WORKS,
        ),
        (
            'bind = op.get_bind()\nif "isbn" in {c["name"] for c in sa.inspect(bind).get_columns("books")}:\n'
            '    op.drop_column("books", "isbn")',
            WORKS,
            WORKS,
        ),
    ),
)  # fmt: skip
def test_operations(desk: Desk, text: str, sqlite: Verdict, postgres: Verdict) -> None:
    found = {dialect: desk.finding(text, dialect) for dialect in BOTH}
    assert (found[Dialect.SQLITE].verdict, found[Dialect.POSTGRES].verdict) == (sqlite, postgres), [
        finding.message for finding in found.values()
    ]


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("up", "down", "message"),
    (
        ('op.add_column("b", sa.Column("isbn", sa.Text))', 'op.drop_column("b", "isbn")', ""),
        (
            'op.add_column("b", sa.Column("isbn", sa.Text))',
            "pass",
            "after the downgrade b.isbn is still there",
        ),
        ('op.drop_column("b", "isbn")', "pass", "after the downgrade b.isbn is missing"),
        ('op.drop_column("b", "n")', 'op.add_column("b", sa.Column("n", sa.SmallInteger))', ""),
        ('op.drop_index("ix_b", "b")', 'op.create_index("ix_b", "b", ["x", "y"], unique=True)', ""),
        ('op.create_index("ix_b", "b", ["x"])', 'op.drop_index("ix_c", "b")', "the downgrade fails: "),
        ('op.drop_table("b")', 'op.create_table("b", sa.Column("code", sa.String(9), primary_key=True))', ""),
        ('op.rename_table("a", "b")', 'op.rename_table("b", "a")', ""),
        ('op.add_column("b", sa.Column("isbn", sa.Text))', "raise NotImplementedError", ""),
        ('op.execute("UPDATE b SET n = n + 1")', 'op.execute("UPDATE b SET n = n - 1")', ""),
    ),
)
def test_up_down_and_up(desk: Desk, dialect: Dialect, up: str, down: str, message: str) -> None:
    found = desk.finding(PAIR.format(up, down), dialect, Form.FUNCTIONS)
    assert found.verdict is (FAILS if message else WORKS), found.message
    assert found.message.startswith(message)


def test_the_world_agrees_with_the_way_down(desk: Desk) -> None:
    text = PAIR.format(
        'op.alter_column("books", "title", type_=sa.Text(), existing_type=sa.String(80), nullable=False)',
        'op.alter_column("books", "title", type_=sa.String(80), existing_type=sa.Text(), nullable=True)',
    )
    found = desk.finding(text, Dialect.POSTGRES, Form.FUNCTIONS)
    assert found.verdict is WORKS, found.message
    assert "title VARCHAR(80)" in found.assumed[0]
    assert found.sent_down[0].startswith("ALTER TABLE books ALTER COLUMN title TYPE VARCHAR(80)")


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("sql", "verdict"),
    (
        (
            "UPDATE orders AS o SET total = 0 WHERE o.status = 'open'; DELETE FROM orders WHERE total = 0",
            WORKS,
        ),
        ("SELECT b.title, a.name FROM books b JOIN authors a ON a.id = b.author_id", WORKS),
        ("INSERT INTO books (title, author_id) VALUES ('x', 1)", WORKS),
        ("CREATE VIEW cheap AS SELECT title FROM books WHERE price < 5", WORKS),
        ("SELEC 1", FAILS),
        ("SELECT lowr(title) FROM books", FAILS),
        ("-- nothing but words", Verdict.NOTHING_RAN),
    ),
)
def test_sql(desk: Desk, dialect: Dialect, sql: str, verdict: Verdict) -> None:
    found = desk.finding(sql, dialect, Form.SQL)
    assert found.verdict is verdict, found.message


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("text", "form", "verdict", "message"),
    (
        ("add_audit_columns('books')", Form.OPERATIONS, Verdict.NEEDS_CONTEXT, "the name add_audit_columns"),
        ("from shop.models import Book", Form.OPERATIONS, Verdict.NEEDS_CONTEXT, "No module named 'shop'"),
        ("import os\nos.environ['SHOP_URL']", Form.OPERATIONS, Verdict.NEEDS_CONTEXT, "variable 'SHOP_URL'"),
        ("def helper():\n    op.drop_table('x')", Form.OPERATIONS, Verdict.NOTHING_RAN, "only defines"),
        ("x = 1", Form.OPERATIONS, Verdict.NOTHING_RAN, "no operation"),
        ("from alembic import op", Form.OPERATIONS, WORKS, ""),
        ("op.add_column(", Form.OPERATIONS, FAILS, "SyntaxError"),
        ("    op.drop_table('x')", Form.OPERATIONS, WORKS, ""),
    ),
)
def test_what_is_no_plain_success(
    desk: Desk, dialect: Dialect, text: str, form: Form, verdict: Verdict, message: str
) -> None:
    found = desk.finding(text, dialect, form)
    assert found.verdict is verdict, found.message
    assert message in found.message


def test_a_role_or_a_function_of_the_authors_is_context(desk: Desk) -> None:
    for text, missing in (
        ('op.execute("GRANT SELECT ON books TO reporting")', "the role reporting"),
        ('op.execute("SELECT shop_total(id) FROM orders")', "the function shop_total"),
    ):
        found = desk.finding(text, Dialect.POSTGRES)
        assert (found.verdict, found.message) == (Verdict.NEEDS_CONTEXT, missing)


def test_what_is_stated_is_all_that_is_there(desk: Desk) -> None:
    given = "CREATE TABLE shelves (code VARCHAR(3)); INSERT INTO shelves VALUES ('A1')"
    for dialect in BOTH:
        found = desk.finding('op.drop_column("shelves", "code")', dialect, given=given)
        assert found.assumed == (
            "CREATE TABLE shelves (code VARCHAR(3))",
            "INSERT INTO shelves VALUES ('A1')",
        )
        missing = desk.finding('op.drop_table("books")', dialect, given=given)
        assert missing.verdict is FAILS


def test_earlier_definitions_are_there_and_earlier_operations_are_not(desk: Desk) -> None:
    before = (
        (Form.OPERATIONS, 'members = sa.table("members", sa.column("name"))\nop.drop_table("members")'),
    )
    for dialect in BOTH:
        found = desk.finding("op.execute(members.delete())", dialect, before=before)
        assert found.verdict is WORKS, found.message
        assert found.sent == ("DELETE FROM members",)


def test_rows_stand_in_the_world(desk: Desk) -> None:
    for dialect in BOTH:
        found = desk.finding('op.drop_column("books", "title")', dialect)
        assert any("INSERT INTO books" in statement and "title 3" in statement for statement in found.assumed)


def test_nothing_stays_in_the_database(desk: Desk) -> None:
    for text in (
        'op.create_table("kept", sa.Column("id", sa.Integer))',
        'with op.get_context().autocommit_block():\n    op.execute("CREATE TABLE kept (id int)")',
        'op.execute("CREATE TABLE kept (id int)")\nop.execute("COMMIT")',
        "op.get_bind().commit()",
    ):
        desk.finding(text, Dialect.POSTGRES)
        with engines.engine(desk.scratch).connect() as connection:
            assert sa.inspect(connection).get_table_names() == []


def test_an_operation_of_somebody_elses_can_say_what_it_needs(desk: Desk) -> None:
    from alembic.operations import MigrateOperation, Operations

    from migration_cookbook.verify.required_schema import operations

    @Operations.register_operation("empty_table")
    class EmptyTable(MigrateOperation):
        def __init__(self, name: str) -> None:
            self.name = name

        @classmethod
        def empty_table(cls, operations: Operations, name: str) -> None:
            operations.invoke(cls(name))

    @Operations.implementation_for(EmptyTable)
    def _empty(operations: Operations, operation: EmptyTable) -> None:
        operations.execute(f"DELETE FROM {operation.name} WHERE shelf_code IS NOT NULL")

    @operations.needs_of(EmptyTable)
    def _needs(operation: EmptyTable, tracker: SchemaTracker) -> None:
        tracker.column(operation.name, "shelf_code", "CHAR(4)")

    for dialect in BOTH:
        found = desk.finding('op.empty_table("shelves")', dialect)
        assert found.verdict is WORKS, found.message
        assert "shelf_code CHAR(4)" in found.assumed[0]


@pytest.mark.parametrize(
    ("text", "dialect", "warning"),
    (
        ('op.create_index("ix", "b", ["n"], postgresql_where=sa.text("n > 1"))', Dialect.SQLITE, "holds all rows"),
        ('op.create_table("b", sa.Column("at", sa.DateTime, server_default=sa.text("NOW()")))', Dialect.SQLITE, "first INSERT"),
        ('op.bulk_insert(sa.table("r", sa.column("name")), [{"nmae": "x"}])', Dialect.POSTGRES, "'nmae'"),
        ('op.add_column("members", sa.Column("x", sa.Text))\nop.drop_column("membres", "y")', Dialect.SQLITE, "nearly the same"),
        ('op.get_bind().execute(sa.text("DELETE FROM b WHERE id = :n"), {"n": 3})', Dialect.POSTGRES, "printed as NULL"),
    ),
)  # fmt: skip
def test_warnings(desk: Desk, text: str, dialect: Dialect, warning: str) -> None:
    found = desk.finding(text, dialect)
    assert any(warning in one for one in found.warnings), (found.verdict, found.message, found.warnings)


@pytest.mark.parametrize(
    ("text", "dialect", "better"),
    (
        ('op.execute("CREATE INDEX CONCURRENTLY i ON b (n)")', Dialect.POSTGRES, "autocommit_block"),
        ('op.alter_column("b", "n", nullable=False)', Dialect.SQLITE, "batch_alter_table"),
        (
            'op.execute("ALTER TABLE b ADD EXCLUDE USING gist (room_id WITH =)")',
            Dialect.POSTGRES,
            "btree_gist",
        ),
        (
            'op.add_column("b", sa.Column("n", sa.Integer, nullable=False))',
            Dialect.POSTGRES,
            "server_default",
        ),
    ),
)
def test_better_ways(desk: Desk, text: str, dialect: Dialect, better: str) -> None:
    assert any(better in one for one in desk.finding(text, dialect).better)
    assert desk.finding('op.add_column("b", sa.Column("n", sa.Integer))', dialect).better == ()


CREATED = 'op.create_index("i", "b", ["n"], {})'


@pytest.mark.parametrize(
    ("text", "dialect", "differences"),
    (
        (CREATED.format('postgresql_where=sa.text("n > 1")'), Dialect.SQLITE, [Difference.WHOLE_INDEX]),
        (CREATED.format('sqlite_where=sa.text("n > 1")'), Dialect.POSTGRES, [Difference.WHOLE_INDEX]),
        (
            CREATED.format('postgresql_using="gin", postgresql_ops={"n": "gin_trgm_ops"}'),
            Dialect.SQLITE,
            [Difference.PLAIN_INDEX],
        ),
        (CREATED.format("mysql_length=5"), Dialect.POSTGRES, [Difference.OTHER]),
        ('op.add_column("b", sa.Column("n", sa.Text, comment="x"))', Dialect.SQLITE, [Difference.NO_COMMENT]),
        (
            'op.create_table("t", sa.Column("n", sa.Integer, sa.ForeignKey("b.id", ondelete="CASCADE")))',
            Dialect.SQLITE,
            [Difference.FOREIGN_KEYS_OFF],
        ),
        (
            'op.execute("CREATE TABLE t (n TEXT DEFAULT (nonsense()))")',
            Dialect.SQLITE,
            [Difference.INSERT_FAILS],
        ),
        ('op.execute("CREATE TABLE t (n NONSENSE)")', Dialect.SQLITE, [Difference.OTHER]),
        (
            'op.get_bind().execute(sa.text("DELETE FROM b WHERE id = :n"), {"n": 3})',
            Dialect.POSTGRES,
            [Difference.OFFLINE],
        ),
        ('op.add_column("b", sa.Column("n", sa.Text))', Dialect.SQLITE, []),
    ),
)
def test_what_a_warning_comes_down_to(
    desk: Desk, text: str, dialect: Dialect, differences: list[Difference]
) -> None:
    found = desk.finding(text, dialect)
    assert (list(found.differences), bool(found.warnings)) == (differences, bool(differences)), found


@pytest.mark.parametrize(
    ("text", "dialect", "needed"),
    (
        ('op.alter_column("b", "n", nullable=False)', Dialect.SQLITE, True),
        ('op.alter_column("b", "n", nullable=False)', Dialect.POSTGRES, False),
        ('op.create_unique_constraint("u", "b", ["n"])', Dialect.SQLITE, True),
        ('op.add_column("b", sa.Column("n", sa.Date, server_default=sa.func.now()))', Dialect.SQLITE, True),
        ('op.execute("CREATE EXTENSION pg_trgm")', Dialect.SQLITE, False),
    ),
)
def test_whether_a_batch_is_needed(desk: Desk, text: str, dialect: Dialect, needed: bool) -> None:
    assert desk.finding(text, dialect).needs_batch is needed


BY_DIALECT = 'if op.get_context().dialect.name == "postgresql":'


@pytest.mark.parametrize("dialect", BOTH)
def test_what_execute_if_is_mistaken_for_is_said_as_on_the_sheet(desk: Desk, dialect: Dialect) -> None:
    (better,) = desk.finding('op.execute_if(dialect="postgresql")', dialect).better
    assert BY_DIALECT in better
    sheet = (this_book().chapters / "cheatsheets" / "op-api.md").read_text(encoding="utf-8")
    _, _, above = sheet.partition('op.execute_if(dialect="postgresql")')[0].rpartition("```\n")
    assert "Instead: ask `op.get_context().dialect.name`." in above
    # It keeps its word, and SQLAlchemy's own `execute_if` doesn't.
    asked = desk.trial(f'{BY_DIALECT}\n    op.execute("CREATE TABLE t (id INTEGER)")', dialect)
    assert len(asked.sent) == (dialect is Dialect.POSTGRES)
    other = "sqlite" if dialect is Dialect.POSTGRES else "postgresql"
    told = desk.trial(
        f'op.execute(sa.DDL("CREATE TABLE t (id INTEGER)").execute_if(dialect="{other}"))', dialect
    )
    assert told.sent == ("CREATE TABLE t (id INTEGER)",)


def test_execute_if_is_no_way_out_of_the_transaction_either(desk: Desk) -> None:
    text = 'op.execute_if(\n    "CREATE INDEX CONCURRENTLY i ON b (n)"\n)'
    assert any("autocommit_block" in one for one in desk.finding(text, Dialect.POSTGRES).better)


@pytest.mark.parametrize(
    ("text", "locks"),
    (
        ('op.add_column("books", sa.Column("isbn", sa.String(13)))', ["ACCESS EXCLUSIVE on books"]),
        (
            'op.alter_column("books", "id", type_=sa.BigInteger())',
            ["ACCESS EXCLUSIVE on books, rewritten"],
        ),
        ('op.create_index("ix", "books", ["title"])', ["SHARE on books"]),
        (
            "with op.get_context().autocommit_block():\n"
            '    op.create_index("ix", "books", ["title"], postgresql_concurrently=True)',
            ["SHARE UPDATE EXCLUSIVE on books"],
        ),
        ('op.execute("CREATE INDEX CONCURRENTLY ix ON books (title)")', ["SHARE UPDATE EXCLUSIVE on books"]),
        ('op.create_table("shelves", sa.Column("id", sa.Integer))', []),
        ('op.add_column("books", sa.Column("isbn", sa.String(13), nullable=False))', []),
        # Of a pair it is the way up that is watched.
        (
            PAIR.format('op.execute("UPDATE books SET price = 1")', 'op.drop_column("books", "price")'),
            ["ROW EXCLUSIVE on books"],
        ),
    ),
)
def test_the_locks_on_what_others_can_see(desk: Desk, text: str, locks: list[str]) -> None:
    form = Form.FUNCTIONS if "def " in text else Form.OPERATIONS
    found = desk.trial(text, Dialect.POSTGRES, form, locks=True)
    told = [
        f"{one.mode} on {one.relation}{', rewritten' if one.rewritten else ''}"
        for one in found.locks
        if not one.made
    ]
    assert told == locks
    assert desk.trial(text, Dialect.SQLITE, form, locks=True).locks == ()
    assert desk.trial(text, Dialect.POSTGRES, form).locks == ()


def test_a_type_that_goes_with_the_way_down_is_made_again(desk: Desk) -> None:
    text = """
def upgrade():
    op.create_table("alarms", sa.Column("level", sa.Enum("low", "high", name="alarm_level")))

def downgrade():
    op.drop_table("alarms")
    op.execute("DROP TYPE IF EXISTS alarm_level")
"""
    found = desk.trial(text, Dialect.POSTGRES, Form.FUNCTIONS)
    assert (found.ended, found.refusal) == ("done", None)


def test_rows_that_a_generated_column_can_not_take_are_left_out(desk: Desk) -> None:
    text = (
        'op.add_column("b", sa.Column("r", sa.Numeric(3, 2), sa.Computed("weight / height", persisted=True)))'
    )
    assert desk.finding(text, Dialect.POSTGRES).verdict is Verdict.WORKS
    text = 'op.alter_column("b", "weight", existing_type=sa.Numeric(), type_=sa.Numeric(2, 2))'
    assert desk.finding(text, Dialect.POSTGRES).verdict is Verdict.FAILS


@pytest.mark.parametrize("dialect", BOTH)
def test_an_index_whose_name_says_nothing_is_on_a_table_of_no_project(desk: Desk, dialect: Dialect) -> None:
    found = desk.finding('op.drop_index("ix")', dialect)
    assert found.verdict is WORKS
    assert any("CREATE TABLE some_table " in one for one in found.assumed), found.assumed
