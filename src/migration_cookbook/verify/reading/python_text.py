"""What does this Python do for a migration?

Decided by what it defines and uses, not by how it is laid out. Python that does nothing for one
has no form here.
"""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from migration_cookbook.verify.snippet import Form

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
_MIGRATES = re.compile(r"(?:up|down)grade(?:_\w+)?")
_OPERATES = frozenset({"op", "batch_op"})


def form_of(text: str) -> Form | None:
    """The form, where the text is Python with a part in a migration."""
    module = tree(text)
    if module is None:
        return None
    defined = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assigned = set(_assigned(module))
    migrates = any(_MIGRATES.fullmatch(name) for name in defined)
    if "revision" in assigned and (migrates or "down_revision" in assigned):
        return Form.REVISION
    if migrates:
        return Form.FUNCTIONS
    if defined & _HOOKS or "target_metadata" in assigned or _asks_the_environment(module):
        return Form.ENVIRONMENT
    if any(isinstance(node, ast.Name) and node.id in _OPERATES for node in ast.walk(module)):
        return Form.OPERATIONS
    return None


def form_by_words(text: str) -> Form | None:
    """The same for a text with a syntax error in it, by the words that stand at the begin of its lines."""
    if tree(text) is not None:
        return None
    if re.search(r"^\s*(?:async\s+)?def\s+(?:up|down)grade\w*\s*\(", text, re.MULTILINE):
        is_file = re.search(r"^(?:down_)?revision\b.*=", text, re.MULTILINE)
        return Form.REVISION if is_file else Form.FUNCTIONS
    if re.search(r"^\s*context\.(?:configure|run_migrations)\(|^\s*target_metadata\s*=", text, re.MULTILINE):
        return Form.ENVIRONMENT
    if re.search(r"^\s*(?:with\s+)?(?:batch_)?op\.\w+\s*\(", text, re.MULTILINE):
        return Form.OPERATIONS
    return None


def is_program(text: str) -> bool:
    """Whether a text of which nobody says that it is Python is that beyond doubt."""
    module = tree(text)
    return module is not None and any(
        isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.With | ast.Assign)
        for node in module.body
    )


@lru_cache(maxsize=64)
def tree(text: str) -> ast.Module | None:
    """The text as Python; None if it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            module = compile(text, "<snippet>", "exec", flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return module if isinstance(module, ast.Module) else None


def _assigned(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _asks_the_environment(module: ast.Module) -> bool:
    """Whether it takes something of `context`, or of a `config` that it did not make itself."""
    asked = {
        (node.value.id, node.attr)
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    if asked & {("context", name) for name in _OF_CONTEXT}:
        return True
    return "config" not in _assigned(module) and bool(asked & {("config", name) for name in _OF_CONFIG})
