"""Any correct migration passes, however it is written; a wrong one gets one sentence."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import practice
from migration_cookbook.databases import server
from migration_cookbook.package import FOLDER
from migration_cookbook.practice import solutions, trial_projects
from migration_cookbook.practice.step import Step
from migration_cookbook.practice.trial_resources import TrialResources, trial_resources
from migration_cookbook.sandbox import project
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from migration_cookbook.practice import Exercise, Grade
    from migration_cookbook.workspace import Workspace

    Written = Callable[[Exercise, str], Grade]

BATCH = """
def upgrade() -> None:
    with op.batch_alter_table("books") as batch:
        batch.add_column(sa.Column("subtitle", sa.String(200), nullable=False, server_default=""))
        batch.alter_column("title", existing_type=sa.String(200), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("books") as batch:
        batch.drop_column("subtitle")
"""

BY_HAND = """
def upgrade() -> None:
    op.execute("ALTER TABLE books ADD COLUMN subtitle VARCHAR(200) DEFAULT '' NOT NULL")


def downgrade() -> None:
    op.execute("ALTER TABLE books DROP COLUMN subtitle")
"""

FIRST_IN_TABLE = """
def upgrade() -> None:
    with op.batch_alter_table("books", recreate="always") as batch:
        batch.add_column(
            sa.Column("subtitle", sa.String(200), nullable=False, server_default=""), insert_after="id"
        )


def downgrade() -> None:
    op.drop_column("books", "subtitle")
"""


@pytest.mark.parametrize("code", (BATCH, BY_HAND), ids=("batch", "SQL by hand"))
def test_other_ways_of_writing_it_pass(written: Written, subtitle: Exercise, code: str) -> None:
    assert written(subtitle, code).passed


def test_the_order_of_columns_does_not_count(workspace: Workspace, subtitle: Exercise) -> None:
    known = subtitle.solution_steps[0]
    swapped = [replace(known, text=FIRST_IN_TABLE)]
    only_sqlite = replace(subtitle, databases=subtitle.databases[:1])
    assert practice.check_steps(workspace, only_sqlite, swapped).passed


def test_a_solution_that_is_known_on_one_database_is_not_taken_for_both(
    workspace: Workspace, subtitle: Exercise
) -> None:
    only_sqlite = replace(subtitle, databases=subtitle.databases[:1])
    with trial_resources(workspace) as resources:
        for each in (subtitle, only_sqlite, subtitle):
            (result,) = solutions.expected_results(resources, each)
            assert set(result.states) == set(each.databases)


@pytest.mark.parametrize(
    "edited",
    (
        *("locks/relations.py", "databases/guard.py", "practice/encoding.py", "schema/sqlite.py"),
        *("sandbox/command.py", "mutations.py", "worker.py", "locks/deeper/new.py", "locks/data.json"),
    ),
)
def test_a_known_solution_is_run_again_after_an_edit_of_the_engine(
    workspace: Workspace, subtitle: Exercise, edited: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "migration_cookbook"
    shutil.copytree(FOLDER, package)
    monkeypatch.setattr("migration_cookbook.package.FOLDER", package)
    with trial_resources(workspace) as resources:
        before = key_in_a_new_process(resources, subtitle)
        assert key_in_a_new_process(resources, subtitle) == before
        (package / edited).parent.mkdir(exist_ok=True)
        with (package / edited).open("a") as file:
            file.write("# edited")
        assert key_in_a_new_process(resources, subtitle) != before


def test_a_known_solution_is_run_again_after_code_moved_to_another_module(
    workspace: Workspace, subtitle: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "migration_cookbook"
    package.mkdir()
    monkeypatch.setattr("migration_cookbook.package.FOLDER", package)
    with trial_resources(workspace) as resources:
        keys = set()
        for first, second in (("ab", "c"), ("a", "bc"), ("", "abc")):
            (package / "first.py").write_text(first)
            (package / "second.py").write_text(second)
            keys.add(key_in_a_new_process(resources, subtitle))
    assert len(keys) == 3


@pytest.mark.parametrize("edited", ("alembic.ini", "README.md", "bookshop/rows.py", "bookshop/rows.csv"))
def test_a_known_solution_is_run_again_after_an_edit_of_the_bookshop(
    workspace: Workspace, subtitle: Exercise, edited: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookshop = tmp_path / "sandbox_project"
    shutil.copytree(project.source(), bookshop)
    monkeypatch.setattr(project, "source", lambda: bookshop)
    with trial_resources(workspace) as resources:
        before = key_in_a_new_process(resources, subtitle)
        (bookshop / "bookshop.db").write_text("no part of it")
        (bookshop / "bookshop" / "__pycache__").mkdir(exist_ok=True)
        (bookshop / "bookshop" / "__pycache__" / "rows.pyc").write_text("no part of it")
        assert key_in_a_new_process(resources, subtitle) == before
        with (bookshop / edited).open("a") as file:
            file.write("# edited")
        assert key_in_a_new_process(resources, subtitle) != before


def key_in_a_new_process(resources: TrialResources, exercise: Exercise) -> str:
    """A process reads its own code once."""
    solutions._engine.cache_clear()
    try:
        return solutions._key(resources, exercise)
    finally:
        solutions._engine.cache_clear()


@pytest.mark.parametrize(
    ("default", "passed"),
    (
        ('sa.text("CURRENT_TIMESTAMP")', True),
        ('sa.text("NOW()")', False),
        ('sa.text("(CURRENT_TIMESTAMP)")', True),
    ),
)
def test_both_words_for_now_pass_where_the_database_knows_them(
    workspace: Workspace, default: str, passed: bool
) -> None:
    exercise = practice.exercise("e23-1")
    (known,) = exercise.solution_steps
    other = replace(known, text=known.text.replace("sa.func.now()", default))
    assert practice.check_steps(workspace, exercise, [other]).passed is passed


@pytest.mark.parametrize(
    ("name", "target"),
    (("c03-7", "0004"), ("c03-11", "0003"), ("e14-1", "0003"), ("c03-1", "0003")),
    ids=("above a given one", "below a given one", "in place of a given one", "nothing given"),
)
def test_no_given_revision_hides_the_way_back(name: str, target: str) -> None:
    assert practice.exercise(name).downgrade_target == target


UP = 'op.add_column("books", sa.Column("subtitle", sa.String(200), nullable=False, server_default=""))'
DOWN = 'op.drop_column("books", "subtitle")'


@pytest.mark.parametrize(
    ("up", "down", "sentence"),
    (
        ("pass", "pass", "On both databases `books.subtitle` is missing."),
        (
            f"{UP}\n    op.add_column('books', sa.Column('extra', sa.Integer))",
            DOWN,
            "On both databases `books.extra` should not be there.",
        ),
        (
            f"{UP}\n    op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True))",
            f"{DOWN}\n    op.drop_table('notes')",
            "On both databases the table `notes` should not be there.",
        ),
        (
            f"{UP}\n    op.create_index('by_title', 'books', ['title'])",
            f"op.drop_index('by_title', 'books')\n    {DOWN}",
            "On both databases the index `by_title` of `books` should not be there.",
        ),
        (
            f"{UP}\n    op.execute('UPDATE books SET price = NULL WHERE id = 2')",
            DOWN,
            "On both databases `books.price` holds NULL where `id` is 2; it should hold 9.95.",
        ),
        (
            f"{UP}\n    op.execute('DELETE FROM order_lines')",
            DOWN,
            "On both databases rows of `order_lines` are gone.",
        ),
        (
            UP,
            f"{DOWN}\n    op.drop_column('books', 'price')\n"
            "    op.add_column('books', sa.Column('price', sa.Numeric(8, 2)))",
            "Going up is right. After the downgrade `books.price` holds NULL",
        ),
        (
            f"if op.get_bind().dialect.name == 'sqlite':\n        {UP}",
            DOWN,
            "On PostgreSQL `books.subtitle` is missing.",
        ),
        (
            UP,
            f"if op.get_bind().dialect.name == 'sqlite':\n        {DOWN}",
            "Going up is right. After the downgrade, on PostgreSQL `books.subtitle` is still there.",
        ),
    ),
)
def test_a_wrong_one_gets_one_sentence(
    written: Written, subtitle: Exercise, up: str, down: str, sentence: str
) -> None:
    code = f"def upgrade() -> None:\n    {up}\n\n\ndef downgrade() -> None:\n    {down}\n"
    grade = written(subtitle, code)
    assert not grade.passed
    assert grade.sentence.startswith(sentence)


def test_what_a_database_said_stands_below(written: Written, subtitle: Exercise) -> None:
    grade = written(subtitle, "def upgrade() -> None:\n    op.drop_table('no_such')\n")
    assert grade.sentence == "On both databases the upgrade fails."
    assert grade.details[0].startswith("SQLite: FAILED  OperationalError: no such table: no_such")
    assert grade.details[1].startswith("  from migrations/versions/0004_add_subtitle_to_books.py, line")


def test_two_heads_are_told(workspace: Workspace, subtitle: Exercise) -> None:
    known = subtitle.solution_steps[0]
    twin = replace(known, revision="0004b", message="the same again")
    grade = practice.check_steps(workspace, subtitle, [known, twin])
    assert grade.sentence == "The heads are `0004` and `0004b`; there should be one."


def test_the_number_of_revisions_counts_where_it_is_the_point(
    workspace: Workspace, subtitle: Exercise
) -> None:
    known = subtitle.solution_steps[0]
    more = replace(
        known,
        revision="0005",
        after="0004",
        message="nothing new",
        text="def upgrade():\n    op.execute('UPDATE books SET title = title')\n\n\ndef downgrade(): pass\n",
    )
    assert practice.check_steps(workspace, subtitle, [known, more]).passed
    one = replace(subtitle, revisions=1)
    grade = practice.check_steps(workspace, one, [known, more])
    assert grade.sentence == "It does what it should, in 2 new revisions; it should be 1."
    two = replace(subtitle, id="in-two", revisions=2, solution_steps=(known, more))
    grade = practice.check_steps(workspace, two, [known])
    assert grade.sentence == "It does what it should, in 1 new revision; it should be 2."


def test_a_name_counts_where_the_prompt_gives_it(workspace: Workspace, subtitle: Exercise) -> None:
    index = "def upgrade():\n    op.create_index('{0}', 'books', ['title'])\n\n\ndef downgrade():\n    op.drop_index('{0}', 'books')\n"
    known = subtitle.solution_steps[0]
    asked = replace(
        subtitle,
        id="a-name",
        prompt="Index the titles.",
        solution_steps=(replace(known, text=index.format("ix_titles")),),
    )
    other = [replace(known, text=index.format("ix_others"))]
    assert practice.check_steps(workspace, asked, other).passed
    grade = practice.check_steps(workspace, replace(asked, prompt="Make `ix_titles`."), other)
    assert "is called `ix_others`; it should be called `ix_titles`" in grade.sentence


def test_rescues_may_go_another_way(workspace: Workspace) -> None:
    lost = practice.exercise("c01-4")
    file = lost.solution_steps[0]
    renamed = [replace(file, revision="abcd"), Step("console", "stamp --purge abcd")]
    assert practice.check_steps(workspace, lost, renamed).passed
    heads = practice.exercise("c01-5")
    hers = next(step for step in heads.given if step.revision == "0003b")
    chained = [replace(hers, after="0003a"), Step("console", "upgrade head")]
    assert practice.check_steps(workspace, heads, chained).passed


def test_a_mended_file_that_has_not_run_is_told_so(workspace: Workspace) -> None:
    exercise = practice.exercise("c03-13")
    mended, upgraded = exercise.solution_steps
    grade = practice.check_steps(workspace, exercise, [mended])
    assert grade.sentence == "On both databases `members.greeting` may be NULL; it should be NOT NULL."
    assert grade.details == ("On both databases the bookkeeping is at 0004; the head is 0005.",)
    stamped = practice.check_steps(workspace, exercise, [mended, replace(upgraded, text="stamp head")])
    assert (stamped.sentence, stamped.details) == (grade.sentence, ())


def test_without_postgresql_sqlite_is_checked_and_it_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = practice.exercise("c00-1")

    def none(_: Workspace) -> None:
        raise CookbookError("There is no PostgreSQL here.")

    monkeypatch.setattr(server, "attach", none)
    sandbox, _ = practice.open_exercise(workspace, exercise)
    known = exercise.solution_steps[0]
    sandbox.write_file("migrations/versions/0002_x.py", _file(known))
    grade = practice.check(workspace, exercise, sandbox)
    assert grade.passed
    assert grade.notices == ("Checked on SQLite alone: There is no PostgreSQL here.",)


def test_a_check_leaves_nothing_behind(workspace: Workspace, subtitle: Exercise) -> None:
    practice.check_steps(workspace, subtitle, subtitle.solution_steps)
    assert list(trial_projects.trials_folder(workspace).iterdir()) == []


def _file(step: Step) -> str:
    head = f"import sqlalchemy as sa\nfrom alembic import op\n\nrevision = {step.revision!r}\n"
    return f"{head}down_revision = {step.after!r}\n\n\n{step.text}"


def test_a_revision_that_does_nothing_does_not_count(workspace: Workspace) -> None:
    exercise = practice.exercise("c03-17")
    first, second = exercise.solution_steps
    both = first.text.replace(
        "def downgrade() -> None:\n",
        "    with op.get_context().autocommit_block():\n        "
        "op.create_index('ix_orders_ordered_on', 'orders', ['ordered_on'], postgresql_concurrently=True)\n\n\n"
        "def downgrade() -> None:\n    op.drop_index('ix_orders_ordered_on', table_name='orders', if_exists=True)\n",
    )
    nothing = "def upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    pass\n"
    grade = practice.check_steps(
        workspace, exercise, [replace(first, text=both), replace(second, text=nothing)]
    )
    assert grade.sentence == "It does what it should, in 1 new revision; it should be 2."
