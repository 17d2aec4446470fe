"""Text that is safe to print, whoever wrote it.

A terminal obeys escape sequences: they move the cursor, write the clipboard and hide text. Unicode has
characters that reverse or break lines. All of them are shown as Python writes them, like `\\x1b`.
"""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Value = TypeVar("Value")

#: C0 (all but tab and newline), DEL and C1; marks that turn or break lines, or can't be seen; half pairs;
#: the tag characters, which hide whole sentences.
_RANGES = (
    *((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x061C, 0x061C), (0x180E, 0x180E)),
    *((0x200B, 0x200B), (0x200E, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF)),
    *((0xFFF9, 0xFFFB), (0xD800, 0xDFFF), (0xE0000, 0xE007F)),
)
_SHOWN = {
    code: chr(code).encode("unicode_escape").decode("ascii")
    for first, last in _RANGES
    for code in range(first, last + 1)
}
#: The same, and what would begin another line or another column.
_SHOWN_IN_A_LINE = _SHOWN | {ord("\t"): "\\t", ord("\n"): "\\n"}
_UNPRINTABLE = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in _RANGES)}]")
_NOT_IN_A_LINE = re.compile(f"[\t\n{_UNPRINTABLE.pattern[1:]}")
#: Signs of the reports, for streams that have only ASCII. None of them may end a string of JSON or XML.
_PLAIN = str.maketrans({"✓": "ok", "✗": "X", "–": "-", "…": "...", "“": "'", "”": "'", "’": "'"})
_HANDLER = "cookbook.escape"


def printable(text: str) -> str:
    """Return the text with its control characters shown; newlines and tabs stay."""
    text = text.replace("\r\n", "\n")
    return text.translate(_SHOWN) if _UNPRINTABLE.search(text) else text


def one_line(text: str) -> str:
    """Return the text with its control characters shown, newlines and tabs as well."""
    return text.translate(_SHOWN_IN_A_LINE) if _NOT_IN_A_LINE.search(text) else text


def truncate(text: str, width: int) -> str:
    """Return the beginning of a text, in at most `width` characters."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def all_printable(value: Value, long: Collection[str]) -> Value:
    """Make each string in a value printable; one line, but for the fields named in `long`."""
    made: Value = _Printable(long).made(value, one_line)
    return made


class _Printable:
    """Makes values printable, each of them once: snippets share the earlier ones that they need."""

    def __init__(self, long: Collection[str]) -> None:
        self._long = long
        #: By identity; the value itself stays, so that its identity does.
        self._known: dict[int, tuple[Any, Any]] = {}

    def made(self, value: Any, make: Callable[[str], str]) -> Any:
        if isinstance(value, str):
            return value if isinstance(value, Enum) else make(value)
        if isinstance(value, tuple):
            return tuple(self.made(one, make) for one in value)
        if isinstance(value, dict):
            return {key: self.made(one, make) for key, one in value.items()}
        if not is_dataclass(value):
            return value
        if id(value) not in self._known:
            self._known[id(value)] = (value, self._parts(value))
        return self._known[id(value)][1]

    def _parts(self, value: Any) -> Any:
        before = {one.name: getattr(value, one.name) for one in fields(value)}
        after = {
            name: self.made(one, printable if name in self._long else one_line)
            for name, one in before.items()
        }
        return replace(value, **after) if after != before else value


def escape_unencodable(stream: Any) -> None:
    """Let a stream show what its encoding hasn't, instead of failing."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_HANDLER)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Stand in for what can't be encoded. The escapes are JSON's, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    units = plain.encode("utf-16-be", "surrogatepass")
    escaped = (int.from_bytes(units[n : n + 2]) for n in range(0, len(units), 2))
    return "".join(chr(one) if one < 0x80 else f"\\u{one:04x}" for one in escaped), error.end


codecs.register_error(_HANDLER, _escaped)
