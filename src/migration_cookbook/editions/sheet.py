"""Of which parts is a cheatsheet made? Prose, and fences with their snippets and the marks below them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import yaml  # type: ignore[import-untyped]

from migration_cookbook.verify import Form, Snippet, read
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = "cheatsheets"
KEYS = ("title", "databases")
#: A line right below a fence that begins so is the machine's.
MARK = "<sub>"

_FENCE = re.compile(r"(?P<marks>`{3,}|~{3,})")


@dataclass(frozen=True)
class Part:
    """Lines of prose, or the fence of one snippet."""

    lines: tuple[str, ...]
    #: Of the first line, from 1.
    number: int
    snippet: Snippet | None = None
    #: How the snippet stands, as the line below its fence says; empty for none.
    mark: str = ""


@dataclass(frozen=True)
class Sheet:
    """A cheatsheet as it is written."""

    path: Path
    slug: str
    title: str
    databases: tuple[str, ...]
    #: The lines of the front matter, with those that enclose it.
    front: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The file, with the marks that the parts have."""
        lines = list(self.front)
        for part in self.parts:
            lines += part.lines
            if part.mark:
                lines.append(f"{MARK}{part.mark}</sub>")
        return "\n".join(lines)

    def marked(self, marks: Mapping[int, str]) -> Sheet:
        """The same with other marks, by the line of the snippet."""
        parts = [
            replace(part, mark=marks.get(part.snippet.line, "")) if part.snippet else part
            for part in self.parts
        ]
        return replace(self, parts=tuple(parts))


def sheet_paths(root: Path) -> list[Path]:
    """The cheatsheets of a book."""
    return sorted((root / FOLDER).glob("*.md"))


def read_sheet(path: Path, root: Path) -> Sheet:
    """A cheatsheet, part by part."""
    slug = path.relative_to(root).with_suffix("").as_posix()
    lines = path.read_text(encoding="utf-8").split("\n")
    front, first = _front_matter(lines, slug)
    snippets = {
        snippet.line - 1: snippet
        for snippet in read(path)
        if snippet.form is not Form.UNRELATED and snippet.skip is None
    }
    parts = tuple(_parts(lines, first, snippets))
    lost = set(snippets) - {part.number for part in parts if part.snippet}
    if lost:
        raise CookbookError(f"chapters/{slug}.md:{min(lost)}: in a cheatsheet each fence stands at column 0.")
    return Sheet(
        path=path,
        slug=slug,
        title=str(front["title"]),
        databases=tuple(front["databases"]),
        front=tuple(lines[:first]),
        parts=parts,
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


def _parts(lines: list[str], first: int, snippets: Mapping[int, Snippet]) -> Iterator[Part]:
    """One after the other. `snippets` by the number of their fence's line."""
    start = index = first
    while index < len(lines):
        fence = _FENCE.match(lines[index])
        snippet = snippets.get(index + 1)
        if not fence or snippet is None:
            index += 1
            continue
        if index > start:
            yield Part(tuple(lines[start:index]), start + 1)
        end = next(at for at in range(index + 1, len(lines)) if lines[at].startswith(fence["marks"])) + 1
        below = lines[end] if end < len(lines) else ""
        marked = below.startswith(MARK)
        mark = below.removeprefix(MARK).removesuffix("</sub>") if marked else ""
        yield Part(tuple(lines[index:end]), index + 1, snippet, mark)
        start = index = end + marked
    if index > start:
        yield Part(tuple(lines[start:index]), start + 1)
