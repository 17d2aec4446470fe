"""Text is shown, not obeyed; streams without a character show its number."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pytest

from migration_cookbook.printable import all_printable, escape_unencodable, one_line, printable, truncate


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é, 漢, 😀, 👩\u200d👩", "plain, é, 漢, 😀, 👩\u200d👩"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("\x1b]52;c;YQ==\x07", "\\x1b]52;c;YQ==\\x07"),
        ("\x00\x08\x0b\x0c\x1f\x7f\x80\x9b", "\\x00\\x08\\x0b\\x0c\\x1f\\x7f\\x80\\x9b"),
        ("\u2028\u202e\u2066\u200b\ufeff", "\\u2028\\u202e\\u2066\\u200b\\ufeff"),
        ("\ud800\udcff\U000e0041", "\\ud800\\udcff\\U000e0041"),
        ("\\x1b", "\\x1b"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    assert one_line(text) == shown.replace("\t", "\\t").replace("\n", "\\n").replace(
        "a\\nb\\r", "a\\r\\nb\\r"
    )


@dataclass(frozen=True)
class _Node:
    name: str
    text: str
    others: tuple[_Node, ...] = ()
    words: dict[str, str] | None = None
    number: int = 1


def test_values_are_made_printable_through_and_through() -> None:
    leaf = _Node("a\nb\x1b", "a\nb\x1b", words={"key": "\x9b"})
    node = _Node("c", "d", (leaf, leaf))
    made = all_printable((node, "\n"), frozenset({"text"}))
    assert made[1] == "\\n"
    first, second = made[0].others
    assert (first.name, first.text, first.words) == ("a\\nb\\x1b", "a\nb\\x1b", {"key": "\\x9b"})
    # What is shared stays shared: pages of snippets that need each other would fill the memory.
    assert first is second
    assert all_printable(node.others[0].number, ()) == 1


def test_a_stream_shows_what_it_can_not_encode() -> None:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding="ascii")
    escape_unencodable(stream)
    stream.write(json.dumps({"a": "✓ “é” 😀 \ud800 …"}, ensure_ascii=False))
    stream.flush()
    assert json.loads(content.getvalue()) == {"a": "ok 'é' 😀 \ud800 ..."}
    escape_unencodable(io.StringIO())


def test_a_long_text_is_shortened() -> None:
    assert truncate("ab cdef", 4) == "ab…"
    assert truncate("abcd", 4) == "abcd"
