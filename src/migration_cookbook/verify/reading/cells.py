"""The snippet in a notebook's cell.

`%%op`, `%%revision`, `%%sql` and `%alembic` only say where the text below runs: it is the snippet.
`%%fails` above them declares. Other magics are the notebook's own business.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from itertools import pairwise

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.printable import truncate
from migration_cookbook.verify.reading.info import Declared, InfoMistake
from migration_cookbook.verify.reading.page import Passage, Piece
from migration_cookbook.verify.values.snippet import Expected, Form
from migration_cookbook.verify.values.verdict import Verdict

_PYTHON = frozenset({"python", "python3", "ipython", "ipython3"})
#: What's below these, by the language it is written in.
_BELOW = {"op": "python", "revision": "python", "sql": "sql"}
#: What `%%op --as` calls them.
_AS = {"sql": "sql", "bash": "console", "ini": "ini", "toml": "toml", "env": "python"}
_KINDS = {
    "sqlite": Dialect.SQLITE,
    "postgres": Dialect.POSTGRES,
    "postgresql": Dialect.POSTGRES,
    "pg": Dialect.POSTGRES,
}

_LONGEST_LINE = 20_000
_CELL_MAGIC = re.compile(r"%%(?P<name>\w+)(?P<line>.*)")
_LINE_MAGIC = re.compile(r"\s*(?:%(?P<name>\w+)|!)\s*(?P<line>.*)")
_ON = re.compile(r"(?:^|\s)--on[ =](?P<kind>\w+)")
_ANNOUNCED = re.compile(r"(?P<kind>\w+)(?:<(?P<until>\d{1,6}(?:\.\d{1,6}){0,5}))?,?")


def piece_of_cell(passage: Passage, language: str) -> Piece:
    """What the cell asks a database or Alembic to do, without the magics around it."""
    language = "python" if language.lower() in _PYTHON else language.lower()
    rest = passage.trimmed()
    declared = Declared()
    if language == "python":
        announced, rest = _after_fails(rest)
        declared = Declared(expected=announced)
    if rest.lines and language == "python" and (magic := _CELL_MAGIC.match(rest.lines[0])):
        below = rest.between(1).trimmed()
        if magic["name"] in _BELOW:
            options = _options(magic["line"])
            language = _AS.get(options.get("--as", ""), _BELOW[magic["name"]])
            declared = replace(declared, given=options.get("--given"))
            return Piece(below, language, declared, on=_on(magic["line"]))
        return Piece(rest, language, Declared(), form=Form.UNRELATED)
    if language != "python":
        return Piece(rest, language, declared)
    return _without_cell_magic(rest, declared)


def _after_fails(passage: Passage) -> tuple[dict[Dialect, Expected], Passage]:
    """What the `%%fails` at the top announce, the last of them, and what's below."""
    announced: dict[Dialect, Expected] = {}
    start = 0
    for index, line in enumerate(passage.lines):
        magic = _CELL_MAGIC.match(line)
        if magic is not None and magic["name"] == "fails":
            announced = _announced(magic["line"])
        elif line.strip():
            break
        start = index + 1
    return announced, passage.between(start).trimmed()


def _without_cell_magic(passage: Passage, declared: Declared) -> Piece:
    filled = [line for line in passage.lines if line.strip() and not line.lstrip().startswith("#")]
    magics = [match for line in filled if (match := _LINE_MAGIC.match(line))]
    if not magics:
        return Piece(passage, "python", declared)
    if len(magics) < len(filled):
        return Piece(_python_lines(passage), "python", declared)
    for language, read in (("console", _alembic_line), ("sql", _sql_line)):
        found = [(n, text) for line, n in _placed(passage) if (text := read(line)) is not None]
        if found:
            taken = Passage(tuple(text for _, text in found), tuple(n for n, _ in found))
            return Piece(taken, language, declared, on=_on(" ".join(filled)))
    return Piece(passage, "python", Declared(), form=Form.UNRELATED)


def _placed(passage: Passage) -> list[tuple[str, int]]:
    return list(zip(passage.lines, passage.numbers, strict=True))


def _python_lines(passage: Passage) -> Passage:
    """The Python between line magics, on the same lines."""
    kept = tuple("" if _LINE_MAGIC.match(line) else line for line in passage.lines)
    return replace(passage, lines=kept).trimmed()


def _alembic_line(line: str) -> str | None:
    match = _LINE_MAGIC.match(line)
    if match is None:
        return None
    if match["name"] is None:
        return match["line"] if match["line"].startswith("alembic ") else None
    if match["name"] != "alembic":
        return None
    return f"alembic {_ON.sub('', match['line']).replace('--all-lines', '').strip()}"


def _sql_line(line: str) -> str | None:
    match = _LINE_MAGIC.match(line)
    return _ON.sub("", match["line"]) if match and match["name"] == "sql" else None


def _options(line: str) -> dict[str, str]:
    """The options that have a value after them."""
    if len(line) > _LONGEST_LINE:
        raise InfoMistake(f"the line of a magic has at most {_LONGEST_LINE:,} characters; shorten it")
    try:
        words = shlex.split(line)
    except ValueError:
        return {}
    return {name: value for name, value in pairwise(words) if name.startswith("--")}


def _on(line: str) -> Dialect | None:
    match = _ON.search(line)
    return _KINDS.get(match["kind"].lower()) if match else None


def _announced(line: str) -> dict[Dialect, Expected]:
    expected = {}
    for word in line.split():
        match = _ANNOUNCED.fullmatch(word)
        dialect = _KINDS.get(match["kind"].lower()) if match else None
        if match is None or dialect is None:
            raise InfoMistake(
                f"%%fails does not understand `{truncate(word, 80)}`; write %%fails, or %%fails sqlite<3.53"
            )
        expected[dialect] = Expected(Verdict.FAILS, until=match["until"])
    return expected or {dialect: Expected(Verdict.FAILS) for dialect in BOTH}
