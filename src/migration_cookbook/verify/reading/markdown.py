"""The fences of a Markdown text.

Also those in lists, quotes and the indented blocks of MkDocs (`!!! note`, `=== "Tab"`). What stands
in a directive's fence (`{note}`), or in one whose language is Markdown, is Markdown itself, and its
fences are read: what a page shows to be copied is held to the same. A fence within a fence of any
other language, or in an indented block of code, is only text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.reading.cells import piece_of_cell
from migration_cookbook.verify.reading.format import PageFormat
from migration_cookbook.verify.reading.forms import LANGUAGES
from migration_cookbook.verify.reading.info import KEYS, InfoMistake, read_info
from migration_cookbook.verify.reading.page import PageMistake, Passage, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

#: In whose fences a page shows Markdown.
_MARKDOWN = frozenset({"markdown", "md", "mdx", "myst", "qmd", "rmd"})
#: Directives whose argument is a language and whose text is code.
_CODE = frozenset({"code", "code-block", "sourcecode"})
#: Directives whose text is no Markdown.
_OTHER_TEXT = frozenset({"eval-rst", "math", "mermaid", "raw", "graphviz", "csv-table", "list-table"})

#: Lists and quotes within each other, and directives within each other: each level is read anew.
_DEEPEST_BLOCK = 24
_DEEPEST = 16

_LONGEST_RUN = 2_000
_NAMED = re.compile(r"\bpostgres\w*|\bsqlite\w*", re.IGNORECASE)
_NESTED = re.compile(r"[ \t]*(?:(?:[-+*>]|\d{1,9}[.)])[ \t]*){2}")

_DIRECTIVE = re.compile(r"\{(?P<name>[A-Za-z][\w:-]*)\}(?P<argument>.*)")
_OPTION = re.compile(r"\s*:[A-Za-z][\w-]*:")
#: MkDocs: what is indented below belongs to it.
_ADMONITION = re.compile(r"(?P<margin>[ \t]*)(?:!!!|\?\?\?\+?|===\+?!?)[ \t]+\S")


def pieces(file: str, passage: Passage) -> Iterator[Piece]:
    """Every fence, in the order of the page."""
    found = _read(file, _without_front_matter(passage), 0)
    yield from sorted(found, key=lambda piece: piece.passage.line)


def front_matter(passage: Passage) -> Passage:
    """The lines between the two `---` at the top of a page; none where there are none."""
    if passage.lines[:1] and passage.lines[0].rstrip() == "---":
        for index in range(1, len(passage.lines)):
            if passage.lines[index].rstrip() in ("---", "..."):
                return passage.between(1, index)
    return Passage((), ())


def databases(text: str) -> tuple[Dialect, ...]:
    """Return the databases that the page says it's for."""
    top = front_matter(Passage.of(text))
    for index, line in enumerate(top.lines):
        if line.startswith("databases:"):
            said = [line, *_items(top.lines[index + 1 :])]
            words = _NAMED.findall(" ".join(said))
            named = {
                Dialect.SQLITE if word.lower().startswith("sqlite") else Dialect.POSTGRES for word in words
            }
            return tuple(dialect for dialect in BOTH if dialect in named) or BOTH
    return BOTH


def _items(lines: tuple[str, ...]) -> list[str]:
    items = []
    for line in lines:
        if not line.lstrip().startswith("-"):
            break
        items.append(line)
    return items


def _without_front_matter(passage: Passage) -> Passage:
    top = front_matter(passage)
    return passage.between(len(top.lines) + 2) if top.lines else passage


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": _DEEPEST_BLOCK})
    # What's in a line is of no interest, and most of the work.
    parser.core.ruler.enableOnly(["normalize", "block"])
    # It looks for the end of each address that begins, and no fence is in one.
    parser.disable("reference")
    return parser


def _read(file: str, passage: Passage, depth: int) -> Iterator[Piece]:
    if depth > _DEEPEST:
        raise PageMistake(
            file, passage.line, f"this is in more than {_DEEPEST} directives; take some of them away"
        )
    _check_runs(file, passage)
    tokens = _parser().parse(passage.text + "\n")
    indented = list(_indented_blocks(passage, tokens))
    for start, end in indented:
        yield from _read(file, passage.between(start, end).dedented(), depth + 1)
    inside = {line for start, end in indented for line in range(start, end)}
    for token in tokens:
        if token.type == "fence" and token.map and token.map[0] not in inside:
            yield from _fence(file, passage, token, depth)


def _check_runs(file: str, passage: Passage) -> None:
    """Refuse a list or quote within another that has no end: each level reads all of its lines."""
    run, nested = 0, False
    for line, number in zip(passage.lines, passage.numbers, strict=True):
        run = run + 1 if line.strip() else 0
        nested = run > 0 and (nested or _NESTED.match(line) is not None)
        if nested and run > _LONGEST_RUN:
            raise PageMistake(
                file,
                number,
                f"this list or quote within another has more than {_LONGEST_RUN} lines; put a blank line into it",
            )


def _indented_blocks(passage: Passage, tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """The lines below each outermost `!!! note`, which CommonMark takes for a paragraph and for code."""
    end = 0
    for token in tokens:
        if token.type != "paragraph_open" or not token.map or token.map[0] < end:
            continue
        start = token.map[0]
        if opening := _ADMONITION.match(passage.lines[start]):
            end = _end_of_indented(passage.lines, start + 1, len(opening["margin"].expandtabs(4)) + 4)
            if end > start + 1:
                yield start + 1, end


def _end_of_indented(lines: tuple[str, ...], start: int, margin: int) -> int:
    end = start
    for index in range(start, len(lines)):
        line = lines[index].expandtabs(4)
        if not line.strip():
            continue
        if len(line) - len(line.lstrip()) < margin:
            break
        end = index + 1
    return end


def _fence(file: str, passage: Passage, token: Token, depth: int) -> Iterator[Piece]:
    assert token.map is not None
    content = token.content.split("\n")[:-1]
    opening, end = token.map
    if end - opening != len(content) + 2:
        raise PageMistake(
            file, passage.numbers[opening], f"this fence is never closed; close it with {token.markup}"
        )
    # An empty fence has the place of its end.
    content = content or [""]
    inner = Passage(tuple(content), passage.numbers[opening + 1 : opening + 1 + len(content)])
    try:
        for piece in _read_fence(file, token.info.strip(), inner, depth):
            # One of which nothing is left without its options has the place of its text.
            empty = replace(inner, lines=("",), numbers=inner.numbers[:1])
            yield piece if piece.passage.lines else replace(piece, passage=empty)
    except InfoMistake as mistake:
        raise PageMistake(file, passage.numbers[opening], str(mistake)) from None


def _read_fence(file: str, info: str, inner: Passage, depth: int) -> Iterator[Piece]:
    directive = _DIRECTIVE.fullmatch(info)
    name = directive["name"].lower() if directive else ""
    if directive and name not in (*KEYS, *LANGUAGES):
        argument = directive["argument"].strip()
        if name == "code-cell":
            yield piece_of_cell(_without_options(inner), argument or "python")
        elif name in _CODE:
            language, declared = read_info(argument)
            yield Piece(_without_options(inner), language, declared)
        elif name not in _OTHER_TEXT:
            yield from _read(file, inner, depth + 1)
        return
    language, declared = read_info(info)
    if language in _MARKDOWN:
        yield from _read(file, inner, depth + 1)
    else:
        yield Piece(inner, language, declared)


def _without_options(inner: Passage) -> Passage:
    """The text of a directive below its options, `:name: value` or YAML between `---`."""
    lines = inner.lines
    if lines[:1] and lines[0].strip() == "---":
        closing = next((i for i in range(1, len(lines)) if lines[i].strip() == "---"), None)
        return inner if closing is None else inner.between(closing + 1)
    start = 0
    while start < len(lines) and _OPTION.match(lines[start]):
        start += 1
    return inner.between(start)


def _pieces_of_page(file: str, text: str) -> Iterator[Piece]:
    return pieces(file, Passage.of(text))


FORMAT = PageFormat((".md", ".markdown"), _pieces_of_page, databases)
