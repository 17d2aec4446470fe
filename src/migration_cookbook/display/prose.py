"""Markdown in a cell's output: paragraphs, lists and code, no more than the exercises need."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from migration_cookbook.display.parts import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.display.parts import Part

#: In an exercise ```` ```file {path=…} ```` holds a whole file.
_FENCE = re.compile(
    r"^```(?P<language>\w*)[ \t]*(?:\{path=(?P<path>[^}]+)\})?[^\n]*\n(?P<source>.*?)^```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_LANGUAGES = {".py": "python", ".mako": "python", ".ini": "ini", ".toml": "toml"}
_ITEM = re.compile(r"(?P<mark>\d+\.|-) +(?P<text>.*)", re.DOTALL)
#: What is marked inside a line. Inside code nothing else is.
_MARKED = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\*(?P<slanted>[^*]+)\*|\[(?P<link>[^]]+)\]\([^)]*\)"
)
_TAGS = {"code": "code", "bold": "b", "slanted": "i", "link": "span"}


@dataclass(frozen=True)
class Paragraph:
    """Some lines of running text."""

    text: str
    #: A number or a hyphen before an item of a list.
    mark: str = ""

    def plain(self) -> list[str]:
        text = _MARKED.sub(lambda found: found[found.lastgroup or 0], self.text)
        return [f"{self.mark} {text}".strip()]

    def html(self) -> str:
        left = "1.5em" if self.mark else "0"
        mark = f"{self.mark} " if self.mark else ""
        return f'<div style="margin:4px 0 6px {left};max-width:52em">{mark}{_render_marks(self.text)}</div>'


def parts(markdown: str) -> tuple[Part, ...]:
    """Return the text as parts of an output."""
    return tuple(_parts(markdown))


def _parts(markdown: str) -> Iterator[Part]:
    end = 0
    for fence in _FENCE.finditer(markdown):
        yield from _paragraphs(markdown[end : fence.start()])
        path = fence["path"] or ""
        language = _LANGUAGES.get(PurePath(path).suffix, "text") if path else fence["language"] or "text"
        yield Code(path, fence["source"].rstrip("\n"), language)
        end = fence.end()
    yield from _paragraphs(markdown[end:])


def _paragraphs(text: str) -> Iterator[Paragraph]:
    for block in re.split(r"\n\s*\n|\n(?=(?:\d+\.|-) )", text):
        line = " ".join(block.split())
        if item := _ITEM.fullmatch(line):
            yield Paragraph(item["text"], item["mark"])
        elif line:
            yield Paragraph(line)


def _render_marks(text: str) -> str:
    pieces, end = [], 0
    for found in _MARKED.finditer(text):
        tag = _TAGS[found.lastgroup or "link"]
        pieces.append(html.escape(text[end : found.start()], quote=False))
        pieces.append(f"<{tag}>{html.escape(found[found.lastgroup or 0], quote=False)}</{tag}>")
        end = found.end()
    return "".join([*pieces, html.escape(text[end:], quote=False)])
