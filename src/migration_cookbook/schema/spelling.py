"""One spelling of types, defaults and expressions, so that equal things read equal."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

from migration_cookbook.schema.tokens import Token, group_end, text_of, tokens_of

_LONG_NAMES = {
    "CHARACTER VARYING": "VARCHAR",
    "CHARACTER": "CHAR",
    "BIT VARYING": "VARBIT",
}
_TYPE = re.compile(r"(?P<name>[^(\[]*)(?P<arguments>\([^)]*\))?(?P<rest>.*)\Z", re.DOTALL)

_NUMERIC = re.compile(r"(SMALLINT|INTEGER|BIGINT|INT|NUMERIC|DECIMAL|REAL|FLOAT|DOUBLE)\b")
_QUOTED_NUMBER = re.compile(r"'(-?\d+(?:\.\d+)?)'\Z")

#: The words a PostgreSQL type's name can have after its first one.
_TYPE_TAILS = {
    "CHARACTER": ("VARYING",),
    "BIT": ("VARYING",),
    "DOUBLE": ("PRECISION",),
    "TIMESTAMP": ("WITH", "WITHOUT", "TIME", "ZONE"),
    "TIME": ("WITH", "WITHOUT", "TIME", "ZONE"),
    "INTERVAL": ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "TO"),
}
_OPERATORS = {"~~": "LIKE", "!~~": "NOT LIKE", "~~*": "ILIKE", "!~~*": "NOT ILIKE"}


@functools.lru_cache(maxsize=512)
def normalize_type(declared: str) -> str:
    """Return a type's built-in name in capitals, its arguments as in `NUMERIC(8, 2)`."""
    match = _TYPE.match(" ".join(declared.split()).upper())
    assert match is not None
    name = match["name"].strip()
    rest = " " + match["rest"].strip() if match["rest"].strip() else ""
    suffix = rest.removeprefix(" ") if rest.startswith(" [") else rest
    if name in ("TIMESTAMP WITHOUT TIME ZONE", "TIME WITHOUT TIME ZONE"):
        name = name.partition(" ")[0]
    suffix = suffix.removeprefix(" WITHOUT TIME ZONE")
    arguments = (match["arguments"] or "").strip("()")
    spelled = ", ".join(part.strip() for part in arguments.split(",")) if arguments else ""
    return _LONG_NAMES.get(name, name) + (f"({spelled})" if spelled else "") + suffix


def normalize_default(text: str, type_: str) -> str:
    """Return a default without what only repeats the column's type: `'0'` of a number is 0."""
    quoted = _QUOTED_NUMBER.match(text)
    return quoted[1] if quoted and _NUMERIC.match(type_) else text


@functools.lru_cache(maxsize=2048)  # most of a schema stays as it was between two reads
def normalize_expression(text: str, character_columns: frozenset[str] = frozenset()) -> str:
    """Return PostgreSQL's text of an expression, as one would have written it.

    Casts of literals go, and casts to text of columns that are text anyway;
    `= ANY (ARRAY[...])` becomes IN.
    """
    tokens = _with_in(_without_casts(tokens_of(text, brackets_quote=False), character_columns))
    return text_of(replace(token, text=_OPERATORS.get(token.text, token.text)) for token in tokens)


def _without_casts(tokens: list[Token], character_columns: frozenset[str]) -> list[Token]:
    kept: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.text != "::":
            kept.append(token)
            position += 1
            continue
        end = _cast_end(tokens, position + 1)
        cast = tokens[position + 1 : end]
        if _goes(kept, cast, character_columns):
            _unwrap(kept)
            number = normalize_default(kept[-1].text, cast[0].keyword)
            kept[-1] = replace(kept[-1], text=number)
        else:
            kept.extend(tokens[position:end])
        position = end
    return kept


def _cast_end(tokens: list[Token], position: int) -> int:
    """Return the position after the type that starts at `position`."""
    tails = _TYPE_TAILS.get(tokens[position].keyword, ())
    position += 1
    while position < len(tokens):
        text = tokens[position].text
        if text == "." and position + 1 < len(tokens):
            position += 2
        elif text == "(":
            position = group_end(tokens, position)
        elif text in ("[", "]") and tokens[position - 1].text != text and not tokens[position].spaced:
            if text == "]" and tokens[position - 1].text != "[":
                break
            position += 1
        elif tokens[position].keyword in tails:
            position += 1
        else:
            break
    return position


def _goes(before: list[Token], cast: list[Token], character_columns: frozenset[str]) -> bool:
    if not before:
        return False
    operand = _operand(before)
    if operand.kind in ("string", "number") or operand.keyword in ("NULL", "TRUE", "FALSE"):
        return True
    to_text = [token.keyword for token in cast[:1]] == ["TEXT"]
    if operand.text == "]":
        return to_text
    return to_text and operand.kind in ("word", "quoted") and operand.name in character_columns


def _operand(before: list[Token]) -> Token:
    """Return what is cast: the last token, or the one inside `( )` or at the end of `(ARRAY[...])`."""
    if before[-1].text == ")" and len(before) > 2:
        if before[-3].text == "(" or before[-2].text == "]":
            return before[-2]
        if before[-3].text == "-" and before[-4:-3] and before[-4].text == "(":
            return before[-2]
    return before[-1]


def _unwrap(kept: list[Token]) -> None:
    """Take off the parentheses that only held what was cast."""
    if kept[-1].text != ")" or len(kept) < 3:
        return
    start = len(kept) - 1
    depth = 0
    while start >= 0:
        depth += (kept[start].text == ")") - (kept[start].text == "(")
        if depth == 0:
            break
        start -= 1
    if start > 0 and kept[start - 1].kind == "word" and not kept[start].spaced:
        return
    opening = kept[start]
    kept[start + 1] = replace(kept[start + 1], spaced=opening.spaced)
    del kept[start], kept[-1]


def _with_in(tokens: list[Token]) -> list[Token]:
    found: list[Token] = []
    position = 0
    while position < len(tokens):
        start = tokens[position : position + 5]
        words = tuple(token.keyword for token in start)
        negated = words == ("<>", "ALL", "(", "ARRAY", "[")
        if negated or words == ("=", "ANY", "(", "ARRAY", "["):
            end = group_end(tokens, position + 2)
            if tokens[end - 2].text == "]":
                found.append(replace(start[0], kind="word", text="NOT IN" if negated else "IN"))
                found.append(replace(start[2], spaced=True))
                found.extend(_with_in(tokens[position + 5 : end - 2]))
                found.append(tokens[end - 1])
                position = end
                continue
        found.append(tokens[position])
        position += 1
    return found
