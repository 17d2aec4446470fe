"""`%%op`: one snippet on each database, with tables that are created for it and dropped afterwards."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from migration_cookbook.cells.magic import CellError, CellFailed, CellMagic
from migration_cookbook.cells.options import read
from migration_cookbook.display.answers import Answer
from migration_cookbook.display.parts import Code, Lines, Note, Part
from migration_cookbook.verify import Finding, Form, Snippet, Verdict
from migration_cookbook.worker import Worker
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.cells.notebook import Notebook

_USAGE = "Write %%op or %%op --on sqlite, and op.… lines below it."
_FORMS = (Form.OPERATIONS, Form.FUNCTIONS, Form.REVISION, Form.PYTHON)
#: What is no Python, for the pages that are made of a cheatsheet.
_LANGUAGES = {
    "sql": Form.SQL,
    "bash": Form.COMMANDS,
    "ini": Form.INI,
    "toml": Form.PYPROJECT,
    "env": Form.ENVIRONMENT,
}

_TABLE = re.compile(r"CREATE TABLE (?P<name>\S+) \((?P<columns>.*)\)", re.DOTALL)
_CREATED = re.compile(r"CREATE (?:UNIQUE )?(?P<what>[A-Z]+)(?: IF NOT EXISTS)? (?P<name>[^\s(]+)")
_NO_COLUMN = ("PRIMARY", "FOREIGN", "UNIQUE", "CHECK", "CONSTRAINT", "EXCLUDE")


def op(notebook: Notebook, line: str, cell: str) -> None:
    """Run the snippet, and show its result and what was sent."""
    # Not at the top: a notebook without such a cell would load twice as long.
    from migration_cookbook.verify import Settings, check_one

    options = read("%%op", line, named=("--on", "--as", "--given"), usage=_USAGE)
    language = options.named.get("--as")
    snippet = replace(_snippet(cell, language), given=options.named.get("--given"), trusted=True)
    lacks = {
        dialect: notebook.lack(dialect, "can_run_processes") for dialect in notebook.databases(options.on)
    }
    dialects = tuple(dialect for dialect, lack in lacks.items() if lack is None)
    settings = Settings(notebook.workspace, dialects)
    found = check_one(snippet, settings, _worker()).findings if dialects else {}
    findings = [found[dialect] for dialect in dialects]
    notebook.publish_answers(
        [
            Answer(dialect, (Note(f"not run: {lack}."),) if lack else tuple(_parts(found[dialect])))
            for dialect, lack in lacks.items()
        ],
        sent={finding.dialect: finding.sent + finding.sent_down for finding in findings},
    )
    _raise_on_failure(snippet, findings)


@cache
def _worker() -> Worker:
    """Return the worker, which is ready from the first cell on."""
    from migration_cookbook.verify import RUNNER

    return Worker(RUNNER)


def _snippet(cell: str, language: str | None) -> Snippet:
    from migration_cookbook.verify import Passage, classify

    if language is not None:
        if language not in _LANGUAGES:
            raise CookbookError(f"%%op: --as takes one of {', '.join(_LANGUAGES)}.")
        return Snippet("cell", 2, language, _LANGUAGES[language], cell)
    known = classify("python", Passage.of(cell, 2))
    try:
        compile(known.passage.text, "<cell>", "exec")
    except SyntaxError as error:
        line = known.passage.numbers[(error.lineno or 1) - 1] if known.passage.numbers else 2
        raise CookbookError(f"The code has a syntax error in line {line}: {error.msg}.") from None
    if known.form not in _FORMS:
        raise CookbookError(f"%%op takes what stands in an upgrade(). {_USAGE}")
    return Snippet("cell", known.passage.line, "python", known.form, known.passage.text)


def _parts(finding: Finding) -> Iterator[Part]:
    yield Lines((_headline(finding),))
    if finding.printed:
        # What commands print says what they do; their SQL is every project's.
        yield Lines(finding.printed)
    else:
        yield from _code("", finding.sent)
        yield from _code("On the way down:", finding.sent_down)
    yield from (Note(f"But: {warning}.") for warning in finding.warnings)
    yield from (Note(f"Better: {better}.") for better in finding.better)
    if objects := _describe_objects(finding.assumed):
        yield Note(f"Assumed: {objects}.")


def _headline(finding: Finding) -> str:
    message = " ".join(finding.message.split())
    if finding.verdict is Verdict.FAILS:
        return f"FAILED  {message}"
    if finding.verdict is Verdict.WORKS or not message:
        return finding.verdict.value
    return f"{finding.verdict.value}: {message}"


def _code(caption: str, statements: Sequence[str]) -> Iterator[Part]:
    if statements:
        yield Code(caption, "\n".join(f"{one.rstrip().rstrip(';')};" for one in statements), "sql")


def _describe_objects(statements: Sequence[str]) -> str:
    """Return the tables with their columns, and other objects: `books (id, title)`."""
    objects = []
    for statement in statements:
        if table := _TABLE.match(statement):
            columns = ", ".join(_columns(table["columns"]))
            objects.append(f"`{table['name']} ({columns})`")
        elif created := _CREATED.match(statement):
            objects.append(f"{created['what'].lower()} `{created['name']}`")
    return ", ".join(objects)


def _columns(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for position, character in enumerate(f"{text},"):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            word = text[start:position].split()[:1]
            start = position + 1
            if word and word[0].upper() not in _NO_COLUMN:
                yield word[0]


def _raise_on_failure(snippet: Snippet, findings: Sequence[Finding]) -> None:
    worked_somewhere = any(finding.verdict is Verdict.WORKS for finding in findings)
    for finding in findings:
        # It asked which database this is, and had nothing to do on this one.
        if finding.verdict is Verdict.NOTHING_RAN and worked_somewhere:
            continue
        # Neither works nor fails: nobody can announce that.
        if finding.verdict not in (Verdict.WORKS, Verdict.NOT_RUN) and not finding.verdict.refused:
            raise CellError(f"{finding.dialect.title}: {_headline(finding)}.")
    failed = tuple(finding.dialect for finding in findings if finding.verdict.refused)
    if failed:
        from migration_cookbook.verify import title

        worked = tuple(finding.dialect for finding in findings if finding.verdict is Verdict.WORKS)
        raise CellFailed(title(snippet), failed, worked)


MAGICS = (CellMagic("op", op),)
