"""`%alembic`: the real Alembic command line, on each database. `%sent`: the SQL it sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.cells import hints
from migration_cookbook.cells.magic import CellError, CellFailed, LineMagic
from migration_cookbook.cells.notebook import LastMigration
from migration_cookbook.cells.options import read, take_on
from migration_cookbook.cells.sessions import lock_lines
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.display.answers import Answer
from migration_cookbook.display.parts import Code, Lines, Note, Part
from migration_cookbook.sandbox import history
from migration_cookbook.sandbox.command import Command, parse
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.sandbox.outcome import Outcome


#: Shows the lines of the log that are usually left out.
_ALL_LINES = "--all-lines"


def alembic(notebook: Notebook, line: str) -> None:
    """Run the command, on both databases where it needs one."""
    on, rest = take_on(line.strip())
    words = rest.split(" ")
    verbose = _ALL_LINES in words
    command = parse(" ".join(word for word in words if word != _ALL_LINES))
    run_command(notebook, command, on, verbose=verbose)


def run_command(notebook: Notebook, command: Command, on: Dialect | None, *, verbose: bool = False) -> None:
    """Run a parsed command and show what it did; raise CellFailed if a database refused it."""
    _refuse_taken_id(notebook, command)
    echo = Lines((f"$ {command.text}",))
    if command.name == "help" or (
        not command.needs_database and not notebook.sandbox.env_takes_part(command)
    ):
        outcome = notebook.sandbox.run_on_files(command)
        notebook.publish([echo, *_printed(notebook, outcome)])
        if outcome.failure:
            raise CellFailed(_what(command), (), ())
        return
    if command.autogenerates and on is None:
        raise CookbookError(
            f"Autogenerate compares the models with one database. Name it: %{command.text} --on sqlite"
        )
    dialects = notebook.databases(on) if command.needs_database else [on or Dialect.SQLITE]
    before: list[Part] = [echo]
    if command.relative and len(dialects) > 1:
        before += _different_places(notebook)
    outcomes: dict[Dialect, Outcome] = {}
    for dialect in dialects:
        if notebook.database(dialect) is not None and not _interrupted(outcomes):
            outcomes[dialect] = notebook.sandbox.run(command, dialect, verbose=verbose)
    _remember(notebook, command, outcomes)
    failed = tuple(dialect for dialect, outcome in outcomes.items() if outcome.failure)
    answers = [
        Answer(dialect, _parts(notebook, command, outcomes[dialect], some_failed=bool(failed)))
        if dialect in outcomes
        else notebook.not_run(dialect)
        for dialect in dialects
    ]
    notebook.publish_answers(
        answers, before, sent={dialect: outcome.sent for dialect, outcome in outcomes.items()}
    )
    if _interrupted(outcomes):
        raise CellError(f"{_what(command)} was interrupted, see above.")
    if failed:
        worked = tuple(dialect for dialect in outcomes if dialect not in failed)
        raise CellFailed(_what(command), failed, worked)


def sent(notebook: Notebook, line: str) -> None:
    """Show the SQL that the last upgrade, downgrade or stamp sent to each database; `--all` with SQLite's PRAGMAs."""
    options = read(
        "%sent", line, named=("--on",), flags=("--all",), usage="Write %sent, or %sent --on postgres."
    )
    if not notebook.moves:
        raise CookbookError(
            "No command has changed a database yet. %sent shows the SQL of the last %alembic upgrade."
        )
    notebook.require_moved(notebook.databases(options.on))
    answers = []
    for dialect in notebook.databases(options.on):
        if dialect in notebook.moves:
            statements = [
                statement
                for statement in notebook.moves[dialect].sent
                # SQLite's own settings would make the two databases differ each time.
                if "--all" in options.flags or not statement.upper().startswith("PRAGMA")
            ]
            part: Part = (
                Code("", "\n".join(f"{statement.rstrip(';')};" for statement in statements), "sql")
                if statements
                else Note("nothing was sent")
            )
            answers.append(Answer(dialect, (part,)))
    notebook.publish_answers(answers)


def _refuse_taken_id(notebook: Notebook, command: Command) -> None:
    """Refuse an id that exists: Alembic would overwrite the file, and make it its own parent."""
    wanted = getattr(command.options, "rev_id", None)
    if command.name not in ("revision", "merge") or wanted is None:
        return
    for entry in history.entries_or_none(notebook.sandbox.folder):
        if entry.id == wanted:
            path = entry.path.relative_to(notebook.sandbox.folder).as_posix()
            raise CookbookError(
                f"Revision {wanted} exists already: {path}. Leave --rev-id away, or take another."
            )


def _what(command: Command) -> str:
    return command.text.removeprefix("alembic ")


def _interrupted(outcomes: dict[Dialect, Outcome]) -> bool:
    return any(outcome.failure and outcome.failure.interrupted for outcome in outcomes.values())


def _different_places(notebook: Notebook) -> list[Part]:
    places = {
        dialect: ", ".join(notebook.sandbox.place(dialect)) or "base"
        for dialect in notebook.databases(None)
        if notebook.database(dialect) is not None
    }
    if len(set(places.values())) < 2:
        return []
    stands = ", ".join(f"{dialect.title} at {place}" for dialect, place in places.items())
    return [
        Note(f"The databases stand at different revisions ({stands}): one step leads each to its own place.")
    ]


def _remember(notebook: Notebook, command: Command, outcomes: dict[Dialect, Outcome]) -> None:
    if not command.moves:
        return
    notebook.moves.clear()
    for dialect, outcome in outcomes.items():
        notebook.moves[dialect] = LastMigration(_what(command), outcome.sent, outcome.changes)


def _printed(notebook: Notebook, outcome: Outcome) -> list[Part]:
    parts: list[Part] = [Lines(outcome.lines)] if outcome.lines else []
    if outcome.failure:
        parts.append(Lines((*outcome.failure_lines(), *_hint(notebook, outcome))))
    return parts or [Note("(nothing printed)")]


def _parts(notebook: Notebook, command: Command, outcome: Outcome, *, some_failed: bool) -> tuple[Part, ...]:
    parts: list[Part] = [Lines(outcome.lines)] if outcome.lines else []
    if outcome.failure:
        state = outcome.state_lines() if command.moves else ()
        lock = lock_lines(notebook.sessions, outcome.dialect) if outcome.failure.waited_for_a_lock else ()
        parts.append(Lines((*outcome.failure_lines(), *_hint(notebook, outcome), *state, *lock)))
    elif some_failed and command.moves:
        parts.append(Lines((f"worked; now at {outcome.place_text()}",)))
    elif not outcome.lines:
        parts.append(Note(_silence(command, outcome)))
    return tuple(parts)


def _hint(notebook: Notebook, outcome: Outcome) -> tuple[str, ...]:
    if outcome.failure is None:
        return ()
    known = [entry.id for entry in history.entries_or_none(notebook.sandbox.folder)]
    return hints.for_failure(outcome.failure, known, outcome.after)


def _silence(command: Command, outcome: Outcome) -> str:
    """Return what to say where Alembic said nothing."""
    if not command.moves:
        return "(nothing printed)"
    return f"{'already' if outcome.before == outcome.after else 'now'} at {outcome.place_text()}"


MAGICS = (LineMagic("alembic", alembic), LineMagic("sent", sent))
