"""The part that a piece of Python has in a migration.

Decided by what it defines and uses, not by how it is laid out. Python that does nothing for one
has no form here.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What an env.py defines for Alembic to call.
_HOOKS = frozenset(
    [
        "run_migrations_offline",
        "run_migrations_online",
        "run_async_migrations",
        "do_run_migrations",
        "include_object",
        "include_name",
        "process_revision_directives",
        "render_item",
        "compare_type",
        "compare_server_default",
    ]
)
#: What only an env.py asks of `context`.
_OF_CONTEXT = frozenset(
    {
        "configure",
        "run_migrations",
        "begin_transaction",
        "is_offline_mode",
        "get_tag_argument",
        "config",
        "script",
    }
)
#: What it asks of its `config`.
_OF_CONFIG = frozenset(
    {"set_main_option", "get_main_option", "get_section", "config_ini_section", "config_file_name"}
)
#: Levels of a syntax tree; code that people write has a tenth. What reads trees goes down step by step.
_DEEPEST = 300
#: CPython 3.11 reads an f-string in a time that grows with the square of its fields.
_MOST_FIELDS = 10_000
_F_STRING = re.compile(r"\b(?:[fF][rR]?|[rR][fF])[\"']")
_TOO_DEEP = "this Python is nested too deeply to be read; split the expression"
_TOO_MANY_FIELDS = f"this Python has f-strings and more than {_MOST_FIELDS} braces; split it"
#: What the parser says where it gives up, or would.
_GIVES_UP = re.compile(
    r"too many (?:nested|levels)|nested too deeply|stack overflow|too complex", re.IGNORECASE
)
#: Texts up to this length are kept parsed, as each is asked for several times.
_SMALL = 50_000
_MIGRATES = re.compile(r"(?:up|down)grade(?:_\w+)?")
_OPERATES = frozenset({"op", "batch_op"})


#: What has a name, a body, and perhaps a docstring.
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Code:
    """Python that is parsed, with what one walk through its tree finds."""

    module: ast.Module
    #: Every name in it, and those that something is assigned to.
    names: frozenset[str]
    stored: frozenset[str]
    #: `op.add_column` as (`op`, `add_column`).
    attributes: frozenset[tuple[str, str]]
    #: From the outside in, at each level in the order of the text.
    definitions: tuple[Definition, ...]

    @property
    def form(self) -> Form | None:
        """The form, where it has a part in a migration."""
        defined = {
            node.name for node in self.module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assigned = set(_assigned(self.module))
        migrates = any(_MIGRATES.fullmatch(name) for name in defined)
        if "revision" in assigned and (migrates or "down_revision" in assigned):
            return Form.REVISION
        if migrates:
            return Form.FUNCTIONS
        if defined & _HOOKS or "target_metadata" in assigned or self._asks_the_environment(assigned):
            return Form.ENVIRONMENT
        return Form.OPERATIONS if self.names & _OPERATES else None

    def _asks_the_environment(self, assigned: set[str]) -> bool:
        """Whether it takes something of `context`, or of a `config` that it did not make itself."""
        if not self.attributes.isdisjoint(("context", name) for name in _OF_CONTEXT):
            return True
        return "config" not in assigned and not self.attributes.isdisjoint(
            ("config", name) for name in _OF_CONFIG
        )


def form_of(text: str) -> Form | None:
    """The form, where the text is Python with a part in a migration."""
    code = read_code(text)
    return None if code is None else code.form


def form_by_words(text: str) -> Form | None:
    """The same for a text with a syntax error in it, by the words at the beginnings of its lines."""
    if read_code(text) is not None:
        return None
    if re.search(r"^[^\S\n]*(?:async\s+)?def\s+(?:up|down)grade\w*\s*\(", text, re.MULTILINE):
        is_file = re.search(r"^(?:down_)?revision\b.*=", text, re.MULTILINE)
        return Form.REVISION if is_file else Form.FUNCTIONS
    if re.search(
        r"^[^\S\n]*(?:context\.(?:configure|run_migrations)\(|target_metadata\s*=)", text, re.MULTILINE
    ):
        return Form.ENVIRONMENT
    if re.search(r"^[^\S\n]*(?:with\s+)?(?:batch_)?op\.\w+\s*\(", text, re.MULTILINE):
        return Form.OPERATIONS
    return None


def is_program(text: str) -> bool:
    """Whether a text of which nobody says that it is Python is that beyond doubt."""
    code = read_code(text)
    return code is not None and any(
        isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.With | ast.Assign)
        for node in code.module.body
    )


def read_code(text: str) -> Code | None:
    """The text as Python; None if it isn't Python, or can't be read."""
    parsed = _parsed(text)
    return parsed if isinstance(parsed, Code) else None


def unreadable(text: str) -> str | None:
    """Why this Python can't be read, and what to do; None if it can, or has a mistake in its syntax."""
    parsed = _parsed(text)
    return parsed if isinstance(parsed, str) else None


def has_too_many_fields(text: str) -> bool:
    """Whether Python may need minutes for the f-strings in a text."""
    return text.count("{") > _MOST_FIELDS and _F_STRING.search(text) is not None


def _parsed(text: str) -> Code | str | None:
    # A file and the snippet in it differ by a line end, and are parsed once.
    text = text.rstrip("\n")
    return (_parsed_small if len(text) <= _SMALL else _parsed_large)(text)


def _parse(text: str) -> Code | str | None:
    if has_too_many_fields(text):
        return _TOO_MANY_FIELDS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            module = compile(text, "<snippet>", "exec", flags)
    except SyntaxError as error:
        return _TOO_DEEP if _GIVES_UP.search(error.msg or "") else None
    except ValueError:
        return None
    except (RecursionError, MemoryError):
        return _TOO_DEEP
    assert isinstance(module, ast.Module)
    return survey(module) or _TOO_DEEP


_parsed_small = lru_cache(maxsize=64)(_parse)
_parsed_large = lru_cache(maxsize=1)(_parse)


def survey(module: ast.Module) -> Code | None:
    """Walk through the tree, level by level; None if it has more levels than are read."""
    names: set[str] = set()
    stored: set[str] = set()
    attributes: set[tuple[str, str]] = set()
    definitions: list[Definition] = []
    level: list[ast.AST] = [module]
    for _ in range(_DEEPEST):
        below: list[ast.AST] = []
        for node in level:
            if isinstance(node, ast.Name):
                names.add(node.id)
                if isinstance(node.ctx, ast.Store):
                    stored.add(node.id)
            elif isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name):
                    attributes.add((node.value.id, node.attr))
            elif isinstance(node, Definition):
                definitions.append(node)
            # `ast.iter_child_nodes` takes twice the time.
            for value in vars(node).values():
                if isinstance(value, ast.AST):
                    below.append(value)
                elif isinstance(value, list):
                    below += [each for each in value if isinstance(each, ast.AST)]
        if not below:
            return Code(
                module, frozenset(names), frozenset(stored), frozenset(attributes), tuple(definitions)
            )
        level = below
    return None


def _assigned(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))
