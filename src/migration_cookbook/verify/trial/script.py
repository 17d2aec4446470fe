"""From the text of a snippet to functions for the upgrade and the downgrade."""

from __future__ import annotations

import ast
import contextlib
import functools
import re
import textwrap
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import postgast
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migration_cookbook.verify.reading.python_text import has_too_many_fields
from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType

#: What may be at the top of a page and be silently meant in each snippet.
PRELUDE: dict[str, Any] = {"op": op, "sa": sa, "postgresql": postgresql}

#: Before 3.11.8 and 3.12.2, Python counts the depth of syntax trees for all threads together, and fails over it.
_one_thread = threading.Lock()


_MOST_COMMENTS = 2_000
#: Quoted text and comments, to the end of the text where they're never closed; and what's between them.
_SQL_TOKEN = re.compile(
    r"""'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|/\*.*?(?:\*/|$)|;|[^'"`\[;/-]+|[/-]""",
    re.DOTALL,
)
_SPACE = r"(?:\s|--[^\n]*(?:\n|$)|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)*"
_TRIGGER = re.compile(
    rf"{_SPACE}(?:EXPLAIN{_SPACE})?CREATE{_SPACE}(?:TEMP(?:ORARY)?{_SPACE})?TRIGGER\b", re.IGNORECASE
)
_END = re.compile(rf"{_SPACE}END{_SPACE}", re.IGNORECASE)


class NotPython(Exception):
    """The text can't be read."""


@dataclass(frozen=True)
class Script:
    """A snippet that can be run."""

    #: Defines what it depends on; comes first, if there is anything.
    before: Callable[[], None] | None
    up: Callable[[], None]
    down: Callable[[], None] | None
    #: Whether `up` is only definitions that nobody calls.
    idle: bool


def script(
    form: Form, text: str, before: Sequence[tuple[Form, str]], run_sql: Callable[[str], None]
) -> Script:
    """The snippet as functions."""
    if form is Form.SQL:
        return Script(None, lambda: _each(text, run_sql), None, idle=False)
    names: dict[str, Any] = {**PRELUDE, "__name__": "snippet"}
    tree = parse(text)
    ways = _functions(tree) & {"upgrade", "downgrade"} if form in (Form.FUNCTIONS, Form.REVISION) else set()

    def define() -> None:
        for other, earlier in before:
            if other is not Form.SQL:
                _define(other, earlier, names)
        if ways:
            exec(_code(text), names)

    if "upgrade" in ways:
        down = None if _refuses(tree, "downgrade") or "downgrade" not in ways else _call(names, "downgrade")
        return Script(define, _call(names, "upgrade"), down, idle=False)
    if ways:
        # Shown alone, a way down is a way like any other.
        return Script(define, _call(names, "downgrade"), None, idle=False)
    return Script(
        define if before else None, lambda: exec(_code(text), names), None, idle=_only_definitions(tree)
    )


def _functions(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def _call(names: dict[str, Any], name: str) -> Callable[[], None]:
    # As a line of the snippet's: if it takes arguments, or is gone by then, that's the snippet's own mistake.
    called = compile(f"{name}()", "<snippet>", "eval")
    return lambda: eval(called, names)


@functools.lru_cache(maxsize=64)
def parse(text: str) -> ast.Module:
    """The text as Python, wherever it was cut out: indented, or from within a function. Don't change it."""
    if has_too_many_fields(text):
        raise NotPython("its f-strings have too many fields")
    with _one_thread, warnings.catch_warnings():
        # They'd be printed, with its author's characters in them.
        warnings.simplefilter("ignore")
        try:
            return ast.parse(textwrap.dedent(text))
        except SyntaxError as error:
            with contextlib.suppress(SyntaxError):
                # A body with `return` in it, or a first line at column 0 and the rest indented.
                return ast.parse(textwrap.dedent(text.lstrip("\n")).strip())
            raise NotPython(f"{error.msg} (line {error.lineno})") from None
        except (MemoryError, RecursionError, ValueError):
            raise NotPython("it is nested too deeply") from None


def statements(sql: str) -> list[str]:
    """One by one, as psql would send them."""
    try:
        # PostgreSQL's scanner takes a time that grows with the square of their number.
        parts = postgast.split(sql) if sql.count("/*") <= _MOST_COMMENTS else _by_semicolon(sql)
    except postgast.PgQueryError:
        parts = _by_semicolon(sql)
    return [part.strip().rstrip(";").strip() for part in parts if _has_words(part)]


def _by_semicolon(sql: str) -> list[str]:
    """Parted at the semicolons outside of quotes and comments; those within a trigger don't count."""
    found: list[str] = []
    start = last = 0
    is_trigger: bool | None = None
    for token in _SQL_TOKEN.finditer(sql):
        if token[0] != ";":
            continue
        if is_trigger is None:
            is_trigger = _TRIGGER.match(sql, start) is not None
        is_open = is_trigger and not _END.fullmatch(sql, last, token.start())
        last = token.end()
        if not is_open:
            found.append(sql[start : token.end()])
            start, is_trigger = token.end(), None
    return [*found, sql[start:]]


def _has_words(part: str) -> bool:
    lines = [line for line in part.splitlines() if not line.strip().startswith("--")]
    return bool("".join(lines).strip(" ;\n\t"))


def _each(sql: str, run_sql: Callable[[str], None]) -> None:
    for statement in statements(sql):
        run_sql(statement)


def _define(form: Form, text: str, names: dict[str, Any]) -> None:
    """Only what an earlier snippet defines; what else it did has no place here."""
    body = parse(text).body
    if form is Form.OPERATIONS and not any(_operates(node) for node in body):
        body = [node for node in body if not isinstance(node, ast.Expr | ast.With)]
    exec(compile(ast.Module(body, []), "<earlier snippet>", "exec"), names)


def _operates(node: ast.stmt) -> bool:
    """Whether a definition is itself an operation: `roles = op.create_table(…)`. Then all of it is needed."""
    return isinstance(node, ast.Assign) and any(
        isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "op"
        for part in ast.walk(node.value)
    )


@functools.lru_cache(maxsize=64)
def _code(text: str) -> CodeType:
    return compile(parse(text), "<snippet>", "exec")


def _only_definitions(tree: ast.Module) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    has_definition = any(isinstance(node, kinds[:3]) for node in tree.body)
    return has_definition and all(isinstance(node, kinds) or _is_text(node) for node in tree.body)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _refuses(tree: ast.Module, name: str) -> bool:
    """Whether all that the function does is to raise."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            body = [one for one in node.body if not _is_text(one)]
            return bool(body) and isinstance(body[0], ast.Raise)
    return False
