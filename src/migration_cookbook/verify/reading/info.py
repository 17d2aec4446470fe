"""What does an author declare behind the language of a fence?

    python {sqlite="fails: near \\"ALTER\\"" sqlite_until=3.53 continue shows="X-E18"}

The attributes of other tools (`title="…"`, `hl_lines="2"`, `.annotate`, `1,3-5`) may stand
beside ours. Anything else is a mistake: a misspelled declaration would declare nothing.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migration_cookbook.databases.kinds import BOTH, Kind
from migration_cookbook.verify.snippet import Expected
from migration_cookbook.verify.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What may be declared, by the word that an author writes.
VERDICT_WORDS = {
    "works": Verdict.WORKS,
    "fails": Verdict.FAILS,
    "outside": Verdict.OUTSIDE,
    "needs context": Verdict.NEEDS_CONTEXT,
    "placeholder": Verdict.PLACEHOLDER,
    "nothing ran": Verdict.NOTHING_RAN,
}

_UNTIL = {f"{kind}_until": kind for kind in BOTH}
_VALUED = (*BOTH, *_UNTIL, "skip", "given", "shows", "name")
#: All that can be declared.
KEYS = (*_VALUED, "continue")
#: Attributes by which other tools lay out a fence; they say nothing to us.
_OF_OTHERS = frozenset(
    [
        "title",
        "caption",
        "filename",
        "file",
        "label",
        "linenums",
        "linenos",
        "lineno",
        "lineno-start",
        "hl_lines",
        "emphasize-lines",
        "highlight",
        "start",
        "startfrom",
        "startline",
        "numberlines",
        "shownumbers",
        "showlinenumbers",
        "copy",
        "select",
        "wrap",
        "nowrap",
        "tab",
        "group",
        "class",
        "id",
        "style",
        "width",
        "height",
        "theme",
        "render",
        "diff",
        "focus",
        "collapse",
        "force",
        "dedent",
    ]
)

#: Quarto and R Markdown write `{python, echo=FALSE}`.
_LANGUAGE_IN_BRACES = re.compile(r"\s*([A-Za-z]\w*)(?:\s*,|\s*$)")
_WORD = re.compile(r"[^\s{}=\"']+")
_LINES = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*,?")


class InfoMistake(Exception):
    """What is wrong in an info string; the reader of the page adds the place."""


@dataclass(frozen=True)
class Declared:
    """What stands behind the language of a fence."""

    expected: Mapping[Kind, Expected] = field(default_factory=dict)
    skip: str | None = None
    given: str | None = None
    shows: tuple[str, ...] = ()
    name: str | None = None
    #: It leans on the snippet before.
    continues: bool = False

    @property
    def runs(self) -> bool:
        """Whether the author counts on its being run."""
        return self.skip is None and bool(self.expected or self.given or self.continues)


def read_info(info: str) -> tuple[str, Declared]:
    """The language in lower case, and what is declared."""
    outside, inside = _parts(info.strip())
    words = outside.split()
    language = words[0] if words else ""
    if not words and (bare := _LANGUAGE_IN_BRACES.match(inside)) and bare[1] not in KEYS:
        return bare[1].lower(), Declared()
    for word in words[1:]:
        key, equals, _ = word.partition("=")
        if equals and key in KEYS:
            raise InfoMistake(f"put `{key}=…` in braces, as in {{{key}=…}}")
    attributes: dict[str, str | None] = {}
    for key, value in _attributes(inside):
        if key.startswith(".") and not language:
            language = key[1:]
        if key in attributes:
            raise InfoMistake(f"`{key}` is declared twice")
        if _is_ours(key):
            attributes[key] = value
    return language.lower(), _declared(attributes)


def _parts(info: str) -> tuple[str, str]:
    """What stands outside of the braces, and what stands in them."""
    start = info.find("{")
    if start < 0:
        return info, ""
    position = start + 1
    while position < len(info) and info[position] != "}":
        position = _quoted_end(info, position) if info[position] in "\"'" else position + 1
    if position >= len(info):
        raise InfoMistake("the { is never closed; end the declaration with }")
    return f"{info[:start]} {info[position + 1 :]}", info[start + 1 : position]


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
            raise InfoMistake(f'`{text[position:]}` is not understood; write key=value or key="a value"')
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
        raise InfoMistake(f"`{key}=` has no value")
    return word[0], word.end()


def _is_ours(key: str) -> bool:
    if key in KEYS:
        return True
    if key[0] in ".#" or key.lower() in _OF_OTHERS or key.startswith("data-") or _LINES.fullmatch(key):
        return False
    near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.6)
    remedy = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(KEYS)}"
    raise InfoMistake(f"there is no `{key}` to declare; {remedy}")


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
        continues="continue" in attributes,
    )


def _expectations(attributes: Mapping[str, str | None]) -> dict[Kind, Expected]:
    expected: dict[Kind, Expected] = {}
    for kind in BOTH:
        until = attributes.get(f"{kind}_until")
        if (value := attributes.get(kind)) is not None:
            expected[kind] = _expectation(kind, value, until)
        elif until is not None:
            raise InfoMistake(f"`{kind}_until` says until when, and nothing says what; add {kind}=fails")
    return expected


def _expectation(kind: Kind, value: str, until: str | None) -> Expected:
    if until is not None and not re.fullmatch(r"\d+(\.\d+)*", until):
        raise InfoMistake(f"`{kind}_until={until}` is no version; write it like 3.53")
    word, _, message = value.partition(":")
    verdict = VERDICT_WORDS.get(" ".join(word.split()).lower())
    if verdict is None:
        raise InfoMistake(
            f"`{kind}={value}` declares no verdict; begin it with one of: {', '.join(VERDICT_WORDS)}"
        )
    return Expected(verdict, " ".join(message.split()), until)
