"""Pages with damage: real ones, some bytes, lines or words of which are changed, doubled, moved or gone."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nasty import TEXTS

ROOT = Path(__file__).parents[2]
SUFFIXES = (".md", ".ipynb", ".py", ".sql", ".ini", ".toml")
#: A page is cut to this length: the length of pages is another test's.
_LONGEST = 20_000

_TOKENS = (
    *(
        "'",
        '"',
        "`",
        "```",
        "~~~",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        "|",
        "\\",
        "\\\\",
        "$",
        "%",
        "%%",
        "#",
    ),
    *(
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\t",
        "    ",
        " ",
        "\x00",
        "\x1b",
        "\x1b]52;c;YQ==\x07",
        "\x9b2J",
        "\x7f",
        "\x85",
    ),
    *(
        "\u2028",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\u200b",
        "\U000e0041",
        "é",
        "😀",
        "\\ud800",
        "\\u0000",
        "\\x00",
        "\\N{BEL}",
    ),
    *(
        "9" * 5000,
        "0x" + "f" * 5000,
        "1e999999",
        "-" * 400 + "1",
        "(" * 250,
        "[" * 250,
        "{" * 50,
        "not " * 400,
    ),
    *(
        "lambda:" * 400 + "1",
        "+1" * 1000,
        ".a" * 1000,
        "()" * 1000,
        'f"{1}" ' * 50,
        "f\"{f'{1}'}\"",
        "\\" * 99,
    ),
    *(
        "```python\n",
        "```python {sqlite=fails}\n",
        "```{note}\n",
        "````{note}\n",
        "```{code-cell}\n",
        "```sql {continue}\n",
    ),
    *(
        "```python {skip='\x1b'}\n",
        "```python {name=`}\n",
        "```py`thon\n",
        "~~~sql {given='\n",
        ":::{note}\n",
        "!!! note\n\n    ",
    ),
    *(
        "> ",
        "- ",
        "1. ",
        "- - - - ",
        "> > > ",
        "===\n",
        "---\n",
        "databases: [postgres]\n",
        "<script>",
        "<!--",
        "![a](b)",
    ),
    *(
        "[a]: http://b\n",
        "@somebody ",
        "#1 ",
        "https://a.b ",
        "|a|b|\n",
        "%%fails\n",
        "%%fails sqlite<3\n",
        "%%op\n",
        "%sql ",
    ),
    *(
        "$ alembic upgrade head\n",
        "alembic upgrade 'head",
        "alembic -x 'a && alembic ;",
        ">>> ",
        "... ",
        "shop=# ",
        "sqlite> ",
    ),
    *(
        "op.add_column('a', sa.Column('b'))\n",
        "def upgrade():\n",
        "def downgrade():\n    ",
        "revision = '1'\n",
        "import x\n",
    ),
    *(
        "CREATE TABLE a (b int);",
        "CREATE EXTENSION a;",
        "/*",
        "*/",
        "--",
        ";",
        "'';",
        "$$",
        "BEGIN;",
        "SELECT ",
    ),
    *(
        "[alembic]\n",
        "[tool.alembic]\n",
        "script_location = %(here)s\n",
        "sqlalchemy.url =",
        '"""',
        "'''",
        "# coding: rot13\n",
    ),
    *(
        "# coding: undefined\n",
        "# coding: utf-7\n",
        "# -*- coding: latin-1 -*-\n",
        "::\n\n    ",
        ".. code-block:: python\n\n    ",
    ),
    *(
        '"source": 5, ',
        '"cells": {}, ',
        '{"cells": [',
        "null",
        "true",
        "NaN",
        "\\",
        '"',
        "]" * 50,
        '{"a":' * 2000,
    ),
)


@dataclass(frozen=True)
class Mutated:
    """A damaged page: its name says what it is read as."""

    name: str
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="surrogateescape")


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """The real pages, by suffix; of kinds that there are few of, some that are made up."""
    folders = (
        ROOT / "chapters",
        ROOT / "tests" / "verify" / "corpus",
        ROOT / "sandbox_project",
        ROOT / "notebooks",
    )
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES)
    found = [
        (path.suffix, path.read_bytes()[: 20 * _LONGEST]) for path in files if path.stat().st_size < 2_000_000
    ]
    found += [(path, text.encode()) for path, text in _MADE_UP]
    return tuple(found)


_MADE_UP = (
    (".sql", "CREATE TABLE a (b int);\nINSERT INTO a VALUES (1); -- one\nALTER TABLE a ADD c text;\n"),
    (".sql", "shop=# SELECT 1;\n ?column?\n----------\n        1\nshop=# DROP TABLE a;\nDROP TABLE\n"),
    (".ini", "[alembic]\nscript_location = %(here)s/migrations\n\n[loggers]\nkeys = root\n"),
    (
        ".toml",
        '[tool.alembic]\nscript_location = "migrations"\n\n[[tool.alembic.post_write_hooks]]\nname = "ruff"\n',
    ),
    (
        ".py",
        '"""Words.\n\n    >>> op.drop_table("a")\n\nMore::\n\n    op.drop_table("b")\n\n```python\nop.c()\n```\n"""\n',
    ),
    (
        ".ipynb",
        json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "markdown",
                        "metadata": {},
                        "source": ["# A\n", "\n", "```sql\n", "SELECT 1;\n", "```"],
                    },
                    {
                        "cell_type": "code",
                        "metadata": {},
                        "outputs": [],
                        "source": "%%op\nop.drop_table('a')",
                    },
                    {
                        "cell_type": "code",
                        "metadata": {},
                        "outputs": [],
                        "source": ["%%fails sqlite\n", "%%sql\n", "DROP"],
                    },
                ],
                "metadata": {"language_info": {"name": "python"}},
                "nbformat": 4,
            },
            indent=1,
        ),
    ),
)


def mutated(seed: str) -> Mutated:
    """The page of this seed."""
    chance = random.Random(seed)
    suffix = chance.choice(SUFFIXES)
    own = [content for kind, content in seeds() if kind == suffix]
    content = chance.choice(own)
    # Any text may be the content of any page.
    if chance.random() < 0.1:
        content = chance.choice(seeds())[1]
    start = chance.randrange(max(1, len(content) - _LONGEST)) if suffix != ".ipynb" else 0
    content = content[start : start + _LONGEST] if suffix != ".ipynb" else content
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        content = chance.choice(_CHANGES)(chance, content)
    return Mutated(f"page{suffix}", content)


def _flipped(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content or b"a")
    for _ in range(chance.choice((1, 4, 30))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _shuffled(chance: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    start = chance.randrange(len(lines) + 1)
    some = lines[start : start + chance.choice((2, 10, 1000))]
    chance.shuffle(some)
    return b"".join((*lines[:start], *some, *lines[start + len(some) :]))


def _doubled(chance: random.Random, content: bytes) -> bytes:
    start, end = _span(chance, content)
    return content[:end] + content[start:end] * chance.choice((1, 2, 30)) + content[end:]


def _cut(chance: random.Random, content: bytes) -> bytes:
    start, end = _span(chance, content)
    return content[:start] + content[end:]


def _moved(chance: random.Random, content: bytes) -> bytes:
    start, end = _span(chance, content)
    rest = content[:start] + content[end:]
    place = chance.randrange(len(rest) + 1)
    return rest[:place] + content[start:end] + rest[place:]


def _inserted(chance: random.Random, content: bytes) -> bytes:
    for _ in range(chance.choice((1, 1, 5, 40))):
        place = chance.randrange(len(content) + 1)
        if chance.random() < 0.5:
            place = content.rfind(b"\n", 0, place) + 1
        content = content[:place] + chance.choice(_TOKENS).encode() + content[place:]
    return content


def _made_nasty(chance: random.Random, content: bytes) -> bytes:
    place = chance.randrange(len(content) + 1)
    text = TEXTS[chance.choice(sorted(TEXTS))][:2000]
    return content[:place] + text.encode("utf-8", "surrogatepass") + content[place:]


def _in_directives(chance: random.Random, content: bytes) -> bytes:
    depth = chance.choice((2, 10, 40, 350))
    opening = b"".join(b"`" * (depth + 3 - n) + b"{note}\n" for n in range(depth))
    closing = b"".join(b"`" * (4 + n) + b"\n" for n in range(depth))
    return opening + content[:2000] + b"\n" + closing


def _span(chance: random.Random, content: bytes) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + chance.choice((1, 10, 100, 2000)))


_CHANGES = (
    _flipped,
    _shuffled,
    _doubled,
    _cut,
    _moved,
    _inserted,
    _inserted,
    _inserted,
    _made_nasty,
    _in_directives,
)
