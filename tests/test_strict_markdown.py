"""The book's files are read without a guess: what is ambiguous is an error with file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml  # type: ignore[import-untyped]

from migration_cookbook.strict_markdown import MarkdownFile, read_markdown_file
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path


def file(text: str) -> MarkdownFile:
    return MarkdownFile("a.md", tuple(text.split("\n")))


def test_a_fence_within_another_is_text() -> None:
    fences = list(file("````text\n```python\n```\n````\n\n~~~ sql\n```\n~~~").fences(0))
    assert [(one.marks, one.info, one.start, one.end) for one in fences] == [
        ("````", "text", 0, 3),
        ("~~~", "sql", 5, 7),
    ]


def test_a_fence_starts_at_column_0() -> None:
    indented = file("  ```python\n  ```")
    assert indented.is_indented_fence(0)
    assert indented.fence(0) is None
    assert not file("```python\n```").is_indented_fence(0)


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("```\n", "a.md:1: the fence is never closed."),
        ("```\n``", "a.md:1: the fence is never closed."),
        ("````\n```", "a.md:1: the fence is never closed."),
        ("```\n``` python", "a.md:1: the fence is never closed."),
        ("```\ntext\n  ```", "a.md:3: a closing fence must start at column 0."),
    ),
)
def test_a_fence_is_closed_by_its_own_marks_at_column_0(text: str, message: str) -> None:
    with pytest.raises(CookbookError) as caught:
        file(text).fence(0)
    assert str(caught.value) == message


def test_front_matter_ends_before_the_text() -> None:
    front = file("---\nid: 0003\n---\ntext").front_matter(yaml.BaseLoader)
    assert (front.values, front.end) == ({"id": "0003"}, 3)
    assert file("---\n- a\n---").front_matter().values == {}


@pytest.mark.parametrize(
    ("text", "message"),
    (
        ("text", "a.md:1: the file must start with front matter"),
        ("---\na: 1", "a.md:1: the front matter has no closing line"),
        ("---\na: 1\nb: [\n---", "a.md:3: the front matter is no YAML"),
    ),
)
def test_front_matter_is_between_two_lines_of_dashes(text: str, message: str) -> None:
    with pytest.raises(CookbookError) as caught:
        file(text).front_matter()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xff")
    with pytest.raises(CookbookError, match=r"^chapters/a\.md can't be read as UTF-8 text"):
        read_markdown_file(tmp_path / "a.md", "chapters/a.md")
