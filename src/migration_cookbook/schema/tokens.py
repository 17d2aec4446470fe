"""The words of a piece of SQL.

Enough to take a CREATE TABLE apart and to spell an expression alike on both databases;
it knows nothing of what the words mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMMON = r"""
    (?P<space>   (?: \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )+ )
  | (?P<string>  [eE]'(?:[^'\\]|\\.|'')*' | [xXbB]?'(?:[^']|'')*' )
  | (?P<quoted>  "(?:[^"]|"")*" | `(?:[^`]|``)*` BRACKETS )
  | (?P<number>  \d[\w.]*(?:(?<=[eE])[+-]\d+)? | \.\d+ )
  | (?P<word>    [^\W\d][\w$]* )
  | (?P<symbol>  :: | -(?=-) | [<>=!~|&*+/%^@\#-]+?(?=--|/\*|[^<>=!~|&*+/%^@\#-]|\Z) | . )
"""
_POSTGRES = re.compile(_COMMON.replace("BRACKETS", ""), re.VERBOSE | re.DOTALL)
_SQLITE = re.compile(_COMMON.replace("BRACKETS", r"| \[[^\]]*\]"), re.VERBOSE | re.DOTALL)

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Token:
    #: string, quoted, number, word or symbol
    kind: str
    text: str
    #: Whether anything that counts as space stands before it.
    spaced: bool

    @property
    def keyword(self) -> str:
        """Its text to compare with keywords; empty for what can't be one."""
        return self.text.upper() if self.kind in ("word", "symbol") else ""

    @property
    def name(self) -> str:
        """Its text as a name, without quotes."""
        if self.kind != "quoted":
            return self.text
        quote = self.text[-1]
        return self.text[1:-1].replace(quote * 2, quote)


def tokens_of(sql: str, *, brackets_quote: bool) -> list[Token]:
    """Return the tokens, comments left out; in SQLite's SQL brackets quote a name."""
    found: list[Token] = []
    spaced = False
    for match in (_SQLITE if brackets_quote else _POSTGRES).finditer(sql):
        kind = match.lastgroup or "symbol"
        if kind != "space":
            found.append(Token(kind, match.group(), spaced))
        spaced = kind == "space"
    return found


def text_of(tokens: Iterable[Token]) -> str:
    """Return the tokens as text, with one space where there was any."""
    return "".join(" " + token.text if token.spaced else token.text for token in tokens).strip()


def unquote(tokens: Iterable[Token], names: frozenset[str]) -> Iterator[Token]:
    """Yield the same tokens, with quotes taken off the given names where they aren't needed."""
    for token in tokens:
        if token.kind == "quoted" and token.name in names and _is_plain(token.name):
            yield replace(token, kind="word", text=token.name)
        else:
            yield token


def quote_name(name: str) -> str:
    """Return the name as it is written in SQL."""
    return name if _is_plain(name) else '"' + name.replace('"', '""') + '"'


def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.match(name) is not None and name not in RESERVED_WORDS


def group_end(tokens: list[Token], start: int) -> int:
    """Return the position after the parenthesis that closes the one at `start`."""
    depth = 0
    for position in range(start, len(tokens)):
        text = tokens[position].text
        depth += (text == "(") - (text == ")")
        if depth == 0:
            return position + 1
    return len(tokens)
