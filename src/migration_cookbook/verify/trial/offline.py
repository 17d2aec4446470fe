"""What would become of the snippet with `--sql`, where no database answers? Asked where it speaks to one."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from migration_cookbook.sandbox.alembic_private import op_bound_to
from migration_cookbook.verify.trial.script import script
from migration_cookbook.verify.world.columns import COMPILERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.values.snippet import Form


def offline_warnings(
    form: Form, text: str, before: Sequence[tuple[Form, str]], dialect: Dialect
) -> Iterator[str]:
    """A sentence for what `--sql` prints otherwise than it is meant, or can't print."""
    if "get_bind" not in text:
        return
    printed = io.StringIO()
    context = MigrationContext.configure(
        dialect=COMPILERS[dialect], opts={"as_sql": True, "output_buffer": printed, "literal_binds": True}
    )
    made = script(form, text, before, lambda sql: None)
    try:
        with op_bound_to(Operations(context)):
            if made.before is not None:
                made.before()
            made.up()
    except Exception as error:
        yield f"it can't run with --sql: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    for line in printed.getvalue().splitlines():
        if re.search(r"\bNULL\b", line) and not re.search(r"\bNULL\b|\bNone\b", text):
            yield f"with --sql a parameter is printed as NULL: {line.strip()}"
