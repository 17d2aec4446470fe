"""The snippets of a Python file.

The file itself, where it is a revision or an env.py or defines an `upgrade()`; and the code in its
docstrings.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.verify.reading import docstrings, python_text
from migration_cookbook.verify.reading.format import PageFormat
from migration_cookbook.verify.reading.info import Declared
from migration_cookbook.verify.reading.page import PageMistake, Passage, Piece
from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENING = re.compile(r"(?P<prefix>[rRuU]*)(?P<quote>\"\"\"|'''|\"|')")
_WHOLE_FILES = (Form.REVISION, Form.FUNCTIONS, Form.ENVIRONMENT)


def pieces(file: str, text: str) -> Iterator[Piece]:
    """Yield the file as a snippet, where it is one, and those in its docstrings."""
    passage = Passage.of(text)
    if reason := python_text.unreadable(passage.text):
        raise PageMistake(file, 1, reason)
    form = python_text.form_of(passage.text) or python_text.form_by_words(passage.text)
    if form in _WHOLE_FILES or (form is Form.OPERATIONS and _operates_at_once(passage.text)):
        yield Piece(passage, "python", Declared(), form=form)
    code = python_text.read_code(passage.text)
    if code is None:
        return
    for docstring in _docstrings(code):
        yield from docstrings.pieces(file, _text_of(docstring, passage))


def _operates_at_once(text: str) -> bool:
    """A script of operations, not a library of helpers that are called elsewhere."""
    code = python_text.read_code(text)
    return code is not None and any(
        _form_alone(node) is Form.OPERATIONS
        for node in code.module.body
        if not isinstance(node, python_text.Definition)
    )


def _form_alone(node: ast.stmt) -> Form | None:
    code = python_text.survey(ast.Module([node], []))
    return None if code is None else code.form


def _docstrings(code: python_text.Code) -> Iterator[ast.Constant]:
    for node in (code.module, *code.definitions):
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            yield first.value


def _text_of(docstring: ast.Constant, passage: Passage) -> Passage:
    """What the docstring says, each of its lines with the line of the file that it is written on."""
    start, end = docstring.lineno - 1, docstring.end_lineno or docstring.lineno
    written = list(passage.lines[start:end])
    # Columns count bytes, not characters.
    written[-1] = written[-1].encode()[: docstring.end_col_offset].decode()
    written[0] = written[0].encode()[docstring.col_offset :].decode()
    opening = _OPENING.match(written[0])
    value = str(docstring.value)
    if opening is None or not written[-1].endswith(opening["quote"]):
        return Passage(tuple(value.split("\n")), (docstring.lineno,) * (value.count("\n") + 1))
    written[-1] = written[-1].removesuffix(opening["quote"])
    written[0] = written[0].removeprefix(opening[0])
    numbers = passage.numbers[start:end]
    if "r" not in opening["prefix"].lower():
        written, numbers = _unescaped(written, numbers)
    return _without_margin(written, numbers, docstring.col_offset)


def _unescaped(written: list[str], numbers: tuple[int, ...]) -> tuple[list[str], tuple[int, ...]]:
    """The lines that the text has once its escapes are read."""
    lines: list[str] = []
    places: list[int] = []
    goes_on = False
    for line, number in zip(written, numbers, strict=True):
        ends = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        read = _read_escapes(line[:-1] if ends else line).split("\n")
        if goes_on:
            lines[-1] += read.pop(0)
        lines += read
        places += [number] * (len(lines) - len(places))
        goes_on = ends
    return lines, tuple(places)


def _read_escapes(line: str) -> str:
    if "\\" not in line:
        return line
    quoted = re.sub(r'(\\.)|"', lambda match: match[1] or '\\"', line)
    try:
        with warnings.catch_warnings():
            # An escape that Python does not know stands for itself, with a warning.
            warnings.simplefilter("ignore")
            return str(ast.literal_eval(f'"{quoted}"'))
    except (SyntaxError, ValueError):
        return line


def _without_margin(lines: list[str], numbers: tuple[int, ...], column: int) -> Passage:
    """Without the docstring's own indentation: that of its quotes, where text begins beside them."""
    rest = Passage(tuple(lines[1:]), numbers[1:])
    if lines[0].strip():
        kept = tuple(line[min(column, len(line) - len(line.lstrip())) :] for line in rest.lines)
        rest = replace(rest, lines=kept)
    else:
        rest = rest.dedented()
    return Passage((lines[0].lstrip(), *rest.lines), numbers)


FORMAT = PageFormat((".py",), pieces, in_tests=False, names_encoding=True)
