"""`%sandbox`: a fresh project and fresh databases for this notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.cells.magic import LineMagic
from migration_cookbook.cells.options import read
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.display.parts import Note, Part
from migration_cookbook.sandbox import opening
from migration_cookbook.sandbox.plan import Plan, plan
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.sandbox.sandbox import Sandbox

_USAGE = "Write %sandbox NAME, and if you like --at 0003, --bare or --resume."


def sandbox(notebook: Notebook, line: str) -> None:
    """Open the sandbox named after the notebook, fresh or as it was left."""
    options = read(
        "%sandbox",
        line,
        named=("--at", "--database-at", "--databases"),
        flags=("--bare", "--empty", "--resume"),
        free=1,
        usage=_USAGE,
    )
    if not options.free:
        raise CookbookError(f"%sandbox needs a name. {_USAGE}")
    name = options.free[0]
    if "--resume" in options.flags:
        if options.named or len(options.flags) > 1:
            raise CookbookError(
                f"--resume takes the sandbox as it was left. Write %sandbox {name} --resume alone."
            )
        resumed = opening.resume(notebook.workspace, name)
        notebook.leave()
        notebook.enter(resumed)
        notebook.publish([Note(f"Sandbox `{name}`, as it was left: {_places(resumed)}.")])
        return
    planned = plan(
        name,
        at=options.named.get("--at"),
        database_at=options.named.get("--database-at"),
        bare="--bare" in options.flags,
        rows="--empty" not in options.flags,
        databases=options.named.get("--databases", "1"),
    )
    notebook.leave()
    opened, notices = opening.open_fresh(notebook.workspace, planned)
    notebook.enter(opened)
    shown: list[Part] = [Note(notice) for notice in notices]
    shown.append(Note(_description(planned)))
    if opened.unavailable:
        shown.append(Note(f"PostgreSQL is not to be had: {opened.unavailable}"))
    notebook.publish(shown)


def _description(plan: Plan) -> str:
    if plan.bare:
        return f"Sandbox `{plan.name}`: an empty folder, {_databases(plan)}."
    content = "with rows" if plan.rows else "without rows"
    if plan.at == "base":
        return f"Sandbox `{plan.name}`: the bookshop before its first revision, {_databases(plan)} without tables."
    if plan.database_at == "base":
        content = "without tables"
    if plan.database_at == plan.at:
        return f"Sandbox `{plan.name}`: the bookshop at revision {plan.at}, {_databases(plan)} {content}."
    return (
        f"Sandbox `{plan.name}`: the bookshop's files at revision {plan.at}, "
        f"{_databases(plan)} at {plan.database_at} {content}."
    )


def _databases(plan: Plan) -> str:
    if plan.databases == 1:
        return "one SQLite and one PostgreSQL database"
    return f"{plan.databases} SQLite and {plan.databases} PostgreSQL databases"


def _places(opened: Sandbox) -> str:
    places = {
        dialect: ", ".join(opened.place(dialect)) or "base"
        for dialect in Dialect
        if opened.databases.get(dialect)
    }
    if len(set(places.values())) == 1:
        return (
            f"both databases at {next(iter(places.values()))}"
            if len(places) > 1
            else str(next(iter(places.values())))
        )
    return ", ".join(f"{dialect.title} at {place}" for dialect, place in places.items())


MAGICS = (LineMagic("sandbox", sandbox),)
