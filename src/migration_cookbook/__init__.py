"""The Migration Cookbook: database migrations in which every line ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__version__ = "0.1.0"


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext migration_cookbook`: the cell language."""
    # Imported here because the layers below `cells` work without IPython.
    from migration_cookbook import cells

    cells.load(shell)
