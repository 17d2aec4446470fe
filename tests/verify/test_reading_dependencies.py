"""A snippet finds the earlier ones that it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.verify.reading import read
from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from pathlib import Path


def leans(tmp_path: Path, *fences: str) -> list[list[int]]:
    """For each fence the numbers of those that it leans on, from 0."""
    path = tmp_path / "page.md"
    path.write_text("".join(f"```{fence}\n```\n\n" for fence in fences))
    snippets = read(path)
    assert len(snippets) == len(fences)
    place = {snippet.line: number for number, snippet in enumerate(snippets)}
    for snippet in snippets:
        assert all(each.depends_on == () for each in snippet.depends_on)
    return [[place[each.line] for each in snippet.depends_on] for snippet in snippets]


HELPER = "python\ndef add(name):\n    op.add_column('a', sa.Column(name, sa.Integer))"
USE = "python\nadd('b')"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (HELPER, USE),
        ("python\nbooks = sa.table('books')", "python\nop.execute(books.delete())"),
        ("python\nfrom sqlalchemy import Column", "python\nop.add_column('a', Column('b'))"),
        ("python\nimport models.books", "python\nmodels.books.Book"),
        (
            "python\nclass Book(Base):\n    pass",
            "python\ndef upgrade():\n    op.get_bind().execute(sa.insert(Book))",
        ),
        ("python\na, (b, *c) = 1, (2, 3)", "python\nop.execute(c)"),
        (
            "python\nif True:\n    try:\n        b = 1\n    except Exception:\n        c = 2",
            "python\nop.execute(c)",
        ),
        ("python\nbooks: object = sa.table('books')", "\nop.execute(books.delete())"),
        ("python\nnames = ['b']", "python\nfor name in names:\n    op.drop_column('a', name)"),
        (
            "python\nx = 1",
            "python\ndef upgrade():\n    def inner():\n        return x\n    op.execute(inner())",
        ),
        ("python\ndef old(): pass", "python\n@old\ndef upgrade(): op.drop_table('a')"),
        ("python\nx = 1", "python\nop.execute(x)\nreturn"),
    ],
)
def test_a_name_defined_earlier_is_leaned_on(tmp_path: Path, first: str, second: str) -> None:
    assert leans(tmp_path, first, "sql\nSELECT 1 FROM a", second) == [[], [], [0]]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("python\nfrom alembic import op\nimport sqlalchemy as sa", "python\nop.drop_table(sa.text('a'))"),
        ("python\nfrom sqlalchemy.dialects import postgresql", "python\nop.execute(postgresql.JSONB)"),
        (
            "python\nwith op.batch_alter_table('a') as batch:\n    batch.drop_column('b')",
            "python\nop.x(batch)",
        ),
        ("python\nfor name in 'ab':\n    op.drop_table(name)", "python\nop.x(name)"),
        ("python\ndef f():\n    hidden = 1\n    op.x(hidden)", "python\nop.x(hidden)"),
        ("python\nx = 1", "python\nx = 2\nop.execute(x)"),
        ("python\nx = 1", "python\ndef upgrade(x):\n    op.execute(x)"),
        ("python\nlen = 1", "python\nop.execute(len('a'))"),
        ("python\nrevision = '1'\ndown_revision = None\nx = 1", "python\nop.execute(x)"),
        ("python {sqlite=fails}\nx = op.get_bind()", "python\nop.execute(x)"),
        ("sql\nSELECT x FROM y", "python\nop.execute(x)"),
        ("python\nx = 1", "sql\nSELECT x FROM y"),
        ("python\nx = = 1", "python\nop.execute(x)"),
    ],
)
def test_what_is_not_leaned_on(tmp_path: Path, first: str, second: str) -> None:
    assert leans(tmp_path, first, second) == [[], []]


def test_the_latest_definition_counts(tmp_path: Path) -> None:
    assert leans(tmp_path, "python\nx = 1", "python\nx = 2", "python\nop.execute(x)") == [[], [], [1]]


def test_a_skipped_helper_is_still_ground(tmp_path: Path) -> None:
    skipped = HELPER.replace("python", 'python {skip="used below"}')
    assert leans(tmp_path, skipped, USE) == [[], [0]]


def test_what_calls_a_helper_that_operates_does_operate(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(f"```{HELPER}\n```\n\n```{USE}\n```\n\n```python\nprint('b')\n```\n")
    assert [each.form for each in read(tmp_path / "page.md")] == [
        Form.OPERATIONS,
        Form.OPERATIONS,
        Form.PYTHON,
    ]


def test_grounds_of_grounds_come_first(tmp_path: Path) -> None:
    fences = ("python\na = 1", "python\nz = 0", "python\nb = a", "python\nc = b + z", "python\nop.execute(c)")
    assert leans(tmp_path, *fences) == [[], [], [0], [0, 1, 2], [0, 1, 2, 3]]


def test_continue_leans_on_the_snippet_before(tmp_path: Path) -> None:
    fences = (
        "sql\nCREATE TABLE a (id int)",
        "text\nwords",
        "sql {continue}\nINSERT INTO a VALUES (1)",
        "python {continue}\nop.drop_table('a')",
        "sql\nSELECT 1 FROM a",
    )
    assert leans(tmp_path, *fences) == [[], [], [0], [0, 2], []]


def test_an_operation_of_ones_own_is_leaned_on_with_all_its_parts(tmp_path: Path) -> None:
    fences = (
        "python\nclass CreateView(MigrateOperation):\n    pass",
        "python\n@Operations.register_operation('create_view')\nclass CreateView(MigrateOperation):\n    pass",
        "python\n@Operations.implementation_for(CreateView)\ndef create_view(operations, operation):\n    pass",
        "python\nop.create_view('a')",
        "python\nop.drop_table('a')",
    )
    assert leans(tmp_path, *fences) == [[], [], [1], [1, 2], []]


def test_what_needs_an_extension_leans_on_the_snippet_that_makes_it(tmp_path: Path) -> None:
    fences = (
        "sql\nCREATE EXTENSION IF NOT EXISTS btree_gist;",
        "python\nop.execute('CREATE EXTENSION \"uuid-ossp\"')",
        "sql\nALTER TABLE a ADD EXCLUDE USING gist (room_id WITH =)",
        "python\nop.execute('UPDATE a SET key = uuid_generate_v4()')",
        "python\nop.drop_table('a')",
    )
    assert leans(tmp_path, *fences) == [[], [], [0], [1], []]


def test_a_long_chain_is_no_burden(tmp_path: Path) -> None:
    found = leans(tmp_path, "python\nx = 0", *["python {continue}\nx = x + 1"] * 1500)
    assert found[-1] == list(range(1500))
    assert len(repr(read(tmp_path / "page.md")[-1])) < 10_000_000
