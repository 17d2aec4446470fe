"""What else could run the same snippets? Without any inference: their world is given."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from migration_cookbook.databases.kinds import BOTH, Kind
from migration_cookbook.verify import places
from migration_cookbook.verify.recording import installed
from migration_cookbook.verify.script import script
from migration_cookbook.verify.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.verify.verdict import Checked

_ENVIRONMENT = """
import os
import sqlalchemy as sa
from alembic import context

with sa.create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
_HEAD = """
from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision, down_revision = "a1", None

"""


def plain_loop(checked: Sequence[Checked], url: sa.URL) -> float:
    """Seconds for all of them in this process, one after the other: up, and down and up again where both exist."""
    start = time.perf_counter()
    for one in checked:
        for kind in BOTH:
            world = one.findings[kind].assumed
            here = places.in_memory(world) if kind is Kind.SQLITE else places.in_transaction(url, world)
            with here as ground:
                _up_down_up(one, ground.connection)
    return time.perf_counter() - start


def _up_down_up(checked: Checked, connection: sa.Connection) -> None:
    snippet = checked.snippet
    before = [(other.form, other.text) for other in snippet.leans_on]
    made = script(snippet.form, snippet.text, before, lambda sql: places.raw(connection, sql))
    context = MigrationContext.configure(connection)
    with installed(Operations(context)):
        if made.before is not None:
            made.before()
        made.up()
        if made.down is not None:
            made.down()
            # Else Alembic takes an enum type of the first way up for still there.
            context.impl.memo.clear()
            made.up()


def subprocesses(checked: Sequence[Checked], url: sa.URL) -> float:
    """Seconds for all of them with the alembic command, on one database after the other."""
    return sum(sum(_commands(one, kind, url)) for one in checked for kind in BOTH)


def fit_for_subprocess(checked: Checked) -> bool:
    """Whether the snippet alone makes a revision."""
    return checked.snippet.form in (Form.OPERATIONS, Form.FUNCTIONS) and not checked.snippet.leans_on


def _commands(checked: Checked, kind: Kind, url: sa.URL) -> Iterator[float]:
    with tempfile.TemporaryDirectory(prefix="cookbook-bench-") as name:
        folder = Path(name)
        own = url if kind is Kind.POSTGRES else sa.URL.create("sqlite", database=str(folder / "shop.db"))
        text, both_ways = checked.snippet.text, checked.snippet.form is Form.FUNCTIONS
        if not both_ways:
            text = f"def upgrade():\n{textwrap.indent(textwrap.dedent(text), '    ')}"
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n", encoding="utf-8")
        (folder / "env.py").write_text(_ENVIRONMENT, encoding="utf-8")
        (folder / "versions").mkdir()
        (folder / "versions" / "a1.py").write_text(_HEAD + text, encoding="utf-8")
        both_ways = both_ways and "def downgrade" in text
        with places.in_database(own, checked.findings[kind].assumed, keep=False):
            for line in ("upgrade head", "downgrade base", "upgrade head")[: 3 if both_ways else 1]:
                start = time.perf_counter()
                subprocess.run(
                    [Path(sys.executable).with_name("alembic"), *line.split()],
                    cwd=folder,
                    env=os.environ | {"DATABASE_URL": own.render_as_string(hide_password=False)},
                    check=True,
                    capture_output=True,
                )
                yield time.perf_counter() - start


def sybil_installed() -> bool:
    return importlib.util.find_spec("sybil") is not None
