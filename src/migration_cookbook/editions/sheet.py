"""A cheatsheet as frozen values: prose, and fences with their snippets and the marks below them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migration_cookbook.strict_markdown import read_markdown_file
from migration_cookbook.verify import Form, Snippet, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from migration_cookbook.strict_markdown import FrontMatter, MarkdownFile

FOLDER = "cheatsheets"
KEYS = ("title", "databases")
#: A line right below a fence that begins so is the machine's.
MARK = "<sub>"


@dataclass(frozen=True)
class SheetPart:
    """Lines of prose, or the fence of one snippet."""

    lines: tuple[str, ...]
    #: Of the first line, from 1.
    number: int
    snippet: Snippet | None = None
    #: The status of the snippet, as the line below its fence says; empty for none.
    mark: str = ""


@dataclass(frozen=True)
class Sheet:
    """A cheatsheet, as its author wrote it."""

    path: Path
    slug: str
    title: str
    databases: tuple[str, ...]
    #: The lines of the front matter, with those that enclose it.
    front: tuple[str, ...]
    parts: tuple[SheetPart, ...]

    @property
    def text(self) -> str:
        """The text of the file, with the marks that the parts have."""
        lines = list(self.front)
        for part in self.parts:
            lines += part.lines
            if part.mark:
                lines.append(f"{MARK}{part.mark}</sub>")
        return "\n".join(lines)

    def with_marks(self, marks: Mapping[int, str]) -> Sheet:
        """Return the same sheet with other marks, by the line of the snippet."""
        parts = [
            replace(part, mark=marks.get(part.snippet.line, "")) if part.snippet else part
            for part in self.parts
        ]
        return replace(self, parts=tuple(parts))


def sheet_paths(root: Path) -> list[Path]:
    """Return the cheatsheets of a book."""
    return sorted((root / FOLDER).glob("*.md"))


def read_sheet(path: Path, root: Path) -> Sheet:
    """Read a cheatsheet, part by part."""
    slug = path.relative_to(root).with_suffix("").as_posix()
    file = read_markdown_file(path, f"chapters/{slug}.md")
    front = _front_matter(file)
    snippets = {
        snippet.line - 1: snippet
        for snippet in read(path)
        if snippet.form is not Form.UNRELATED and snippet.skip is None
    }
    parts = tuple(_parts(file, front.end, snippets))
    lost = set(snippets) - {part.number for part in parts if part.snippet}
    if lost:
        raise file.error(min(lost) - 1, "in a cheatsheet each fence stands at column 0.")
    return Sheet(
        path=path,
        slug=slug,
        title=str(front.values["title"]),
        databases=tuple(front.values["databases"]),
        front=file.lines[: front.end],
        parts=parts,
    )


def _front_matter(file: MarkdownFile) -> FrontMatter:
    front = file.front_matter()
    if set(front.values) != set(KEYS):
        raise file.error(0, f"the front matter must say {' and '.join(KEYS)}, and no more.")
    return front


def _parts(file: MarkdownFile, first: int, snippets: Mapping[int, Snippet]) -> Iterator[SheetPart]:
    """Yield one part after the other. `snippets` by the number of their fence's line."""
    lines = file.lines
    start = first
    for fence in file.fences(first):
        snippet = snippets.get(fence.start + 1)
        if snippet is None:
            continue
        if fence.start > start:
            yield SheetPart(lines[start : fence.start], start + 1)
        end = fence.end + 1
        below = lines[end] if end < len(lines) else ""
        has_mark = below.startswith(MARK)
        mark = below.removeprefix(MARK).removesuffix("</sub>") if has_mark else ""
        yield SheetPart(lines[fence.start : end], fence.start + 1, snippet, mark)
        start = end + has_mark
    if len(lines) > start:
        yield SheetPart(lines[start:], start + 1)
