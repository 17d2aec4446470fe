"""The cell language: a cell shows what you type in your own project; the magic adds where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.cells import (
    alembic_magic,
    fails_magic,
    file_magics,
    locks_magic,
    op_magic,
    practice_magics,
    revision_magic,
    revisions_magic,
    sandbox_magic,
    schema_magic,
    sql_magic,
)
from migration_cookbook.cells.magic import register
from migration_cookbook.cells.notebook import Notebook
from migration_cookbook.databases.environment import clean_environment

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_MAGICS = (
    sandbox_magic.MAGICS
    + alembic_magic.MAGICS
    + revision_magic.MAGICS
    + fails_magic.MAGICS
    + op_magic.MAGICS
    + sql_magic.MAGICS
    + schema_magic.MAGICS
    + revisions_magic.MAGICS
    + locks_magic.MAGICS
    + file_magics.MAGICS
    + practice_magics.MAGICS
)


def load(shell: InteractiveShell) -> None:
    """Make the magics known to the shell; a second time changes nothing."""
    if getattr(shell, "migration_cookbook", None) is not None:
        return
    # The reader's own DATABASE_URL, PGHOST or ALEMBIC_CONFIG must not be used by accident.
    clean_environment()
    notebook = Notebook(shell)
    shell.migration_cookbook = notebook
    for magic in _MAGICS:
        register(notebook, magic)
    # IPython prints a sentence about an extension that it knows to be loaded.
    known = shell.extension_manager.loaded
    shell.events.register("post_run_cell", lambda _result: known.discard("migration_cookbook"))
