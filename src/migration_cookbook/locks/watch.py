"""The locks of one connection, watched while it works.

The watched connection is observed from others: after each statement in a transaction,
whose locks last until its end; outside of one, while a blocking transaction holds the statement up.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy import event

from migration_cookbook.locks.blocking import BlockingTransaction
from migration_cookbook.locks.held import STRENGTH, HeldLocks, by_relation, held_locks, is_waiting
from migration_cookbook.locks.lock import Lock
from migration_cookbook.locks.probes import VERBS, LockProbes, lock_probes
from migration_cookbook.locks.relations import relations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from migration_cookbook.databases.connections import Connection

_NOTHING: HeldLocks = frozenset()


@dataclass(frozen=True)
class WatchedStatement:
    """One statement, with its locks."""

    statement: str
    #: Those that it took in addition to what its transaction held before.
    locks: tuple[Lock, ...]
    #: It ran outside a transaction, so its locks were gone with it.
    outside: bool


class Watch:
    """What was seen so far of one connection."""

    def __init__(self, watched: sa.Connection, others: LockProbes, url: sa.URL) -> None:
        self._raw: Connection = watched.connection.dbapi_connection  # type: ignore[assignment]
        self._backend = self._raw.info.backend_pid
        self._others, self._url = others, url
        #: Every relation ever seen; one that is gone, as it was.
        self._known = relations(others.observer)
        #: Those of the beginning; by these names others know them.
        self._original = dict(self._known)
        #: Those that other sessions can see.
        self._visible = set(self._known)
        self._held = _NOTHING
        #: Who had to wait for a relation, and for which mode that was asked.
        self._waiting: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._blocker: BlockingTransaction | None = None
        self._steps: list[WatchedStatement] = []

    @property
    def steps(self) -> tuple[WatchedStatement, ...]:
        return tuple(self._steps)

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The strongest lock on each relation, over all statements."""
        return strongest(lock for step in self._steps for lock in step.locks)

    def before(self, *_: Any) -> None:
        """Prepare for a statement that's about to be sent."""
        self.release_blocker()
        if self._raw.autocommit and self._raw.info.transaction_status is TransactionStatus.IDLE:
            self._forget_transaction()
            self._learn(outside=True)
            tables = [self._known[oid] for oid in sorted(self._visible) if self._known[oid].is_table]
            self._blocker = BlockingTransaction(self._url, tables, self._is_waiting, self._read_while_waiting)
            self._blocker.start()

    def after(self, _connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        """Record a statement that has ended."""
        outside, before = self._blocker is not None, self._held
        if outside:
            self.release_blocker()
            before = _NOTHING
        else:
            self._read()
        rewritten = self._learn(outside)
        # The driver is always given parameters, if only none, and so takes %% for a %.
        statement = statement.replace("%%", "%")
        self._steps.append(WatchedStatement(statement, self._new_locks(before, rewritten), outside))

    def release_blocker(self) -> None:
        """Stop blocking a statement."""
        if self._blocker is not None:
            self._blocker.stop()
            self._blocker = None

    def _is_waiting(self) -> bool:
        return is_waiting(self._others.observer, self._backend)

    def _read(self) -> None:
        self._held = held_locks(self._others.observer, self._backend)
        if not self._held:
            self._forget_transaction()
        self._probe()

    def _read_while_waiting(self) -> None:
        self._held |= held_locks(self._others.observer, self._backend)
        self._probe()

    def _forget_transaction(self) -> None:
        self._held = _NOTHING
        self._waiting.clear()

    def _probe(self) -> None:
        """Probe who must wait now, once for each relation and mode."""
        for oid, mode in by_relation(self._held).items():
            known = self._known.get(oid)
            if known is None or oid not in self._visible or self._waiting.get(oid, ("",))[0] == mode:
                continue
            # A query names the table, and needs its indexes.
            table = self._known[known.table] if known.table is not None else known
            self._waiting[oid] = mode, self._others.waiting(table)

    def _learn(self, outside: bool) -> set[int]:
        """Look for new relations; return those known that are in another file than before."""
        if outside:
            now = relations(self._others.observer)
            self._visible |= set(now)
        elif self._held and self._raw.info.transaction_status is TransactionStatus.INTRANS:
            # Only the watched connection itself sees what it has not committed.
            now = relations(self._raw)
        else:
            return set()
        before, self._known = self._known, self._known | now
        return {oid for oid, relation in now.items() if before.get(oid, relation).file != relation.file}

    def _new_locks(self, before: HeldLocks, rewritten: set[int]) -> tuple[Lock, ...]:
        """Return the locks that are new since `before`."""
        held, new = by_relation(self._held), by_relation(self._held - before)
        locks = [
            Lock(
                self._original.get(oid, self._known[oid]).name,
                new.get(oid, held[oid]),
                oid in rewritten,
                self._waiting.get(oid, ("", ()))[1],
                made=oid not in self._original,
            )
            for oid in held
            if (oid in new or oid in rewritten) and oid in self._known and not self._is_implied(oid, held)
        ]
        return tuple(sorted(locks, key=lambda lock: lock.relation))

    def _is_implied(self, oid: int, held: Mapping[int, str]) -> bool:
        """Whether it's an index that's new, only used, or locked no stronger than its table."""
        table = self._known[oid].table
        if table is None:
            return False
        enough = max(STRENGTH["ROW EXCLUSIVE"], STRENGTH[held[table]] if table in held else 0)
        return oid not in self._original or STRENGTH[held[oid]] <= enough


@contextlib.contextmanager
def watch_locks(watched: sa.Connection, url: sa.URL) -> Iterator[Watch]:
    """Watch a connection to the database at `url` for the block."""
    with contextlib.ExitStack() as stack:
        watch = Watch(watched, stack.enter_context(lock_probes(url)), url)
        stack.callback(watch.release_blocker)
        for name, listener in (
            ("before_cursor_execute", watch.before),
            ("after_cursor_execute", watch.after),
        ):
            event.listen(watched, name, listener)
            stack.callback(event.remove, watched, name, listener)
        yield watch


@contextlib.contextmanager
def watch_all_locks(url: sa.URL) -> Iterator[list[Watch]]:
    """Watch whatever connects to the database at `url` within the block, once it does."""
    watches: list[Watch] = []
    with contextlib.ExitStack() as stack:

        def connected(connection: sa.Connection) -> None:
            if connection.engine.url.database == url.database:
                watches.append(stack.enter_context(watch_locks(connection, url)))

        event.listen(sa.Engine, "engine_connect", connected)
        stack.callback(event.remove, sa.Engine, "engine_connect", connected)
        yield watches


def strongest(locks: Iterable[Lock]) -> tuple[Lock, ...]:
    """Return one lock for each relation: the strongest, with all who had to wait, and whether it was rewritten."""
    found: dict[str, Lock] = {}
    for lock in locks:
        known = found.get(lock.relation, lock)
        everybody = {*known.waiting, *lock.waiting}
        found[lock.relation] = replace(
            known,
            mode=max(known.mode, lock.mode, key=STRENGTH.__getitem__),
            rewritten=known.rewritten or lock.rewritten,
            waiting=tuple(word for word in VERBS if word in everybody),
        )
    return tuple(found[name] for name in sorted(found))


def strongest_mode(locks: Iterable[Lock]) -> str:
    """Return the strongest mode of at least one lock."""
    return max((lock.mode for lock in locks), key=STRENGTH.__getitem__)
