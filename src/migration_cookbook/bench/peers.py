"""Other ways to run the same snippets, without any inference: their world is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.sandbox.alembic_private import op_bound_to
from migration_cookbook.verify.trial import places
from migration_cookbook.verify.trial.script import script
from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from migration_cookbook.verify.values.checked import Checked

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


#: Sybil hands each fence to a function of one's own.
_CONFTEST = """
import json
from pathlib import Path

import sqlalchemy as sa
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser

from migration_cookbook.bench import peers

_given = json.loads((Path(__file__).parent / "given.json").read_text(encoding="utf-8"))


class Fence(CodeBlockParser):
    language = "python"

    def evaluate(self, example):
        peers.try_again(**next(_snippets), url=sa.make_url(_given["url"]))


_snippets = iter(_given["snippets"])
pytest_collect_file = Sybil(parsers=[Fence()], patterns=["*.md"]).pytest()
"""


def plain_loop(checked: Sequence[Checked], url: sa.URL) -> float:
    """Return the seconds for all of them in this process, one after the other: up, and down and up again where both exist."""
    start = time.perf_counter()
    for one in checked:
        try_again(**_given(one), url=url)
    return time.perf_counter() - start


def with_sybil(checked: Sequence[Checked], url: sa.URL) -> float:
    """Return the seconds for the same as tests of pytest, which Sybil makes of the fences of a page."""
    with tempfile.TemporaryDirectory(prefix="cookbook-bench-") as name:
        folder = Path(name)
        page = "\n".join(f"```python\n{one.snippet.text}\n```\n" for one in checked)
        given = {
            "url": url.render_as_string(hide_password=False),
            "snippets": [_given(one) for one in checked],
        }
        (folder / "page.md").write_text(page, encoding="utf-8")
        (folder / "given.json").write_text(json.dumps(given), encoding="utf-8")
        (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - start


def _given(checked: Checked) -> dict[str, Any]:
    """Return the snippet and its world on each database, as JSON has them."""
    snippet = checked.snippet
    return {
        "form": snippet.form.value,
        "text": snippet.text,
        "before": [(other.form.value, other.text) for other in snippet.depends_on],
        "worlds": {dialect.value: checked.findings[dialect].assumed for dialect in BOTH},
    }


def try_again(
    form: str, text: str, before: Sequence[tuple[str, str]], worlds: Mapping[str, Sequence[str]], url: sa.URL
) -> None:
    """Run the snippet in its world, on both databases."""
    for dialect in BOTH:
        world = worlds[dialect.value]
        with (
            places.in_memory(world)
            if dialect is Dialect.SQLITE
            else places.in_transaction(url, world) as ground
        ):
            _up_down_up(form, text, before, ground.connection)


def _up_down_up(form: str, text: str, before: Sequence[tuple[str, str]], connection: sa.Connection) -> None:
    earlier = [(Form(other), one) for other, one in before]
    made = script(Form(form), text, earlier, lambda sql: places.raw(connection, sql))
    context = MigrationContext.configure(connection)
    with op_bound_to(Operations(context)):
        if made.before is not None:
            made.before()
        made.up()
        if made.down is not None:
            made.down()
            # Else Alembic takes an enum type of the first way up for still there.
            context.impl.memo.clear()
            made.up()


def subprocesses(checked: Sequence[Checked], url: sa.URL) -> float:
    """Return the seconds for all of them with the alembic command, on one database after the other."""
    return sum(sum(_commands(one, dialect, url)) for one in checked for dialect in BOTH)


def fit_for_subprocess(checked: Checked) -> bool:
    """Whether the snippet alone makes a revision."""
    return checked.snippet.form in (Form.OPERATIONS, Form.FUNCTIONS) and not checked.snippet.depends_on


def _commands(checked: Checked, dialect: Dialect, url: sa.URL) -> Iterator[float]:
    with tempfile.TemporaryDirectory(prefix="cookbook-bench-") as name:
        folder = Path(name)
        own = (
            url if dialect is Dialect.POSTGRES else sa.URL.create("sqlite", database=str(folder / "shop.db"))
        )
        text, both_ways = checked.snippet.text, checked.snippet.form is Form.FUNCTIONS
        if not both_ways:
            text = f"def upgrade():\n{textwrap.indent(textwrap.dedent(text), '    ')}"
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n", encoding="utf-8")
        (folder / "env.py").write_text(_ENVIRONMENT, encoding="utf-8")
        (folder / "versions").mkdir()
        (folder / "versions" / "a1.py").write_text(_HEAD + text, encoding="utf-8")
        both_ways = both_ways and "def downgrade" in text
        with places.in_database(own, checked.findings[dialect].assumed, keep=False):
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
