"""What does a cheatsheet say, as a page of the book?

A cheatsheet is plain Markdown that people copy from. In its notebook each of its snippets
becomes a cell that tries it out; what is declared behind the fence is announced above it.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import yaml  # type: ignore[import-untyped]

from migration_cookbook.databases.kinds import BOTH
from migration_cookbook.editions.chapter import Cell, Chapter, Minutes
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.snippet import Form, Snippet
from migration_cookbook.verify.verdict import Verdict
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "cheatsheets"
KEYS = ("title", "databases")

_FENCE = re.compile(r"(?P<marks>`{3,}|~{3,})")
_LOAD = "%load_ext migration_cookbook"
#: What the magic calls a form that is not told from the text.
_LANGUAGES = {
    Form.SQL: "sql",
    Form.COMMANDS: "bash",
    Form.INI: "ini",
    Form.PYPROJECT: "toml",
    Form.ENVIRONMENT: "env",
}
_REFUSED = (Verdict.FAILS, Verdict.OUTSIDE)


def cheatsheet_paths(root: Path) -> list[Path]:
    """The cheatsheets of a book."""
    return sorted((root / FOLDER).glob("*.md"))


def read_cheatsheet(path: Path, root: Path) -> Chapter:
    """The cheatsheet as a page."""
    slug = path.relative_to(root).with_suffix("").as_posix()
    lines = path.read_text(encoding="utf-8").split("\n")
    front, first = _front_matter(lines, slug)
    snippets = {snippet.line - 1: snippet for snippet in read(path) if snippet.form is not Form.FOREIGN}
    cells = [Cell("code", _LOAD), *_cells(lines, first, snippets)]
    return Chapter(
        path=path,
        slug=slug,
        title=str(front["title"]),
        minutes=Minutes(0, 0),
        outcomes=(),
        before=(),
        databases=tuple(front["databases"]),
        cells=tuple(cells),
        teacher_notes=(),
    )


def _front_matter(lines: list[str], slug: str) -> tuple[dict[str, list[str] | str], int]:
    if lines[0] != "---" or "---" not in lines[1:]:
        raise CookbookError(f"chapters/{slug}.md:1: the cheatsheet must start with front matter.")
    end = lines.index("---", 1)
    front = yaml.safe_load("\n".join(lines[1:end]))
    if not isinstance(front, dict) or set(front) != set(KEYS):
        raise CookbookError(
            f"chapters/{slug}.md:1: the front matter must say {' and '.join(KEYS)}, and no more."
        )
    return front, end + 1


def _cells(lines: list[str], first: int, snippets: dict[int, Snippet]) -> Iterator[Cell]:
    """Prose as it stands; each fence that holds a snippet as a cell. `snippets` by the fence's line."""
    prose: list[str] = []
    index = first
    while index < len(lines):
        snippet = snippets.get(index + 1)
        fence = _FENCE.match(lines[index])
        if not fence or snippet is None or snippet.skip is not None:
            prose.append(lines[index])
            index += 1
            continue
        yield from _prose(prose)
        prose = []
        yield Cell("code", _source(snippet), snippet.name, snippet.shows, line=index + 1)
        index += 1
        while not lines[index].startswith(fence["marks"]):
            index += 1
        index += 1
    yield from _prose(prose)


def _prose(lines: list[str]) -> Iterator[Cell]:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield Cell("markdown", text)


def _source(snippet: Snippet) -> str:
    """The cell: what is announced, the magic, and the text with what it leans on."""
    options = [f"--as {_LANGUAGES[snippet.form]}"] if snippet.form in _LANGUAGES else []
    if snippet.given is not None:
        options.append(f"--given {shlex.quote(snippet.given)}")
    if len(snippet.on) == 1:
        options.append(f"--on {snippet.on[0]}")
    texts = [earlier.text.strip("\n") for earlier in snippet.leans_on] + [snippet.text.strip("\n")]
    return "\n".join([*_announced(snippet), " ".join(["%%op", *options]), "\n\n".join(texts)])


def _announced(snippet: Snippet) -> Iterator[str]:
    parts = []
    for kind in BOTH:
        expected = snippet.expected.get(kind)
        if expected is not None and expected.verdict in _REFUSED:
            parts.append(f"{kind}<{expected.until}" if expected.until else str(kind))
    if parts:
        yield " ".join(["%%fails", *parts])
