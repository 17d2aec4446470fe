"""`%%sql`: statements on each database, through ipython-sql. `%wait`: the end of one in the background."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from migration_cookbook.cells import hints, ipython_sql
from migration_cookbook.cells.magic import CellError, CellFailed, CellMagic, LineMagic
from migration_cookbook.cells.options import Options, read
from migration_cookbook.cells.sessions import lock_lines
from migration_cookbook.databases import engines
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.display.answers import Answer
from migration_cookbook.display.parts import Lines, Note, Part, ResultTable
from migration_cookbook.sandbox.interrupts import install_interrupt_check, was_interrupted
from migration_cookbook.sandbox.outcome import sent_lines
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    import sqlalchemy as sa

    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.databases.capabilities import Need

_USAGE = "Write %%sql on the first line and the SQL below it."
#: More rows than this are counted, not shown, unless `--rows` asks for them.
_ROWS = 10


@dataclass(frozen=True)
class StatementResults:
    """The results of a cell's statements on one database, up to the first that was refused."""

    executed: tuple[ipython_sql.StatementResult, ...]
    refused: tuple[str, BaseException] | None = None
    left_open: bool = False


def sql(notebook: Notebook, line: str, cell: str) -> None:
    """Run the statements, one after the other, each committed as in psql."""
    options = read(
        "%%sql", line, named=("--on", "--as", "--rows"), flags=("--background",), free=None, usage=_USAGE
    )
    text = f"{' '.join(options.free)}\n{cell}" if options.free else cell
    target, text = _target(text)
    statements = ipython_sql.statements(text)
    if not statements:
        raise CookbookError(f"%%sql has no statement to run. {_USAGE}")
    if "--background" in options.flags and "--as" not in options.named:
        raise CookbookError("--background needs a session: %%sql --as anna --background")
    rows = _row_limit(options)
    dialects = notebook.databases(options.on)
    needs: tuple[Need, ...] = ()
    if name := options.named.get("--as"):
        needs = ("has_second_session",)
        futures = {
            dialect: _run_in_session(notebook, name, dialect, statements)
            for dialect in dialects
            if notebook.database(dialect) and not notebook.lack(dialect, *needs)
        }
        if "--background" in options.flags and futures:
            notebook.publish([Note(f"Running in session `{name}`. `%wait {name}` shows how it ends.")])
            return
        by_dialect = {dialect: _result(notebook, name, future) for dialect, future in futures.items()}
    else:
        by_dialect = {}
        for dialect in dialects:
            if notebook.database(dialect) is not None and not _interrupted(by_dialect):
                by_dialect[dialect] = _run_in_new_connection(notebook, dialect, statements)
    if target:
        notebook.shell.user_ns[target] = _frame(by_dialect, one=options.on is not None)
    _show(notebook, dialects, by_dialect, rows, target, needs)


def wait(notebook: Notebook, line: str) -> None:
    """Wait for what runs in a session, and show it."""
    options = read("%wait", line, free=1, usage="Write %wait anna.")
    known = notebook.sessions.names()
    if not options.free or options.free[0] not in known:
        # Where the cell that should have opened the session wasn't run, there's nothing to wait for.
        without = [dialect for dialect in BOTH if notebook.lack(dialect, "has_second_session")]
        if options.free and without:
            _show(notebook, without, {}, _ROWS, None, ("has_second_session",))
            return
        named = (
            f" Open sessions: {', '.join(known)}."
            if known
            else " Open one with %%sql --as anna --background."
        )
        raise CookbookError(f"%wait needs the name of an open session.{named}")
    name = options.free[0]
    sessions = notebook.sessions.named(name)
    by_dialect = {s.dialect: _result(notebook, name, s.running) for s in sessions if s.running is not None}
    _show(notebook, list(by_dialect), by_dialect, _ROWS, None)


def _target(text: str) -> tuple[str | None, str]:
    match = re.match(r"\s*([A-Za-z_]\w*)\s*<<\s*", text)
    return (match[1], text[match.end() :]) if match else (None, text)


def _row_limit(options: Options) -> int | None:
    value = options.named.get("--rows", str(_ROWS))
    if value == "all":
        return None
    if not value.isdigit():
        raise CookbookError("--rows takes a number or the word all: %%sql --rows all")
    return int(value)


def _run_in_new_connection(notebook: Notebook, dialect: Dialect, statements: list[str]) -> StatementResults:
    """Run in the cell's own connection, closed after it, so that no lock outlives the cell."""
    database = notebook.database(dialect)
    assert database is not None
    with engines.engine(database).connect() as connection:
        install_interrupt_check(connection.connection.dbapi_connection)
        results = _run(connection.execution_options(isolation_level="AUTOCOMMIT"), statements)
        # After an interrupt SQLAlchemy has discarded the connection, and with it the transaction.
        if connection.invalidated or not engines.in_transaction(connection):
            return results
        connection.exec_driver_sql("ROLLBACK")
        return StatementResults(results.executed, results.refused, left_open=True)


def _run_in_session(
    notebook: Notebook, name: str, dialect: Dialect, statements: list[str]
) -> Future[StatementResults]:
    database = notebook.database(dialect)
    assert database is not None
    session = notebook.sessions.get(name, dialect, engines.engine(database))
    if session.running is not None and not session.running.done():
        raise CookbookError(f"Session {name} is still busy. %wait {name} waits for its end.")
    return session.submit(lambda connection: _run(connection, statements))


def _result(notebook: Notebook, name: str, future: Future[StatementResults]) -> StatementResults:
    try:
        return future.result()
    except KeyboardInterrupt:
        for session in notebook.sessions.named(name):
            session.stop()
        raise


def _run(connection: sa.Connection, statements: list[str]) -> StatementResults:
    results: list[ipython_sql.StatementResult] = []
    for statement in statements:
        try:
            results.append(ipython_sql.run(connection, statement))
        except (DBAPIError, KeyboardInterrupt) as error:
            return StatementResults(tuple(results), (statement, error))
    return StatementResults(tuple(results))


def _show(
    notebook: Notebook,
    dialects: list[Dialect],
    by_dialect: dict[Dialect, StatementResults],
    rows: int | None,
    target: str | None,
    needs: Sequence[Need] = (),
) -> None:
    answers = [
        Answer(dialect, _parts(notebook, dialect, by_dialect[dialect], rows, target))
        if dialect in by_dialect
        else notebook.not_run(dialect, *needs)
        for dialect in dialects
    ]
    notebook.publish_answers(
        answers,
        sent={
            dialect: [result.statement for result in each.executed] for dialect, each in by_dialect.items()
        },
    )
    if _interrupted(by_dialect):
        raise CellError("The statement was interrupted, see above.")
    failed = tuple(dialect for dialect, each in by_dialect.items() if each.refused)
    if failed:
        raise CellFailed(
            "the statement", failed, tuple(dialect for dialect in by_dialect if dialect not in failed)
        )


def _interrupted(by_dialect: dict[Dialect, StatementResults]) -> bool:
    return any(each.refused and was_interrupted(each.refused[1]) for each in by_dialect.values())


def _parts(
    notebook: Notebook, dialect: Dialect, results: StatementResults, rows: int | None, target: str | None
) -> tuple[Part, ...]:
    parts: list[Part] = []
    for result in results.executed:
        if result.columns is None:
            parts.append(Lines((_summary(result),)))
        elif target is None or result is not results.executed[-1]:
            parts.append(_table(result, rows))
        else:
            plural = "row" if len(result.rows) == 1 else "rows"
            parts.append(Note(f"{len(result.rows)} {plural} in `{target}`, a pandas DataFrame"))
    if results.refused:
        parts.append(Lines(_refusal(notebook, dialect, results)))
    if results.left_open:
        parts.append(
            Note(
                "The transaction was still open at the end of the cell and is rolled back. `--as NAME` keeps one open."
            )
        )
    return tuple(parts)


def _summary(result: ipython_sql.StatementResult) -> str:
    if result.verb in ("INSERT", "UPDATE", "DELETE") and result.count is not None:
        return f"{result.verb}: {result.count} {'row' if result.count == 1 else 'rows'}"
    return f"{result.verb}: done"


def _table(result: ipython_sql.StatementResult, limit: int | None) -> Part:
    count = len(result.rows)
    shown = result.rows if limit is None else result.rows[:limit]
    if not shown:
        return Note(f"no rows ({', '.join(result.columns or ())})")
    caption = "(1 row)" if count == 1 else f"({count} rows)"
    if len(shown) < count:
        caption = f"({len(shown)} of {count} rows; `%%sql --rows all` shows all)"
    return ResultTable(caption, result.columns or (), shown, caption_below=True)


def _refusal(notebook: Notebook, dialect: Dialect, results: StatementResults) -> tuple[str, ...]:
    assert results.refused is not None
    statement, error = results.refused
    failure = notebook.sandbox.describe(error)
    lock = lock_lines(notebook.sessions, dialect) if failure.waited_for_a_lock else ()
    return (*failure.headline(), *sent_lines(statement), *hints.for_failure(failure), *lock)


def _frame(by_dialect: dict[Dialect, StatementResults], *, one: bool) -> Any:
    """Return the last rows as a pandas DataFrame; of two databases, with a column that names them."""
    import pandas as pd

    frames = []
    for dialect, each in by_dialect.items():
        tables = [result for result in each.executed if result.columns is not None]
        if each.refused is None and not tables:
            raise CookbookError("`name << …` keeps the rows of a SELECT; there is none in this cell.")
        if tables:
            frame = pd.DataFrame(list(tables[-1].rows), columns=list(tables[-1].columns or ()))
            if not one:
                frame.insert(0, "database", dialect.title)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


MAGICS = (CellMagic("sql", sql), LineMagic("wait", wait))
