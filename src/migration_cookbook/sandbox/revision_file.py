"""The learner's code in a revision file that Alembic generated."""

from __future__ import annotations

import ast
import re


def with_code(generated: str, code: str) -> str:
    """The generated file with the code's imports among its own, and the rest in place of its functions."""
    imports, body = _split(code)
    head = _before_functions(generated)
    missing = [line for line in imports if line not in head.splitlines()]
    if missing:
        head = _after_imports(head, missing)
    return f"{head.rstrip()}\n\n\n{body.strip()}\n"


def with_message(generated: str, message: str) -> str:
    """The generated file with another message in the first line of its docstring."""
    return re.sub(r'\A"""[^\n]*', lambda _: f'"""{message}', generated, count=1)


def does_nothing(text: str) -> bool:
    """Whether a revision file's way up has no statement in it."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == "upgrade":
            return all(
                isinstance(each, ast.Pass)
                or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
                for each in node.body
            )
    return False


def _split(code: str) -> tuple[list[str], str]:
    """The top-level imports of the code, and everything else with its comments."""
    lines = code.splitlines()
    imports: list[str] = []
    taken: set[int] = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            span = range(node.lineno - 1, node.end_lineno or node.lineno)
            imports.append("\n".join(lines[i] for i in span))
            taken.update(span)
    return imports, "\n".join(line for i, line in enumerate(lines) if i not in taken)


def _before_functions(generated: str) -> str:
    lines = generated.splitlines()
    for node in ast.parse(generated).body:
        if isinstance(node, ast.FunctionDef):
            return "\n".join(lines[: node.lineno - 1])
    return generated


def _after_imports(head: str, missing: list[str]) -> str:
    lines = head.splitlines()
    imports = [node for node in ast.parse(head).body if isinstance(node, ast.Import | ast.ImportFrom)]
    first = imports[0].lineno - 1 if imports else len(lines)
    last = max((node.end_lineno or node.lineno for node in imports), default=len(lines))
    # Python wants these before everything but the docstring.
    future = [line for line in missing if line.startswith("from __future__")]
    others = [line for line in missing if line not in future]
    return "\n".join([*lines[:first], *future, *lines[first:last], *others, *lines[last:]])
