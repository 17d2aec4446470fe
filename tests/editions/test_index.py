"""The index says where things are: the same text for the same book."""

from __future__ import annotations

from recordings import cell, recorded

from migration_cookbook.editions.facts import Fact
from migration_cookbook.editions.index import write_index

FACTS = [
    Fact("A-1", "columns", "`op.add_column` fills old rows with NULL.", "examples/07-a", "NULL", ""),
    Fact("A-2", "branches", "`alembic merge` joins heads.", "04-later", "", ""),
    Fact("A-3", "columns", "SQLite adds no UNIQUE.", "04-later", "", ""),
]
NOTEBOOKS = {
    "examples/07-a": recorded(
        cell("NULL", shows=["A-1"], source="%alembic upgrade head"),
        cell(
            "SQLite:\n    FAILED  OperationalError: Cannot add a `UNIQUE` column\n"
            "PostgreSQL:\n    FAILED: no such thing",
            source="op.add_column(1); op.nosuch(2)\nbatch.alter_column(3)\nalembic_version",
            name="two",
        ),
    ),
    "02-b": recorded(cell("", source="op.add_column(1)\n%alembic -x a=b current --verbose")),
}
EXPECTED = """\
# Index

Made by `cookbook build` from the facts and the notebooks; don't edit it by hand.

## By topic

### branches

- Planned: 1 more.

### columns

- `op.add_column` fills old rows with NULL. ([examples/07-a](../notebooks/examples/07-a.ipynb))
- Planned: 1 more.

## By operation and command

- `alembic current`: [02-b](../notebooks/02-b.ipynb)
- `alembic upgrade`: [examples/07-a](../notebooks/examples/07-a.ipynb)
- `op.add_column`: [02-b](../notebooks/02-b.ipynb), [examples/07-a](../notebooks/examples/07-a.ipynb)
- `op.alter_column`: [examples/07-a](../notebooks/examples/07-a.ipynb)

## By error message

- `Cannot add a UNIQUE column`: [examples/07-a](../notebooks/examples/07-a.ipynb)
- `no such thing`: [examples/07-a](../notebooks/examples/07-a.ipynb)
"""


def test_by_topic_by_operation_by_error_message() -> None:
    assert write_index(FACTS, NOTEBOOKS) == EXPECTED


def test_the_order_of_what_it_is_made_from_does_not_matter() -> None:
    assert write_index(FACTS, dict(reversed(NOTEBOOKS.items()))) == EXPECTED
