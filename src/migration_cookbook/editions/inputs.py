"""What a page's notebook depends on, by content: a build executes only the pages where that changed.

A notebook depends on its page, on the exercises that the page shows, on the kit, on the bookshop and on
what's installed. The record of what each notebook was built from is in the workspace; whoever doesn't have
it builds everything once.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook import package
from migration_cookbook.editions.notebook import to_notebook, write_notebook
from migration_cookbook.sandbox import files, project
from migration_cookbook.workspace import is_text, read_record, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.chapter import Chapter
    from migration_cookbook.workspace import Workspace

_RECORD = "built.json"
#: Shows every exercise.
_ALL_EXERCISES = "%progress"


@dataclass(frozen=True)
class Inputs:
    """What the pages of one build are built from."""

    book: Book
    home: Workspace
    environment: Mapping[str, str]

    def digests(self, chapters: Iterable[Chapter]) -> dict[str, str]:
        """Return a digest of what each page's notebook depends on, by slug."""
        shared = "\n".join(
            [
                files.digest(package.FOLDER),
                files.digest(project.source()),
                *map(str, self.environment.items()),
            ]
        )
        exercises = {
            exercise_id(path): _digest(path)
            for path in sorted((self.book.chapters / "exercises").glob("*.md"))
        }
        return {chapter.slug: self._digest_of(chapter, shared, exercises) for chapter in chapters}

    def _digest_of(self, chapter: Chapter, shared: str, exercises: Mapping[str, str]) -> str:
        page = write_notebook(to_notebook(chapter, dict(self.environment)))
        shown = [
            digest
            for name, digest in exercises.items()
            if _ALL_EXERCISES in page or re.search(rf"\b{re.escape(name)}\b", page, re.IGNORECASE)
        ]
        return hashlib.sha256("\n".join([shared, page, *shown]).encode()).hexdigest()

    def unchanged(self, digests: Mapping[str, str]) -> set[str]:
        """Return the pages whose notebooks are what a build of the same inputs wrote."""
        built = self._read()
        return {
            slug
            for slug, digest in digests.items()
            if (path := self.book.notebook(slug)).is_file() and built.get(slug) == [digest, _digest(path)]
        }

    def remember(self, digests: Mapping[str, str]) -> None:
        """Record that these pages' notebooks were built from these inputs."""
        built = self._read() | {
            slug: [digest, _digest(self.book.notebook(slug))] for slug, digest in digests.items()
        }
        write_atomically(self.home.root / _RECORD, json.dumps(built, indent=1) + "\n")

    def _read(self) -> dict[str, list[str]]:
        return (
            read_record(
                self.home.root / _RECORD,
                lambda found: all(
                    isinstance(each, list) and len(each) == 2 and is_text(*each) for each in found.values()
                ),
            )
            or {}
        )


def exercise_id(path: Path) -> str:
    """Return the id of the exercise in a file: `c00-1` of `c00-1-phone.md`."""
    return "-".join(path.stem.split("-")[:2])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
