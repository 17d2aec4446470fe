"""Classify a text by its kind.

The text decides first and the fence's language second: a fence may name no language, or the wrong
one. What comes after a prompt is a transcript, and is taken apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.verify.reading import python_text, transcripts
from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from migration_cookbook.verify.reading.page import Passage

_PYTHON = frozenset({"python", "py", "python3", "py3", "ipython", "ipython3", "pycon", "python-repl"})
_SQL = frozenset(
    {"sql", "postgresql", "postgres", "postgresql-console", "pgsql", "plpgsql", "psql", "sqlite", "sqlite3"}
)
_CONSOLE = frozenset(
    {
        "bash",
        "sh",
        "shell",
        "zsh",
        "fish",
        "console",
        "shell-session",
        "shellsession",
        "sh-session",
        "terminal",
    }
    | {"bat", "batch", "cmd", "dos", "doscon", "powershell", "pwsh", "ps1", "ps1con"}
)
_INI = frozenset({"ini", "cfg", "conf", "dosini"})
_TOML = frozenset({"toml"})
#: Names for no language at all.
_PLAIN = frozenset({"", "text", "txt", "plain", "plaintext", "none", "output", "code", "default"})

#: In which a line of Python is not one that runs.
_CHANGES = frozenset({"diff", "patch"})

#: The languages whose fences may hold snippets.
LANGUAGES = _PYTHON | _SQL | _CONSOLE | _INI | _TOML

_COMMENT = re.compile(r"\s+|--[^\n]*|/\*.*?\*/", re.DOTALL)
_STATEMENT = re.compile(
    r"""(?:
        SELECT\s[\s\S]*?(?:\bFROM\b|;|\() | SELECT\s+\S+\s*$ | INSERT\s+(?:OR\s+\w+\s+)?INTO\s | UPDATE\s+(?:ONLY\s+)?\S+(?:\s+(?:AS\s+)?\w+)?\s+SET\s+\S+\s*=
      | DELETE\s+FROM\s | WITH\s+(?:RECURSIVE\s+)?\w[^\n]*\bAS\b | MERGE\s+INTO\s | TRUNCATE\s+(?:TABLE\s+)?\w+
      | (?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+|TEMP(?:ORARY)?\s+|UNLOGGED\s+|MATERIALIZED\s+|FOREIGN\s+)*
        (?:TABLE|INDEX|VIEW|TYPE|SEQUENCE|SCHEMA|FUNCTION|PROCEDURE|TRIGGER|EXTENSION|DOMAIN|ROLE|USER|POLICY|DATABASE
          |RULE|AGGREGATE|COLLATION|STATISTICS|PUBLICATION|EVENT|OPERATOR|CAST|DEFAULT|VIRTUAL)\b
      | (?:BEGIN|COMMIT|ROLLBACK|VACUUM|ANALYZE|START\s+TRANSACTION|CHECKPOINT|SAVEPOINT\s+\w+)\b[^\n;]*;
      | REINDEX\s | CLUSTER\s+\w | PRAGMA\s+\w | EXPLAIN\s | GRANT\s | REVOKE\s[\s\S]*\bFROM\b | COMMENT\s+ON\s | DO\s+\$
      | LOCK\s+TABLE\s | REFRESH\s+MATERIALIZED\s | ATTACH\s+(?:DATABASE\s+)?'
      | (?:SET|RESET|SHOW)\s+(?:LOCAL\s+|SESSION\s+)?\w[^\n;]*;
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_INI_SECTION = re.compile(
    r"^[^\S\n]*\[(?:alembic(?::\w+)?|post_write_hooks|loggers|handlers|formatters|(?:logger|handler|formatter)_\w+)\][^\S\n]*(?:[#;].*)?$",
    re.MULTILINE,
)
_INI_KEY = re.compile(
    r"^\s*(?:[#;]\s*)?(?:sqlalchemy\.\w+|script_location|file_template|version_locations|version_path_separator"
    r"|path_separator|recursive_version_locations|prepend_sys_path|truncate_slug_length|revision_environment"
    r"|sourceless|output_encoding|timezone|hooks|databases|\w+\.(?:type|entrypoint|executable|module|options))\s*[=:]",
    re.MULTILINE,
)
_FENCE = re.compile(r"^[^\S\n]*(?:```|~~~)", re.MULTILINE)
_TOML_SECTION = re.compile(r"^[^\S\n]*\[\[?\s*tool\.alembic(?:\.\w+)*\s*\]\]?", re.MULTILINE)


@dataclass(frozen=True)
class Classified:
    """A text, without the prompts it may have had, and what it is."""

    form: Form
    passage: Passage
    answers: tuple[str, ...] = ()


def classify(language: str, passage: Passage, form: Form | None = None) -> Classified:
    """Return the form that the text has, seen together with the language that its fence names.

    `form` is that of a text whose reader knows it already.
    """
    passage = passage.trimmed().dedented()
    if passage.blank or language in _CHANGES:
        return Classified(Form.UNRELATED, passage)
    if transcripts.is_python(passage):
        passage, language = transcripts.python_lines(passage), "python"
        if passage.blank:
            return Classified(Form.UNRELATED, passage)
    elif transcripts.is_sql(passage):
        statements, answers = transcripts.statements(passage)
        return Classified(Form.SQL if statements.lines else Form.UNRELATED, statements, answers)
    commands, answers = transcripts.commands(passage, script=language in _CONSOLE - {"console"})
    if commands.lines and (language in _CONSOLE or transcripts.begins_with_command(passage)):
        return Classified(Form.COMMANDS, commands, answers)
    return Classified(form or _form(language, passage.text), passage)


def _form(language: str, text: str) -> Form:
    if _TOML_SECTION.search(text) and language in _TOML | _PLAIN | _INI:
        return Form.PYPROJECT
    if _is_ini(language, text):
        return Form.INI
    if form := python_text.form_of(text):
        return form
    if language in _SQL:
        return Form.SQL
    if language in _PYTHON:
        return python_text.form_by_words(text) or (Form.SQL if _is_sql(text) else Form.PYTHON)
    if _is_sql(text) and language in _PLAIN | _CONSOLE | _INI | _TOML:
        return Form.SQL
    if language in _PLAIN and not _FENCE.search(text):
        return python_text.form_by_words(text) or (
            Form.PYTHON if python_text.is_program(text) else Form.UNRELATED
        )
    return Form.UNRELATED


def _is_ini(language: str, text: str) -> bool:
    if language in _TOML:
        return False
    if _INI_SECTION.search(text):
        return language in _INI | _PLAIN or python_text.read_code(text) is None
    return bool(_INI_KEY.match(_first_setting(text))) and language in _INI | _PLAIN


def _first_setting(text: str) -> str:
    """The first line that is no comment; else the first, which may be a setting behind its comment sign."""
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if not line.lstrip().startswith(("#", ";"))), lines[0])


def _is_sql(text: str) -> bool:
    start = 0
    while comment := _COMMENT.match(text, start):
        start = comment.end()
    return _STATEMENT.match(text, start) is not None
