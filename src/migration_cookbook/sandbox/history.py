"""The revisions of a project, and those that a database is at."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from migration_cookbook.sandbox import boundary
from migration_cookbook.sandbox.commandline import describe, fresh_logging, importing_from, tidy
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(frozen=True)
class Entry:
    """One revision of the project."""

    id: str
    message: str
    down: tuple[str, ...]
    labels: tuple[str, ...]
    path: Path


def entries(folder: Path) -> tuple[Entry, ...]:
    """Return the project's revisions, from the oldest to the newest."""
    try:
        # Reading a revision file runs it. What there is to warn of, the command itself shows.
        with importing_from(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scripts = list(script_directory(folder).walk_revisions())
    except CookbookError:
        raise
    except Exception as error:
        failure = describe(error, folder)
        said = f"{failure.kind} {' '.join(failure.message)}".strip()
        place = f" ({failure.where})" if failure.where else ""
        raise CookbookError(f"Alembic can't read the revisions: {said}{place}") from None
    return tuple(
        Entry(
            script.revision,
            (script.doc or "").splitlines()[0] if script.doc else "",
            _tuple(script.down_revision),
            tuple(sorted(script.branch_labels)),
            Path(script.path),
        )
        for script in reversed(scripts)
    )


def entries_or_none(folder: Path) -> tuple[Entry, ...]:
    """Return the project's revisions, none where they can't be read."""
    try:
        return entries(folder)
    except CookbookError:
        return ()


def by_their_text(folder: Path) -> tuple[Entry, ...]:
    """Return the revisions that the files name. Where one file can't be run, Alembic reads none of them."""
    found = []
    for path in sorted(folder.glob("*/versions/*.py")):
        text = path.read_text(encoding="utf-8")
        if revision := re.search(r"""^revision\b[^=\n]*=\s*['"]([^'"]+)['"]""", text, re.MULTILINE):
            message = re.match(r'"""([^\n]*)', text)
            found.append(Entry(revision[1], message[1] if message else "", (), (), path))
    return tuple(found)


def script_directory(folder: Path) -> ScriptDirectory:
    """Return the project's script directory, by its own configuration."""
    if not (folder / "alembic.ini").is_file() and not (folder / "pyproject.toml").is_file():
        raise CookbookError("There is no alembic.ini here yet. `%alembic init migrations` makes one.")
    try:
        with fresh_logging():
            config = Config(file_=str(folder / "alembic.ini"), toml_file=str(folder / "pyproject.toml"))
            boundary.require_own_configuration(config, folder)
            directory = ScriptDirectory.from_config(config)
            boundary.require_own_scripts(directory, folder)
            return directory
    except CommandError as error:
        raise CookbookError(tidy(str(error), folder)) from None


def place(connection: sa.Connection) -> tuple[str, ...]:
    """Return the revisions that the database is at; none is base."""
    master, column = (
        ("sqlite_master", "name") if connection.dialect.name == "sqlite" else ("pg_class", "relname")
    )
    if not connection.exec_driver_sql(f"SELECT 1 FROM {master} WHERE {column} = 'alembic_version'").first():
        return ()
    rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version ORDER BY version_num")
    return tuple(row[0] for row in rows)


def _tuple(value: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
