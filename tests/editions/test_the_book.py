"""The book itself: its notebooks, its facts and its index agree with its chapters."""

from __future__ import annotations

from migration_cookbook.editions.blindspots import book_problems
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.examples import examples_table
from migration_cookbook.editions.facts import check_facts, load_facts
from migration_cookbook.editions.index import book_index
from migration_cookbook.editions.pages import read_pages
from migration_cookbook.editions.recorded import recorded_notebooks
from migration_cookbook.editions.reference import read_reference


def test_the_notebooks_are_what_the_chapters_say() -> None:
    book = this_book()
    assert book_problems(book, read_pages(book.chapters), read_reference(book)) == []


def test_each_fact_is_seen_where_it_is_said() -> None:
    book = this_book()
    assert check_facts(load_facts(book.facts), recorded_notebooks(book)).problems == ()


def test_the_index_is_up_to_date() -> None:
    book = this_book()
    assert (book.chapters / "INDEX.md").read_text(encoding="utf-8") == book_index(book)


def test_the_table_of_the_examples_is_up_to_date() -> None:
    book = this_book()
    assert (book.chapters / "examples" / "README.md").read_text(encoding="utf-8") == examples_table(book), (
        "Run `cookbook build`."
    )
