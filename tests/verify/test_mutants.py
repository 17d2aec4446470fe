"""Mistakes that are planted in good snippets."""

from __future__ import annotations

import ast

import pytest
from processes import of_two_processes

from migration_cookbook.bench.planted import python_mistakes, sql_mistakes
from migration_cookbook.bench.planted.mistakes import MistakeType
from migration_cookbook.bench.planted.mutants import mutants

PAIR = """
def upgrade():
    op.add_column("fares", sa.Column("zone", sa.Integer(), nullable=False, server_default="1"))
    op.execute("UPDATE fares SET zone = 2 WHERE distance > 10")
    with op.batch_alter_table("fares") as batch_op:
        batch_op.alter_column("label", existing_type=sa.String(20), type_=sa.String(60))


def downgrade():
    with op.batch_alter_table("fares") as batch_op:
        batch_op.alter_column("label", existing_type=sa.String(60), type_=sa.String(20))
    op.drop_column("fares", "zone")
"""

SQL = """
CREATE TABLE lines (id INTEGER PRIMARY KEY, name VARCHAR(40)); -- FROM here on
INSERT INTO lines (name) VALUES ('DROP TABLE');
ALTER TABLE trips ADD COLUMN line_id INTEGER NOT NULL DEFAULT 1;
"""


def texts(text: str, mistake: MistakeType) -> set[str]:
    """All that may be made of it."""
    try:
        made = python_mistakes.mistakes(ast.parse(text))
    except SyntaxError:
        made = sql_mistakes.mistakes(text)
    return {" ".join(each.split()) for one, each in made if one is mistake}


def test_each_kind_of_mistake_is_planted_in_a_pair() -> None:
    assert [each.mistake for each in mutants(PAIR, 1)] == list(MistakeType)


def test_another_process_makes_the_same_mutants() -> None:
    """Python hashes texts otherwise there, so sets have another order."""
    said = of_two_processes(
        "from migration_cookbook.bench.planted.mutants import mutants\n"
        f"for text in {(PAIR, SQL)!r}:\n"
        "    for seed in range(5): print([each.text for each in mutants(text, seed)])"
    )
    here = [str([each.text for each in mutants(text, seed)]) for text in (PAIR, SQL) for seed in range(5)]
    assert [one.splitlines() for one in said] == [here, here]


def test_the_same_seed_gives_the_same_mutants() -> None:
    assert list(mutants(PAIR, 7)) == list(mutants(PAIR, 7))
    assert len({tuple(mutants(PAIR, seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("text", [PAIR, SQL])
def test_a_mutant_is_another_text(text: str) -> None:
    for seed in range(5):
        for mutant in mutants(text, seed):
            assert mutant.text != text


def test_a_mutant_of_python_is_python() -> None:
    for seed in range(5):
        for mutant in mutants(PAIR, seed):
            ast.parse(mutant.text)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (MistakeType.MISSPELLED, "op.drop_olumn('fares', 'zone')"),
        (MistakeType.MISSPELLED, "nullble=False, server_default='1'"),
        (MistakeType.LOST_ARGUMENT, "op.drop_column('fares')"),
        (MistakeType.LOST_ARGUMENT, "op.batch_alter_table()"),
        (MistakeType.LOST_ARGUMENT, "sa.Column('zone', nullable=False"),
        (MistakeType.WRONG_TYPE, "sa.Int()"),
        (MistakeType.WRONG_TYPE, "type_=sa.Text(20)"),
        (MistakeType.SQL_TYPO, "SET zone = 2 WHRE distance"),
        (MistakeType.WRONG_NAME, "op.drop_column('fares', 'zones')"),
        (MistakeType.WRONG_NAME, "alter_column('labels', existing_type=sa.String(60)"),
        (MistakeType.INCOMPLETE, "type_=sa.String(20)) pass"),
        (MistakeType.NOT_NULL, "sa.Column('zone', sa.Integer(), nullable=False))"),
        (MistakeType.WRONG_TABLE, "op.drop_column('fare', 'zone')"),
        (MistakeType.SWAPPED, "def upgrade(): op.execute"),
    ],
)
def test_mistakes_in_python(mistake: MistakeType, words: str) -> None:
    assert any(words in each for each in texts(PAIR, mistake))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (MistakeType.SQL_TYPO, "INSRT INTO lines"),
        (MistakeType.WRONG_TYPE, "name STRING(40)"),
        (MistakeType.NOT_NULL, "ADD COLUMN line_id INTEGER NOT NULL;"),
        (MistakeType.SWAPPED, "INSERT INTO lines (name) VALUES ('DROP TABLE'); CREATE TABLE lines"),
    ],
)
def test_mistakes_in_sql(mistake: MistakeType, words: str) -> None:
    assert any(words in each for each in texts(SQL, mistake))


def test_quoted_text_and_comments_are_left_alone() -> None:
    for each in texts(SQL, MistakeType.SQL_TYPO):
        assert "-- FROM here on" in each
        assert "'DROP TABLE'" in each


def test_what_is_no_mistake_is_not_planted() -> None:
    new = """
op.create_table("stops", sa.Column("id", sa.Integer, primary_key=True))
op.add_column("stops", sa.Column("name", sa.String(40)))
"""
    # There are no rows in it.
    assert texts(new, MistakeType.NOT_NULL) == set()
    with_index = """
def upgrade():
    op.create_table("stops", sa.Column("id", sa.Integer, primary_key=True))
    op.create_index("ix_stops_id", "stops", ["id"])

def downgrade():
    op.drop_index("ix_stops_id")
    op.drop_table("stops")
"""
    # The index would go with its table.
    assert all("drop_index" in each for each in texts(with_index, MistakeType.INCOMPLETE))


def test_a_downgrade_alone_is_read_as_it_is() -> None:
    alone = 'def downgrade():\n    op.drop_column("fares", "zone")\n'
    assert {each.mistake for each in mutants(alone, 1)} == {MistakeType.MISSPELLED, MistakeType.LOST_ARGUMENT}


def test_nothing_is_made_of_nothing() -> None:
    assert list(mutants("", 1)) == []
    assert list(mutants("revision = 'a1'\n", 1)) == []
