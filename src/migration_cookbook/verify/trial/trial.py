"""What came of one snippet on one database, in the smallest world in which it makes sense?

Tried, and tried again in a larger world while the database says what it misses.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import logging
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from alembic.config import Config
from alembic.operations.ops import ExecuteSQLOp, MigrateOperation
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext

from migration_cookbook import schema
from migration_cookbook.databases import guard
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.locks import Lock, watch_locks
from migration_cookbook.sandbox.alembic_private import op_bound_to, set_context
from migration_cookbook.sandbox.commandline import without_addresses
from migration_cookbook.verify.trial import lenient, offline, places, shared_server, typos
from migration_cookbook.verify.trial.recording import Guessing, OwnDatabaseNeeded, Recording
from migration_cookbook.verify.trial.script import NotPython, Script, parse, script
from migration_cookbook.verify.values.outcome import Refusal, Text, Trial
from migration_cookbook.verify.values.snippet import Form, extensions_made
from migration_cookbook.verify.world import errors, operations
from migration_cookbook.verify.world.columns import COMPILERS
from migration_cookbook.verify.world.downgrade import hints_of
from migration_cookbook.verify.world.draft import Draft
from migration_cookbook.verify.world.oddities import (
    ignoring_odd_operations,
    ignoring_the_snippets_end,
    report_if_ours,
)
from migration_cookbook.verify.world.statements import statements
from migration_cookbook.verify.world.tracker import Hints, SchemaTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import sqlalchemy as sa

    from migration_cookbook.sandbox.recorder import Recorder
    from migration_cookbook.verify.trial.places import TrialDatabase

#: Worlds that are tried before the last answer counts.
_ATTEMPTS = 10
#: What a transaction of ours can't hold.
_ENDS_TRANSACTIONS = re.compile(
    r"\b(commit|rollback|vacuum|add value|dispose|isolation_level|begin\s*;)|autocommit|\.begin\(|[\"']begin[\"']",
    re.IGNORECASE,
)
#: What Alembic and we say about transactions; the snippet's own is a statement like any other.
_OURS = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SET CONSTRAINTS ALL IMMEDIATE)\b|PRAGMA", re.IGNORECASE)
_NO_FUNCTION = "42883"
_LONGEST_MESSAGE = 10_000
_PATH = re.compile(r'"/[\w./-]+"')
#: SQLSTATEs and words for "not within a transaction".
_NEEDS_NO_TRANSACTION = ("25001", "55P04", "from within a transaction")


def trial(
    text: Text,
    dialect: Dialect,
    url: sa.URL | None,
    recorder: Recorder,
    *,
    proof: sa.URL | None = None,
    locks: bool = False,
) -> Trial:
    """Try the snippet out. `proof`: an empty database in which its work is left, if it comes to its end."""
    _quiet()
    with typos.ignored_arguments() as ignored:
        found = _trial(text, dialect, url, recorder, proof=proof, locks=locks)
    return _with(found, doubtful=tuple(dict.fromkeys((*found.doubtful, *ignored))))


def _trial(
    text: Text,
    dialect: Dialect,
    url: sa.URL | None,
    recorder: Recorder,
    *,
    proof: sa.URL | None,
    locks: bool,
) -> Trial:
    try:
        parse(text.text) if text.form is not Form.SQL else None
    except NotPython as error:
        return Trial("text", Refusal("SyntaxError", str(error)))
    draft, made = _guess(text, dialect)
    attempt = functools.partial(_attempt, text, dialect, url, recorder=recorder)
    found, told = _grow(text, dialect, draft, made, attempt)
    if found.ended == "done" and not found.ran and text.given is None and text.form is not Form.SQL:
        # A condition on what is there may have been false: try it where it is true.
        _suppose(text, dialect, draft)
        again, told_again = _grow(text, dialect, draft, made, attempt)
        found, told = (again, told_again) if again.ran else (found, told)
    if found.refusal is not None and found.refusal.sqlstate == _NO_FUNCTION and url is not None:
        known = places.has_function_like(url, _function_named(found.refusal.message))
        found = _with(found, refusal=replace(found.refusal, known_function=known))
    if found.refusal is not None and _wants_no_transaction(found.refusal):
        outside = attempt(draft, autocommit=True, watched=locks).trial
        if outside.ended == "done":
            return _with(
                outside,
                outside=True,
                refusal=found.refusal,
                fingerprint=_left(text, dialect, proof, draft, recorder, outside, autocommit=True),
            )
        if outside.not_run:
            return _with(found, refusal=None, not_run=outside.not_run)
    if locks and found.ended == "done" and dialect is Dialect.POSTGRES:
        # Once more, because nobody else saw the world before.
        watched = attempt(draft, watched=True)
        found = _with(found, locks=watched.trial.locks)
    return _with(
        found,
        doubtful=tuple(typos.find_typos(draft, told)),
        offline=tuple(offline.offline_warnings(text.form, text.text, text.before, dialect)),
        fingerprint=_left(text, dialect, proof, draft, recorder, found),
    )


def _left(
    text: Text,
    dialect: Dialect,
    proof: sa.URL | None,
    draft: Draft,
    recorder: Recorder,
    found: Trial,
    *,
    autocommit: bool = False,
) -> str:
    """The fingerprint of what it leaves in the database `proof`, once more and committed; else that of the trial."""
    if proof is None or found.ended != "done":
        return found.fingerprint
    again = _attempt(text, dialect, proof, draft, recorder=recorder, own=True, autocommit=autocommit)
    return again.trial.fingerprint


def _with(trial_: Trial, **changed: Any) -> Trial:
    return Trial(**{**vars(trial_), **changed})


def _function_named(message: str) -> str:
    found = re.search(r"function (?:\w+\.)?(\w+)\(", message)
    return found[1] if found else ""


def _wants_no_transaction(refusal: Refusal) -> bool:
    return any(
        word in (refusal.sqlstate, refusal.message) or word in refusal.message
        for word in _NEEDS_NO_TRANSACTION
    )


def _grow(
    text: Text, dialect: Dialect, draft: Draft, made: set[str], try_once: Callable[[Draft], _Attempt]
) -> tuple[Trial, list[Any]]:
    """Try, learn from what fails, and try in a larger world."""
    for _ in range(_ATTEMPTS):
        attempt = try_once(draft)
        if attempt.trial.refusal is None or attempt.trial.not_run or text.given is not None:
            break
        before = draft.signature()
        tracker = SchemaTracker(draft, made=set(made), hints=_hints(text, dialect))
        for operation in attempt.told:
            with ignoring_odd_operations():
                _learn(operation, tracker)
        errors.repair(attempt.trial.refusal, draft, tracker, going_down=attempt.trial.ended == "down")
        if draft.signature() == before:
            break
    return attempt.trial, attempt.told


@dataclass
class _Attempt:
    trial: Trial
    #: Operations and statements in the order in which they came.
    told: list[Any] = field(default_factory=list)


def _learn(operation: Any, tracker: SchemaTracker) -> None:
    if operation == "down":
        tracker.down = True
    elif isinstance(operation, MigrateOperation):
        operations.learn(operation, tracker)
    else:
        operations.learn_statement(operation, tracker)


# --- the guess -------------------------------------------------------------------------


def _guess(text: Text, dialect: Dialect) -> tuple[Draft, set[str]]:
    """A first world, from a run in which nothing is carried out; and the types that the snippet makes."""
    draft = Draft(given=text.given)
    if text.given is not None:
        return draft, set()
    draft.extensions += [name for _, earlier in text.before for name in extensions_made(earlier)]
    hints = _hints(text, dialect)
    tracker = SchemaTracker(draft, hints=hints)
    tell = functools.partial(_learn_quietly, tracker=tracker)
    with _guessing(text, dialect, tell) as made:
        with ignoring_the_snippets_end():
            if made.before is not None:
                made.before()
        with ignoring_the_snippets_end():
            made.up()
        if made.down is not None:
            tracker.down = True
            with ignoring_the_snippets_end():
                made.down()
    return draft, {one for one in tracker.made if one.startswith("type ")}


def _learn_quietly(operation: Any, tracker: SchemaTracker) -> None:
    with ignoring_odd_operations():
        _learn(operation, tracker)


@contextlib.contextmanager
def _guessing(text: Text, dialect: Dialect, tell: Callable[[Any], None]) -> Iterator[Script]:
    with op_bound_to(Guessing(_offline(dialect), tell, tell)):
        yield script(text.form, text.text, text.before, tell)


@functools.lru_cache(maxsize=2)
def _offline(dialect: Dialect) -> MigrationContext:
    """Of no database; for all guesses, since nothing is carried out in it."""
    return MigrationContext.configure(
        dialect=COMPILERS[dialect], opts={"as_sql": True, "output_buffer": io.StringIO()}
    )


@functools.lru_cache(maxsize=8)
def _hints(text: Text, dialect: Dialect) -> Hints:
    """What the way down says."""
    told: list[Any] = []
    if text.form is Form.SQL or "def downgrade" not in text.text:
        return Hints()
    with _guessing(text, dialect, told.append) as made, ignoring_the_snippets_end():
        if made.down is not None:
            if made.before is not None:
                made.before()
            told.clear()
            made.down()
    tracker = SchemaTracker(Draft(), down=True)
    for operation in told:
        if isinstance(operation, ExecuteSQLOp):
            _learn_quietly(operation, tracker)
    return hints_of(told, enums=tracker.labels)


def _suppose(text: Text, dialect: Dialect, draft: Draft) -> None:
    """Draft what each operation of the text needs, also of those that a condition left out."""
    tracker = SchemaTracker(draft, hints=_hints(text, dialect))
    calls = [
        node
        for node in ast.walk(parse(text.text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_op(node.func.value)
    ]
    with _guessing(text, dialect, functools.partial(_learn_quietly, tracker=tracker)):
        from migration_cookbook.verify.trial.script import PRELUDE

        for call in calls:
            with ignoring_the_snippets_end():
                eval(compile(ast.Expression(call), "<supposed>", "eval"), dict(PRELUDE))


def _is_op(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "op"


# --- the run ---------------------------------------------------------------------------


def _attempt(
    text: Text,
    dialect: Dialect,
    url: sa.URL | None,
    draft: Draft,
    *,
    recorder: Recorder,
    own: bool = False,
    autocommit: bool = False,
    apart: bool = False,
    watched: bool = False,
) -> _Attempt:
    world = statements(draft, dialect)
    found = _Attempt(Trial("up", assumed=world))
    committed = own or autocommit or apart or watched
    try:
        with _place(text, dialect, url, world, own=own, committed=committed) as ground:
            run = _Run(text, dialect, ground, found, recorder, autocommit=autocommit, watched=watched)
            if own:
                _leave(run, found)
            else:
                _run(run, found)
    except places.SetupError as fails:
        found.trial = Trial("up", refusal(fails.error, fails.statement), assumed=world)
    except shared_server.NotSent as reason:
        # A world that its author states may hold anything.
        found.trial = Trial("up", not_run=str(reason), assumed=world)
    except OwnDatabaseNeeded:
        return _attempt(text, dialect, url, draft, recorder=recorder, own=own, apart=True)
    return found


def ends_transactions(text: str) -> bool:
    """Whether a transaction of ours can't hold what it does."""
    return _ENDS_TRANSACTIONS.search(text) is not None


@contextlib.contextmanager
def _place(
    text: Text, dialect: Dialect, url: sa.URL | None, world: Sequence[str], *, own: bool, committed: bool
) -> Iterator[TrialDatabase]:
    if url is None:
        with places.in_memory(world) as ground:
            yield ground
    elif committed or dialect is Dialect.SQLITE or ends_transactions(text.text):
        with places.in_database(url, world, keep=own) as ground:
            yield ground
    else:
        with shared_server.in_transaction(), places.in_transaction(url, world) as ground:
            yield ground


class _Run:
    """One snippet going up and down over one connection."""

    def __init__(
        self,
        text: Text,
        dialect: Dialect,
        ground: TrialDatabase,
        found: _Attempt,
        recorder: Recorder,
        *,
        autocommit: bool,
        watched: bool,
    ) -> None:
        self.text, self.dialect, self.ground, self.found, self.recorder = (
            text,
            dialect,
            ground,
            found,
            recorder,
        )
        self.connection = ground.connection
        if autocommit:
            self.connection = ground.connection.execution_options(isolation_level="AUTOCOMMIT")
        self.context = MigrationContext.configure(self.connection)
        if ground.in_transaction:
            self.context.autocommit_block = _needs_own_database  # type: ignore[method-assign]
        self.autocommit = autocommit
        texts = (text.text, *(earlier for _, earlier in text.before), *found.trial.assumed)
        #: Whether a constraint may wait for a COMMIT that does not come here.
        self.defers = any("deferr" in one.lower() for one in texts)
        self.watched = watched and dialect is Dialect.POSTGRES
        self.statements: list[str] = []
        self.locks: tuple[Lock, ...] = ()

    def send(self, statement: str) -> None:
        self.found.told.append(statement)
        places.raw(self.connection, statement)

    def way_up(self, function: Callable[[], None]) -> tuple[str, ...]:
        """The same as any way, but that others may watch what it locks."""
        if not self.watched:
            return self.way(function)
        url = self.connection.engine.url
        with watch_locks(self.connection, url) as watch:
            sent = self.way(function)
        self.locks = watch.locks
        return sent

    def way(self, function: Callable[[], None]) -> tuple[str, ...]:
        """Run it as Alembic would, and return the SQL."""
        context = self.context
        # Each way is a run of its own: an enum type that the last one made may be gone. Read in Alembic 1.20.1.
        context.impl.memo.clear()
        environment = EnvironmentContext(Config(), None)  # type: ignore[arg-type]
        mark = self.recorder.mark()
        with environment, op_bound_to(Recording(context, self._told)):
            set_context(environment, context)
            try:
                if self.autocommit or self.text.form is Form.SQL:
                    function()
                else:
                    with context.begin_transaction():
                        function()
                if self.ground.in_transaction:
                    if self.defers:
                        self.connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
                elif self.connection.in_transaction():
                    self.connection.commit()
            finally:
                self.statements = [one for one in self.recorder.since(mark) if not _OURS.match(one)]
        return tuple(self.statements)

    def _told(self, operation: MigrateOperation) -> None:
        self.found.told.append(operation)

    def look(self) -> schema.Schema:
        found = schema.read(self.connection)
        if not self.ground.in_transaction:
            self.connection.rollback()
        return found


@contextlib.contextmanager
def _needs_own_database() -> Iterator[None]:
    raise OwnDatabaseNeeded
    yield


def _run(one: _Run, found: _Attempt) -> None:
    stage: Literal["up", "down", "up again"]
    sent: tuple[str, ...]
    sent_down: tuple[str, ...]
    stage, sent, sent_down = "up", (), ()
    changes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    world = found.trial.assumed
    try:
        made = script(one.text.form, one.text.text, one.text.before, one.send)
        if made.before is not None:
            one.way(made.before)
        before = one.look()
        sent = one.way_up(made.up)
        after = one.look()
        changes = _words(before, after)
        # An operation that sends nothing did nothing: a misspelled option is passed over in silence.
        ran = len(sent) + sum(isinstance(one, str) for one in found.told) + len(changes)
        idle = made.idle
        sqlite = one.dialect is Dialect.SQLITE
        unusable = tuple(lenient.unusable_defaults(one.connection, before, after)) if sqlite else ()
        untyped = tuple(lenient.unknown_types(before, after)) if sqlite else ()
        if made.down is not None:
            stage = "down"
            found.told.append("down")
            sent_down = one.way(made.down)
            left = _words(before, one.look())
            if not left:
                stage = "up again"
                one.way(made.up)
        found.trial = Trial(
            "done",
            sent=sent,
            sent_down=sent_down,
            assumed=world,
            ran=ran,
            idle=idle,
            changes=changes,
            left=left,
            unusable=unusable,
            untyped=untyped,
            fingerprint=schema.fingerprint(after),
            locks=one.locks,
        )
    except OwnDatabaseNeeded:
        raise
    except shared_server.NotSent as reason:
        found.trial = Trial("up", not_run=str(reason), assumed=world)
    except Exception as error:
        report_if_ours(error)
        statements = tuple(one.statements)
        if stage == "up":
            sent = statements
        elif stage == "down":
            sent_down = statements
        found.trial = Trial(
            stage, refusal(error, statements[-1] if statements else None), sent, sent_down, world,
            ran=len(found.told), changes=changes,
        )  # fmt: skip


def _leave(one: _Run, found: _Attempt) -> None:
    """Only the way up, whose work stays."""
    with ignoring_the_snippets_end():
        made = script(one.text.form, one.text.text, one.text.before, one.send)
        if made.before is not None:
            one.way(made.before)
        one.way(made.up)
        found.trial = Trial("done", fingerprint=schema.fingerprint(one.look()))


def _words(before: schema.Schema, after: schema.Schema) -> tuple[str, ...]:
    """What differs, but for the order of columns, which no ALTER can bring back."""
    words = (str(change) for change in schema.difference(before, after))
    return tuple(one for one in words if not one.startswith("~ order of columns"))


def refusal(error: BaseException, statement: str | None = None) -> Refusal:
    """The exception in one line."""
    if isinstance(error, guard.Refused):
        return Refusal(type(error).__name__, error.what or str(error), None, statement)
    original = getattr(error, "orig", None)
    if getattr(original, "sqlite_errorname", None) == "SQLITE_AUTH":
        return Refusal(guard.Refused.__name__, "attaches or writes another SQLite file", None, statement)
    if original is not None:
        sqlstate = getattr(original, "sqlstate", None)
        words = _first_line(str(original))
        statement = getattr(error, "statement", None) or statement
        detail = getattr(getattr(original, "diag", None), "message_detail", None)
        if detail and _PATH.search(detail):
            # Of the server's computer: it helps nobody, and is another one elsewhere.
            detail = None
        return Refusal(
            type(original).__name__, words + (f" ({detail})" if detail else ""), sqlstate, statement
        )
    return Refusal(type(error).__name__, _first_line(str(error)) or type(error).__name__, None, statement)


def _first_line(text: str) -> str:
    # An exception may hold any amount of text; what a database says comes first.
    text = text[:_LONGEST_MESSAGE]
    # The library's link is another one in each of its versions.
    text = re.sub(r"\s*\(Background on this error at: \S+\)", "", without_addresses(text))
    lines = text.strip().splitlines()
    return lines[0].strip() if lines else ""


def _quiet() -> None:
    logger = logging.getLogger("alembic")
    if logger.level != logging.ERROR:
        logger.setLevel(logging.ERROR)
