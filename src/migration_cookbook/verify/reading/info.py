"""What an author declares after the language of a fence.

    python {sqlite="fails: near \\"ALTER\\"" sqlite_until=3.53 continue shows="X-E18"}

Braces in which nothing of ours is meant are another tool's (`{hl_lines=[2,3]}`, `{.annotate}`, `{1,4-6}`),
and there are many. In ours, what is not understood is a mistake: a misspelled declaration would
declare nothing.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.printable import truncate
from migration_cookbook.verify.values.snippet import Expected
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What may be declared, by the word that an author writes.
VERDICT_WORDS = {verdict.short: verdict for verdict in Verdict if verdict.declarable}

#: What is declared fits in less.
_LONGEST = 20_000
#: As many keys of a group are compared with ours; no tool has so many.
_MOST_KEYS = 64
#: How much of somebody's words a message repeats.
_LONGEST_WORD = 80
#: Longer than any of ours, with some mistakes in it.
_LONGEST_KEY = 24

_UNTIL = {f"{dialect}_until": dialect for dialect in BOTH}
_VALUED = (*BOTH, *_UNTIL, "on", "skip", "given", "shows", "name")
#: All that can be declared.
KEYS = (*_VALUED, "continue")
#: Attributes of other tools that may be next to ours.
_BESIDE = frozenset({"title", "caption", "filename", "linenums", "linenos", "hl_lines", "highlight", "copy"})

#: Quarto and R Markdown write `{python, echo=FALSE}`.
_LANGUAGE_IN_BRACES = re.compile(r"\s*([A-Za-z]\w*)(?:\s*,|\s*$)")
_CLASS = re.compile(r"\s*\.([\w-]+)")
_WORD = re.compile(r"[^\s{}=\"']+")
_LINES = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*,?")

#: No other tool has these, and whoever writes them means us.
_UNMISTAKABLE = re.compile(
    rf"(?<![\w.#-])(?:{'|'.join((*BOTH, *_UNTIL, 'given'))})\s*=|(?<![\w.#=-])continue(?![\w-])"
)
#: A verdict for something, or a word for one of our keys that is not the right one.
_MEANT = re.compile(
    rf"""=\s*["']?(?:{"|".join(VERDICT_WORDS)})\b|=\s*["']?(?:sqlite|postgres)|(?<![\w.#-])(?:skip|reason|until|expect\w*)\s*="""
)
_KEY = re.compile(r"(?<![\w.#-])([A-Za-z]\w*)\s*=")


class InfoMistake(Exception):
    """What is wrong in an info string; the reader of the page adds the place."""


@dataclass(frozen=True)
class Declared:
    """What's after the language of a fence."""

    expected: Mapping[Dialect, Expected] = field(default_factory=dict)
    skip: str | None = None
    given: str | None = None
    shows: tuple[str, ...] = ()
    name: str | None = None
    #: The only database that it is for.
    on: Dialect | None = None
    #: It depends on the snippet before.
    continues: bool = False

    @property
    def runs(self) -> bool:
        """Whether the author counts on its being run."""
        return self.skip is None and bool(self.expected or self.given or self.continues)


def read_info(info: str) -> tuple[str, Declared]:
    """The language in lower case, and what is declared."""
    outside, groups = _parts(info.strip())
    words = outside.split()
    if misplaced := next((word for word in words[1:] if _UNMISTAKABLE.match(word) and "=" in word), None):
        raise InfoMistake(f"put what is declared in braces: {{{truncate(misplaced, _LONGEST_WORD)}}}")
    attributes: dict[str, str | None] = {}
    for group in groups:
        for key, value in _ours(group):
            if key in attributes:
                raise InfoMistake(f"`{key}` is declared twice")
            attributes[key] = value
    language = words[0] if words else next(map(_language_in, groups), "")
    return language.lower(), _declared(attributes)


def _language_in(group: str) -> str:
    """`{.python .annotate}`, `{python, echo=FALSE}`."""
    if found := _CLASS.match(group) or _LANGUAGE_IN_BRACES.match(group):
        return "" if found[1] in KEYS else found[1]
    return ""


def _parts(info: str) -> tuple[str, tuple[str, ...]]:
    """What's outside of braces, and what's in each pair of them."""
    if len(info) > _LONGEST:
        raise InfoMistake(
            f"a fence's first line has at most {_LONGEST:,} characters; shorten what's declared"
        )
    outside: list[str] = []
    groups: list[str] = []
    position = 0
    while (start := info.find("{", position)) >= 0:
        outside.append(info[position:start])
        try:
            end = _group_end(info, start)
        except InfoMistake:
            if _is_meant(info[start + 1 :]):
                raise
            # Another tool's affair, to the end: what's never closed isn't closed by looking again.
            group, _, position_after = info[start + 1 :].partition("}")
            return " ".join((*outside, position_after)), (*groups, group)
        groups.append(info[start + 1 : end])
        position = end + 1
    return " ".join((*outside, info[position:])), tuple(groups)


def _group_end(info: str, start: int) -> int:
    """The place of the brace that closes the one at `start`."""
    position = start + 1
    while position < len(info) and info[position] != "}":
        position = _quoted_end(info, position) if info[position] in "\"'" else position + 1
    if position < len(info):
        return position
    raise InfoMistake("the { is never closed; end the declaration with }")


def _is_meant(group: str) -> bool:
    """Whether somebody wanted to declare something here."""
    return (
        _UNMISTAKABLE.search(group) is not None
        or _MEANT.search(group) is not None
        or any(_near(key) for key in set(_KEY.findall(group)[:_MOST_KEYS]) - set(KEYS))
    )


@functools.lru_cache(maxsize=1024)
def _near(key: str) -> str | None:
    """The key that was meant, if it is one of those that only we have."""
    if len(key) > _LONGEST_KEY:
        return None
    near = difflib.get_close_matches(key, (*BOTH, *_UNTIL, "given"), n=1, cutoff=0.75)
    return near[0] if near else None


def _ours(group: str) -> list[tuple[str, str | None]]:
    """The attributes of a group that are for us."""
    if _is_meant(group):
        return [(key, value) for key, value in _attributes(group) if _is_ours(key)]
    try:
        found = list(_attributes(group))
    except InfoMistake:
        return []
    # `name` alone is ours; beside what we don't know it is not.
    return found if all(key in KEYS for key, _ in found) else []


def _quoted_end(text: str, start: int) -> int:
    """The place behind the quoted text that begins at `start`."""
    position = start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == text[start]:
            return position + 1
        position += 1
    raise InfoMistake(f"the quotation mark {text[start]} is never closed")


def _attributes(text: str) -> Iterator[tuple[str, str | None]]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        word = _WORD.match(text, position)
        if word is None:
            raise InfoMistake(
                f'`{truncate(text[position:], _LONGEST_WORD)}` is not understood; write key=value or key="a value"'
            )
        position = word.end()
        value = None
        if text[position : position + 1] == "=":
            value, position = _value(text, position + 1, word[0])
        yield word[0], value


def _value(text: str, start: int, key: str) -> tuple[str, int]:
    if text[start : start + 1] in ('"', "'"):
        end = _quoted_end(text, start)
        return re.sub(r"\\(.)", r"\1", text[start + 1 : end - 1]), end
    word = _WORD.match(text, start)
    if word is None:
        raise InfoMistake(f"`{truncate(key, _LONGEST_WORD)}=` has no value")
    return word[0], word.end()


def _is_ours(key: str) -> bool:
    if key in KEYS:
        return True
    if key[0] in ".#" or key in _BESIDE or _LINES.fullmatch(key):
        return False
    near = difflib.get_close_matches(key[:_LONGEST_KEY], KEYS, n=1, cutoff=0.6)
    remedy = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(KEYS)}"
    raise InfoMistake(f"there is no `{truncate(key, _LONGEST_WORD)}` to declare; {remedy}")


def _declared(attributes: Mapping[str, str | None]) -> Declared:
    for key, value in attributes.items():
        if key not in _VALUED and value is not None:
            raise InfoMistake(f"`{key}` takes no value; write it alone")
        if key in _VALUED and not (value or "").strip():
            raise InfoMistake(
                '`skip` needs a reason: skip="why it is not run"'
                if key == "skip"
                else f"`{key}` needs a value"
            )
    return Declared(
        expected=_expectations(attributes),
        skip=attributes.get("skip"),
        given=attributes.get("given"),
        shows=tuple(re.findall(r"[^\s,]+", attributes.get("shows") or "")),
        name=attributes.get("name"),
        on=_on(attributes.get("on")),
        continues="continue" in attributes,
    )


def _on(value: str | None) -> Dialect | None:
    if value is None or value in list(BOTH):
        return None if value is None else Dialect(value)
    raise InfoMistake(
        f"there is no database `{truncate(value, _LONGEST_WORD)}` here; write on=sqlite or on=postgres"
    )


def _expectations(attributes: Mapping[str, str | None]) -> dict[Dialect, Expected]:
    expected: dict[Dialect, Expected] = {}
    for dialect in BOTH:
        until = attributes.get(f"{dialect}_until")
        if (value := attributes.get(dialect)) is not None:
            expected[dialect] = _expectation(dialect, value, until)
        elif until is not None:
            raise InfoMistake(
                f"`{dialect}_until` says until when, and nothing says what; add {dialect}=fails"
            )
    return expected


def _expectation(dialect: Dialect, value: str, until: str | None) -> Expected:
    if until is not None and not re.fullmatch(r"\d{1,6}(\.\d{1,6}){0,5}", until):
        raise InfoMistake(
            f"`{dialect}_until={truncate(until, _LONGEST_KEY)}` is no version; write it like 3.53"
        )
    word, _, message = value.partition(":")
    verdict = VERDICT_WORDS.get(" ".join(word.split()).lower())
    if verdict is None:
        raise InfoMistake(
            f"`{dialect}={truncate(value, _LONGEST_WORD)}` declares no verdict; begin it with one of: {', '.join(VERDICT_WORDS)}"
        )
    return Expected(verdict, " ".join(message.split()), until)
