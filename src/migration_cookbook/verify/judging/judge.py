"""The finding on a snippet, given what came of its trial."""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from migration_cookbook.printable import truncate
from migration_cookbook.verify.judging import advice
from migration_cookbook.verify.trial.script import NotPython, parse
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.verify.values.verdict import Difference, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.values.outcome import Refusal, Trial
    from migration_cookbook.verify.values.snippet import Snippet

_PLACEHOLDER = re.compile(
    r"<[a-z][\w -]*>|\{\{[^{}\n]*\}\}|\byour[_-]\w+|\bYOUR_\w+|\[(?:table|column|name)\]", re.IGNORECASE
)
_DOTS = re.compile(r"(?<![\w.])\.\.\.(?![\w.])|…")
_KNOWN_NAMES = ("op", "sa", "postgresql", "upgrade", "downgrade", "True", "False", "None", "bind", "conn")
#: Exceptions that say that something of the author's project is not here.
_OF_THE_PROJECT = ("ModuleNotFoundError", "ImportError", "FileNotFoundError")
#: A snippet that connects elsewhere is refused before it connects.
_ANOTHER_DATABASE = "Refused"
#: A longer message has somebody's text in it; what a database says in its own words comes first.
_LONGEST_MESSAGE = 2_000
_LEFT = {"+": "is still there", "-": "is missing", "~": "(as it was not before)"}
_LIBRARIES = ("sqlalchemy", "alembic")
_MISSING_IN_SQL = re.compile(
    r"role \"(?P<role>\w+)\" does not exist|function (?P<function>[\w.]+)\(.*\) does not exist"
    r"|no such function: (?P<sqlite>\w+)|text search configuration \"(?P<search>\w+)\" does not exist"
)


def placeholder(snippet: Snippet) -> str | None:
    """What stands in it for something else; None where all is meant as it is written."""
    if snippet.form in (Form.OPERATIONS, Form.FUNCTIONS, Form.REVISION, Form.PYTHON):
        return _placeholder_in_python(snippet.text)
    text = re.sub(r"--.*|#.*", "", snippet.text)
    found = _PLACEHOLDER.search(text) or (_DOTS.search(text) if snippet.form is Form.SQL else None)
    return found[0] if found else None


def _placeholder_in_python(text: str) -> str | None:
    try:
        tree = parse(text)
    except NotPython:
        found = _PLACEHOLDER.search(text) or _DOTS.search(text)
        return found[0] if found else None
    # What stands alone as a statement is a docstring, or does nothing.
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value is Ellipsis:
            return "..."
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = _PLACEHOLDER.search(node.value) or re.fullmatch(r"\s*(\.\.\.|…)\s*", node.value)
            if found and id(node) not in alone:
                return found[0].strip()
        if isinstance(node, ast.Name) and re.match(r"your_|YOUR_", node.id):
            return node.id
    return None


def judge(snippet: Snippet, dialect: Dialect, trial: Trial) -> Finding:
    """The verdict, with all that belongs to it."""
    verdict, message = _verdict(snippet, trial)
    text = _spoken(snippet.text)
    warnings = list(_warnings(trial))
    if verdict.passes:
        warnings += [*advice.ignored(text, dialect), *((Difference.OFFLINE, one) for one in trial.offline)]
    return Finding(
        dialect=dialect,
        verdict=verdict,
        message=message,
        sent=trial.sent,
        sent_down=trial.sent_down,
        printed=trial.printed,
        warnings=tuple(dict.fromkeys(sentence for _, sentence in warnings)),
        better=tuple(dict.fromkeys(advice.better_ways(text, dialect, message))),
        assumed=trial.assumed,
        locks=trial.locks,
        fingerprint=trial.fingerprint,
        differences=tuple(dict.fromkeys(difference for difference, _ in warnings)),
        needs_batch=advice.needs_batch(text, dialect, message),
    )


def _warnings(trial: Trial) -> Iterator[tuple[Difference, str]]:
    """What was seen in the trial, whatever its verdict."""
    yield from ((Difference.INSERT_FAILS, one) for one in trial.unusable)
    yield from ((Difference.OTHER, one) for one in (*trial.untyped, *trial.doubtful))


def _spoken(text: str) -> str:
    """Without the comments."""
    return re.sub(r"(?m)(^|\s)(#|--\s).*$", "", text)


def _verdict(snippet: Snippet, trial: Trial) -> tuple[Verdict, str]:
    if trial.not_run:
        return Verdict.NOT_RUN, trial.not_run
    if trial.refusal is not None:
        kind = trial.refusal.kind
        said = truncate(trial.refusal.message, _LONGEST_MESSAGE)
        words = f"{kind}: {said}" if kind else said
        if trial.outside:
            return Verdict.OUTSIDE, words
        missing = missing_context(trial.refusal)
        if missing:
            return Verdict.NEEDS_CONTEXT, missing
        where = {"down": "the downgrade fails: ", "up again": "up again fails: "}.get(trial.ended, "")
        return Verdict.FAILS, where + words
    if trial.left:
        return Verdict.FAILS, "after the downgrade " + "; ".join(_left(change) for change in trial.left[:3])
    if trial.idle or (not trial.ran and not _only_imports(snippet)):
        return (
            Verdict.NOTHING_RAN,
            "it only defines something" if trial.idle else "no operation and no statement ran",
        )
    if trial.ended != "done":
        return Verdict.NOT_DECIDED, "its trial did not come to an end"
    return Verdict.WORKS, ""


def _left(change: str) -> str:
    sign, _, subject = change.partition(" ")
    name = subject.split(":")[0] if sign != "~" else subject
    # A trial that ran contained may report anything.
    return f"{name} {_LEFT.get(sign, 'differs')}"


def _only_imports(snippet: Snippet) -> bool:
    if snippet.form is Form.SQL:
        return False
    body = parse(snippet.text).body
    return bool(body) and all(isinstance(node, ast.Import | ast.ImportFrom) for node in body)


def missing_context(refusal: Refusal) -> str | None:
    """What only the author has; None where the mistake is the snippet's own."""
    if refusal.kind == _ANOTHER_DATABASE:
        return f"it {refusal.message}"
    refusal = replace(refusal, message=truncate(refusal.message, _LONGEST_MESSAGE))
    if refusal.kind == "NameError":
        name = re.search(r"name '(\w+)' is not defined", refusal.message)
        if name and not difflib.get_close_matches(name[1], _KNOWN_NAMES, 1, 0.75):
            return f"the name {name[1]}"
        return None
    if refusal.kind in _OF_THE_PROJECT:
        library = any(f"'{name}" in refusal.message for name in _LIBRARIES)
        return None if library else refusal.message
    if refusal.kind == "KeyError" and refusal.message.isupper():
        return f"the environment variable {refusal.message}"
    found = _MISSING_IN_SQL.search(refusal.message)
    if found is None:
        return None
    if found["role"]:
        return f"the role {found['role']}"
    if found["search"]:
        return f"the text search configuration {found['search']}"
    if found["sqlite"] or refusal.known_function:
        return None
    return f"the function {found['function']}"
