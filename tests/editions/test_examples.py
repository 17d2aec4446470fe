"""The table of the examples says what their front matter says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from edition_desk import FRONT

from migration_cookbook.editions.examples import examples_table
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from edition_desk import Desk


def example(title: str, front: str = FRONT) -> str:
    return front.replace("A page", title)


def rows(desk: Desk) -> list[str]:
    return examples_table(desk.book).split("---|\n")[-1].splitlines()


def test_a_row_an_example_in_their_order_and_no_other_page(desk: Desk) -> None:
    both = example("Example 12: down | up").replace("- read a page", "- go down\n  - go up again")
    one = example("Example 7: `add_column`").replace("[sqlite, postgres]", "[postgres]")
    desk.write("examples/12-downgrading", "1 + 1", front=both)
    desk.write("examples/07-add-a-column", "1 + 1", front=one)
    desk.write("reference/examples-setup", "1 + 1")
    desk.write("01-setting-up", "1 + 1")
    assert rows(desk) == [
        "| [7](../../notebooks/examples/07-add-a-column.ipynb) | `add_column` | read a page | 8 + 5 | PostgreSQL |",
        r"| [12](../../notebooks/examples/12-downgrading.ipynb) | down \| up | go down; go up again | 8 + 5 | SQLite, PostgreSQL |",
    ]


def test_a_book_without_examples_has_an_empty_table(desk: Desk) -> None:
    assert rows(desk) == []


@pytest.mark.parametrize("title", ("Example 13: down", "Downgrading", "Example 12"))
def test_a_title_without_the_right_number_is_a_mistake(desk: Desk, title: str) -> None:
    desk.write("examples/12-downgrading", "1 + 1", front=example(title))
    with pytest.raises(CookbookError, match=r"12-downgrading\.md: .* `Example 12: …`"):
        examples_table(desk.book)
