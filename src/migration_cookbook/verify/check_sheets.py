"""What comes of the snippets of some files with the libraries that are installed here, as JSON.

Whoever asks may live in an environment with other versions, and start this as a process.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.environment import clean_environment
from migration_cookbook.verify.judging.versions import database_versions
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.process.trust import mark_trusted
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migration_cookbook.verify.values.checked import Checked
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.verify.values.verdict import Finding
    from migration_cookbook.workspace import Workspace

#: What is sent to a database for its own sake. All else is the same on each of them.
_FOR_DATABASES = (Form.OPERATIONS, Form.FUNCTIONS, Form.REVISION, Form.PYTHON, Form.SQL)


def check_sheets(paths: Sequence[Path], dialects: Sequence[Dialect], workspace: Workspace) -> dict[str, Any]:
    """Return the versions, and by file what came of each snippet."""
    snippets = {
        path.stem: [one for one in read(path) if one.form is not Form.UNRELATED and one.skip is None]
        for path in paths
    }
    found = _check_together([one for of_file in snippets.values() for one in of_file], dialects, workspace)
    return {
        "alembic": version("alembic"),
        "sqlalchemy": version("sqlalchemy"),
        "sqlite": sqlite3.sqlite_version,
        "postgres": database_versions(workspace, dialects).get(Dialect.POSTGRES, ""),
        "files": {
            name: [
                {"text": one.text, "findings": _findings(found[one.place])}
                for one in of_file
                if one.place in found
            ]
            for name, of_file in snippets.items()
        },
    }


def _check_together(
    snippets: Sequence[Snippet], dialects: Sequence[Dialect], workspace: Workspace
) -> dict[str, Checked]:
    """By place; all together, because what takes time is the start."""
    for_databases = [one for one in snippets if one.form in _FOR_DATABASES]
    others = [one for one in snippets if one.form not in _FOR_DATABASES] if Dialect.SQLITE in dialects else []
    checked = [
        *(check(mark_trusted(for_databases), Settings(workspace, tuple(dialects))) if for_databases else ()),
        *(check(mark_trusted(others), Settings(workspace, (Dialect.SQLITE,))) if others else ()),
    ]
    return {one.snippet.place: one for one in checked}


def _findings(checked: Checked) -> dict[str, Any]:
    return {
        dialect.value: _finding(checked.snippet, finding) for dialect, finding in checked.findings.items()
    }


def _finding(snippet: Snippet, finding: Finding) -> dict[str, Any]:
    return {"verdict": finding.verdict.value, "sent": list(sent(snippet, finding))}


def sent(snippet: Snippet, finding: Finding) -> tuple[str, ...]:
    """The SQL that is the snippet's own; a project's bookkeeping is not."""
    return finding.sent if snippet.form in _FOR_DATABASES else ()


def main(arguments: Sequence[str]) -> None:
    """`sqlite,postgres a.md b.md`: the answer goes to standard output."""
    clean_environment()
    dialects = [Dialect(name) for name in arguments[0].split(",")]
    answer = check_sheets([Path(name) for name in arguments[1:]], dialects, open_workspace())
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
