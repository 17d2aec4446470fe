"""The parts of what a cell shows, each as plain text and as HTML."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

#: `<pre>` that breaks long lines only where it must. JupyterLab would cut words.
_PRE = (
    "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;margin:0;padding:0;"
    "background:transparent;border:none;font-size:13px;line-height:1.35"
)
_CELL = "text-align:{align};padding:2px 10px 2px 8px;vertical-align:top;border:none"


class Part(Protocol):
    """One thing that a cell shows."""

    def plain(self) -> list[str]:
        """Return the part as lines of text."""
        ...

    def html(self) -> str:
        """Return the part as HTML with inline styles only."""
        ...


@dataclass(frozen=True)
class Lines:
    """Text as a terminal would print it."""

    lines: tuple[str, ...]

    def plain(self) -> list[str]:
        return list(self.lines)

    def html(self) -> str:
        return f'<pre style="{_PRE}">{html.escape(chr(10).join(self.lines), quote=False)}</pre>'


@dataclass(frozen=True)
class Note:
    """One sentence of the kit's own; words in backquotes are code."""

    text: str

    def plain(self) -> list[str]:
        return [self.text.replace("`", "")]

    def html(self) -> str:
        return f'<div style="margin:2px 0">{inline(self.text)}</div>'


@dataclass(frozen=True)
class ResultLine:
    """How an announcement or a check came out: said in words, the bar is only an ornament."""

    title: str
    text: str
    good: bool = True

    def plain(self) -> list[str]:
        return [f"{self.title} {self.text.replace('`', '')}"]

    def html(self) -> str:
        color = "#029E73" if self.good else "#DE8F05"
        return (
            f'<div style="border-left:4px solid {color};padding:4px 0 4px 8px;margin:6px 0">'
            f"<b>{html.escape(self.title)}</b> {inline(self.text)}</div>"
        )


@dataclass(frozen=True)
class ResultTable:
    """Rows under headers, with a caption."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    #: The first column names what the row is about.
    row_headers: bool = False
    footer: tuple[str, ...] = ()
    #: The caption stands below the rows, as psql prints their number.
    caption_below: bool = False

    def plain(self) -> list[str]:
        numbers = self._numbers()
        cells = [list(self.headers), *([cell_text(value) for value in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.headers))]
        lines: list[str] = []
        for row in cells:
            padded = (
                text.rjust(width) if number else text.ljust(width)
                for text, width, number in zip(row, widths, numbers, strict=True)
            )
            lines.append("  ".join(padded).rstrip())
        lines.insert(len(lines) - len(self.rows), "  ".join("-" * width for width in widths))
        caption = [self.caption.replace("`", "")] if self.caption else []
        lines = [*lines, *caption] if self.caption_below else [*caption, *lines]
        return lines + [line.replace("`", "") for line in self.footer]

    def html(self) -> str:
        aligns = ["right" if number else "left" for number in self._numbers()]
        head = "".join(
            f'<th scope="col" style="{_CELL.format(align=align)};border-bottom:1px solid #888">{html.escape(name)}</th>'
            for name, align in zip(self.headers, aligns, strict=True)
        )
        body = "".join(f"<tr>{self._row(row, aligns)}</tr>" for row in self.rows)
        side = "bottom" if self.caption_below else "top"
        caption = (
            f'<caption style="caption-side:{side};text-align:left;padding:2px 0;color:inherit">'
            f"{inline(self.caption)}</caption>"
            if self.caption
            else ""
        )
        footer = "".join(f'<div style="margin:2px 0">{inline(line)}</div>' for line in self.footer)
        return (
            f'<table style="border-collapse:collapse;margin:2px 0 6px 0;font-size:13px">{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{footer}"
        )

    def _row(self, row: Sequence[Any], aligns: list[str]) -> str:
        cells = []
        for position, (value, align) in enumerate(zip(row, aligns, strict=True)):
            text = "<i>NULL</i>" if value is None else html.escape(cell_text(value), quote=False)
            if position == 0 and self.row_headers:
                cells.append(f'<th scope="row" style="{_CELL.format(align=align)}">{text}</th>')
            else:
                cells.append(f'<td style="{_CELL.format(align=align)}">{text}</td>')
        return "".join(cells)

    def _numbers(self) -> list[bool]:
        columns = [[row[i] for row in self.rows if row[i] is not None] for i in range(len(self.headers))]
        return [bool(column) and all(_is_number(value) for value in column) for column in columns]


@dataclass(frozen=True)
class Code:
    """A file or a part of one, colored with the colors of the reader's theme."""

    caption: str
    source: str
    language: str

    def plain(self) -> list[str]:
        if not self.caption:
            return self.source.splitlines()
        return [self.caption.replace("`", ""), *(f"    {line}".rstrip() for line in self.source.splitlines())]

    def html(self) -> str:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import get_lexer_by_name

        colored = highlight(
            self.source, get_lexer_by_name(self.language), HtmlFormatter(cssclass="highlight")
        )
        colored = colored.replace("<pre>", f'<pre style="{_PRE}">', 1)
        caption = f'<div style="margin:2px 0">{inline(self.caption)}</div>' if self.caption else ""
        return f'{caption}<div style="margin:2px 0 2px 8px">{colored}</div>'


@dataclass(frozen=True)
class SideBySide:
    """The same question answered by each database, in columns; wide ones stack."""

    columns: tuple[tuple[str, str, tuple[Part, ...]], ...]

    def plain(self) -> list[str]:
        lines = []
        for title, _, parts in self.columns:
            lines.append(f"{title}:")
            lines += [f"    {line}".rstrip() for part in parts for line in part.plain()]
        return lines

    def html(self) -> str:
        columns = "".join(
            '<div style="flex:1 1 340px;min-width:0">'
            f'<div style="border-bottom:1px solid #888;margin-bottom:3px">{badge(title, color)}</div>'
            f"{''.join(part.html() for part in parts)}</div>"
            for title, color, parts in self.columns
        )
        return f'<div style="display:flex;flex-wrap:wrap;gap:4px 18px">{columns}</div>'


@dataclass(frozen=True)
class MergedAnswer:
    """What several databases answered alike, under all their names."""

    titles: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]

    def plain(self) -> list[str]:
        names = " and ".join(title for title, _ in self.titles)
        return [f"{names}:", *(f"    {line}".rstrip() for part in self.parts for line in part.plain())]

    def html(self) -> str:
        badges = " ".join(badge(title, color) for title, color in self.titles)
        return f'<div style="margin-bottom:3px">{badges}</div>{"".join(part.html() for part in self.parts)}'


def badge(title: str, color: str) -> str:
    """Return a database's name with its color beside it."""
    return (
        f'<span style="border-left:5px solid {color};padding-left:5px;margin-right:8px"><b>{title}</b></span>'
    )


def inline(text: str) -> str:
    """Return one line of text as HTML, with `code` between backticks."""
    pieces = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))


def cell_text(value: Any) -> str:
    """Return a value as a table shows it; NULL is a word, so that it differs from the empty string."""
    if value is None:
        return "NULL"
    if isinstance(value, memoryview):
        value = value.tobytes()
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
