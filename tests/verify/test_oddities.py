"""A mistake in the checker's own code surfaces here; a snippet's odd operation is passed over."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from alembic.operations import ops

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.required_schema import downgrade as hints
from migration_cookbook.verify.required_schema import operations as needs
from migration_cookbook.verify.required_schema import sql as sql_needs
from migration_cookbook.verify.required_schema.draft import Draft
from migration_cookbook.verify.required_schema.oddities import STRICT_VARIABLE, CheckerError
from migration_cookbook.verify.required_schema.tracker import SchemaTracker
from migration_cookbook.verify.trial import recording, script, trial
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from trying import Desk

ADD = 'op.add_column("books", sa.Column("isbn", sa.Text))'
WAYS = "def upgrade():\n    {}\n\n\ndef downgrade():\n    {}\n"
DROP = WAYS.format('op.drop_column("books", "isbn")', ADD)
LOST = 'op.drop_index("ix_books_isbn", "books")'


def broken(*given: Any, **named: Any) -> NoReturn:
    raise AttributeError("'SchemaTracker' object has no attribute 'tabel'")


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize("failed", [False, True], ids=["in the guess", "after a failure"])
def test_a_mistake_in_what_an_operation_needs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, dialect: Dialect, failed: bool
) -> None:
    if failed:
        # Nothing is told while it's guessed: only what came before the failure is read.
        monkeypatch.setattr(trial, "_guess", lambda text, dialect: (Draft(), set()))
    monkeypatch.setitem(needs._REGISTRY, ops.AddColumnOp, broken)
    with pytest.raises(CheckerError, match="no attribute 'tabel'"):
        desk.trial(ADD, dialect)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("UPDATE books SET isbn = ''", Form.SQL),
        ("op.execute(\"UPDATE books SET isbn = ''\")", Form.OPERATIONS),
        ("op.get_bind().execute(sa.text(\"UPDATE books SET isbn = ''\"))", Form.OPERATIONS),
        (
            "try:\n    op.execute(\"UPDATE books SET isbn = ''\")\nexcept Exception:\n    pass",
            Form.OPERATIONS,
        ),
        ("if 1 > 2:\n    op.execute(\"UPDATE books SET isbn = ''\")", Form.OPERATIONS),
        (WAYS.format("pass", "op.execute(\"UPDATE books SET isbn = ''\")"), Form.FUNCTIONS),
    ],
)
def test_a_mistake_in_what_a_statement_needs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, text: str, form: Form
) -> None:
    monkeypatch.setitem(sql_needs._STATEMENTS, "update_stmt", broken)
    with pytest.raises(CheckerError, match="no attribute 'tabel'"):
        desk.trial(text, Dialect.SQLITE, form)


def test_a_mistake_in_what_the_way_down_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_column_hint", broken)
    with pytest.raises(CheckerError, match="no attribute 'tabel'"):
        desk.trial(DROP.replace("isbn", "never_seen_before"), Dialect.SQLITE, Form.FUNCTIONS)


@pytest.mark.parametrize(
    ("where", "name"), [(recording, "CreateTableOp"), (recording, "BatchOperationsImpl"), (script, "_code")]
)
def test_a_name_that_is_missing_where_a_snippet_is_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, where: object, name: str
) -> None:
    monkeypatch.delattr(where, name)
    with pytest.raises(CheckerError, match=f"NameError: name '{name}' is not defined"):
        desk.trial('with op.batch_alter_table("b") as batch:\n    op.create_table("t")', Dialect.SQLITE)


def test_elsewhere_it_is_logged(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(STRICT_VARIABLE)
    monkeypatch.setitem(needs._REGISTRY, ops.AddColumnOp, broken)
    text = f'{ADD}\nop.drop_column("books", "title")'
    assert desk.finding(text, Dialect.SQLITE).verdict is Verdict.WORKS
    assert any(record.exc_info and "'tabel'" in str(record.exc_info[1]) for record in caplog.records)


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    "odd",
    [
        "raise AttributeError('mine')",
        "raise NameError(name='x')",
        "{}['key']",
        "(lambda: nonsense)()",
        "return_ = [][0]",
        "op.nonsense()",
        "op.get_bind().nonsense()",
        "op.get_bind().execute()",
        "op.get_bind().execute(None).scalar() + 1",
        "op.create_index('i', 'b', None)",
        "op.create_index('i', 'b', 5)",
        "op.create_index('i', 'b', [None])",
        "op.create_index('i', 'b', ['n'], postgresql_ops=5)",
        "op.create_index('i', 'b', ['n'], postgresql_ops=['n'])",
        "op.create_index('i', 'b', ['n'], postgresql_include=5)",
        "op.create_foreign_key('f', 'a', 'b', None, ['id'])",
        "op.create_foreign_key('f', 'a', 'b', ['b_id'], None)",
        "op.create_foreign_key('f', 'a', 'b', ['b_id'], [])",
        "op.create_foreign_key(None, None, None, [None], [None])",
        "op.create_unique_constraint('u', 'b', None)",
        "op.create_unique_constraint('u', 'b', 5)",
        "op.create_primary_key('p', 'b', None)",
        "op.create_check_constraint('c', 'b', None)",
        "op.create_check_constraint('c', 'b', 5)",
        "op.create_exclude_constraint('e', 'b', None)",
        "op.create_exclude_constraint('e', 'b', 5)",
        "op.create_exclude_constraint('e', 'b', ('a', 'b', 'c'))",
        "op.add_column('b', None)",
        "op.add_column('b', 'n')",
        "op.add_column('b', sa.Column())",
        "op.add_column('b', sa.Column('n', sa.ForeignKey('nonsense')))",
        "op.add_column('b', sa.Column('n', sa.Integer, sa.ForeignKey(5)))",
        "op.add_column('b', sa.Column('n', sa.Integer, server_default=5))",
        "op.add_column(5, sa.Column('n', sa.Integer))",
        "op.add_column('b', sa.Column('n', sa.Enum(name='e')))",
        "op.drop_column('b', None)",
        "op.drop_column(None, None)",
        "op.drop_column('b', 5)",
        "op.alter_column('b', None, nullable=True)",
        "op.alter_column('b', 'n', type_=5)",
        "op.alter_column('b', 'n', type_='INTEGER')",
        "op.alter_column('b', 'n', existing_type='INTEGER', nullable='no')",
        "op.alter_column('b', 'n', server_default=5)",
        "op.alter_column('b', 'n', existing_server_default=object())",
        "op.alter_column('b', 'n', new_column_name=5)",
        "op.create_table('t', 5)",
        "op.create_table('t', None)",
        "op.create_table(None)",
        "op.create_table('t', sa.Column('n', sa.Integer), sa.ForeignKeyConstraint(['n'], ['nonsense']))",
        "op.create_table('t', sa.Column('n', sa.Integer), sa.ForeignKeyConstraint(['m'], ['a.id', 'b']))",
        "op.create_table('t', sa.Column('n', sa.ForeignKey('b.id')), schema=5)",
        "op.drop_table(None)",
        "op.drop_table(5)",
        "op.rename_table('b', None)",
        "op.drop_index(None)",
        "op.drop_index(5)",
        "op.drop_constraint(None, None)",
        "op.drop_constraint('c', 'b', type_=5)",
        "op.bulk_insert(None, [])",
        "op.bulk_insert('b', [])",
        "op.bulk_insert(sa.table(None), [])",
        "op.execute(None)",
        "op.execute(5)",
        "op.execute(b'SELECT 1')",
        "op.execute('')",
        "op.execute('\\0')",
        "op.execute(sa.select(5))",
        "op.execute(sa.table(None).insert())",
        "op.invoke(None)",
        "op.f(None)",
        "op.create_table_comment('b', 5)",
        "op.get_context().nonsense",
        "op.get_bind().execute(sa.text('SELECT 1')).fetchone()[0]",
        "with op.batch_alter_table('b', nonsense=1): pass",
        "with op.batch_alter_table(None) as b: b.add_column(None)",
        "with op.batch_alter_table('b') as b: b.nonsense()",
        "with op.batch_alter_table('b') as b: b.drop_column()",
        "with op.batch_alter_table(): pass",
        "return",
        "return 5",
        "yield",
        "(lambda f: f(f))(lambda f: f(f))",
        "import nonsense",
        "del op; op.x",
        "exec('def upgrade(')",
    ],
)
def test_what_is_odd_about_a_snippet_is_its_own(desk: Desk, dialect: Dialect, odd: str) -> None:
    for text, form in ((odd, Form.OPERATIONS), (WAYS.format(LOST, odd), Form.FUNCTIONS)):
        found = desk.trial(text, dialect, form)
        assert found.refusal is None or "object has no attribute 'tabel'" not in found.refusal.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            WAYS.format("pass", "pass").replace("upgrade()", "upgrade(engine)"),
            "missing 1 required positional",
        ),
        (WAYS.format("pass", "pass") + "\ndel upgrade\n", "name 'upgrade' is not defined"),
        (WAYS.format("pass", "pass") + "\nupgrade = 5\n", "'int' object is not callable"),
    ],
)
def test_a_way_that_cant_be_called_is_the_snippets_mistake(desk: Desk, text: str, said: str) -> None:
    found = desk.finding(text, Dialect.SQLITE, Form.FUNCTIONS)
    assert found.verdict is Verdict.FAILS
    assert said in found.message


@pytest.mark.parametrize("dialect", BOTH)
def test_a_world_that_cant_be_built_is_told_by_its_statement(desk: Desk, dialect: Dialect) -> None:
    found = desk.trial(
        "op.drop_table('t')", dialect, given="CREATE TABLE t (id INTEGER); CREATE TABEL u (id INTEGER)"
    )
    assert found.refusal is not None
    assert (found.refusal.kind, found.refusal.statement) == (
        "SyntaxError" if dialect is Dialect.POSTGRES else "OperationalError",
        "CREATE TABEL u (id INTEGER)",
    )


def test_hints_are_the_same_after_each_trial(desk: Desk) -> None:
    """Trials of one snippet share what its way down says."""
    up = "op.drop_table('orders')\n    op.execute('DROP TYPE state')"
    down = (
        "op.execute(\"CREATE TYPE state AS ENUM ('open', 'paid')\")\n"
        "    op.create_table('orders', sa.Column('id', sa.Integer, primary_key=True),"
        " sa.Column('total', sa.Integer, sa.CheckConstraint('total > 5')))"
    )
    text = trial.Text(Form.FUNCTIONS, WAYS.format(up, down))
    known = trial._hints(text, Dialect.POSTGRES)
    before = repr(known)
    assert known.enums == {"state": ("open", "paid")}
    first = desk.trial(text.text, Dialect.POSTGRES, text.form)
    assert desk.trial(text.text, Dialect.POSTGRES, text.form) == first
    assert trial._hints(text, Dialect.POSTGRES) is known
    assert repr(known) == before


def test_nobody_can_write_into_hints(desk: Desk) -> None:
    known = trial._hints(trial.Text(Form.FUNCTIONS, DROP), Dialect.SQLITE)
    assert set(known.columns) == {"books.isbn"}
    for field in fields(known):
        with pytest.raises(FrozenInstanceError):
            setattr(known, field.name, {})
        with pytest.raises(TypeError):
            getattr(known, field.name)["new"] = None


def test_a_draft_gets_copies_of_hints(desk: Desk) -> None:
    text = WAYS.format("op.drop_table('t')", "op.create_table('t', sa.Column('n', sa.Text))")
    known = trial._hints(trial.Text(Form.FUNCTIONS, text), Dialect.SQLITE)
    before = repr(known)
    draft = Draft()
    table = SchemaTracker(draft, hints=known).table("t")
    assert table is not None
    table.columns["n"].not_null = True
    table.columns["n"].literals.add("mine")
    table.uniques.append((None, ("n",)))
    table.indexes["i"] = ("(n)", False)
    assert repr(known) == before
