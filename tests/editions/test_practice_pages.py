"""Each exercise has a page that shows it, and the page's minutes count it."""

from __future__ import annotations

import re

from migration_cookbook import practice
from migration_cookbook.editions.book import this_book
from migration_cookbook.editions.pages import CHAPTERS, read_pages

PAGES = read_pages(this_book().chapters, [CHAPTERS])


def test_each_exercise_is_shown_by_its_page() -> None:
    shown = {
        (slug, name)
        for slug, chapter in PAGES.items()
        for cell in chapter.cells
        for name in re.findall(r"%practice (\S+?)`?(?=\s|$)", cell.source)
    }
    assert shown == {(exercise.notebook, exercise.id) for exercise in practice.exercises().values()}


def test_a_pages_minutes_of_practice_are_those_of_its_exercises() -> None:
    for slug, chapter in PAGES.items():
        minutes = sum(one.minutes for one in practice.exercises().values() if one.notebook == slug)
        assert chapter.minutes.practice == minutes, slug
