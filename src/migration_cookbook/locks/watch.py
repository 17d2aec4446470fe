"""How is one connection watched while it works?

The watched connection is observed from others: after each statement in a transaction,
whose locks last until its end; outside of one, while an obstacle holds the statement up.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy import event

from migration_cookbook.locks.bystanders import WORDS, LockProbes, bystanders
from migration_cookbook.locks.lock import Lock
from migration_cookbook.locks.obstacle import BlockingTransaction
from migration_cookbook.locks.relations import relations
from migration_cookbook.locks.taken import STRENGTH, Taken, by_relation, taken, waits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from migration_cookbook.databases.connections import Connection

_NOTHING: Taken = frozenset()


@dataclass(frozen=True)
class Step:
    """One statement, with what other sessions had to bear from it."""

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
        self._obstacle: BlockingTransaction | None = None
        self._steps: list[Step] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps)

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The strongest on each relation, over all statements."""
        return strongest(lock for step in self._steps for lock in step.locks)

    def before(self, *_: Any) -> None:
        """A statement is about to be sent."""
        self.release_blocker()
        if self._raw.autocommit and self._raw.info.transaction_status is TransactionStatus.IDLE:
            self._forget_transaction()
            self._learn(outside=True)
            tables = [self._known[oid] for oid in sorted(self._visible) if self._known[oid].is_table]
            self._obstacle = BlockingTransaction(self._url, tables, self._is_waiting, self._look_at_waiting)
            self._obstacle.start()

    def after(self, _connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        """A statement has come to its end."""
        outside, before = self._obstacle is not None, self._held
        if outside:
            self.release_blocker()
            before = _NOTHING
        else:
            self._look()
        rewritten = self._learn(outside)
        # The driver is always given parameters, if only none, and so takes %% for a %.
        statement = statement.replace("%%", "%")
        self._steps.append(Step(statement, self._told(before, rewritten), outside))

    def release_blocker(self) -> None:
        """Nothing of ours is in the way of a statement any more."""
        if self._obstacle is not None:
            self._obstacle.stop()
            self._obstacle = None

    def _is_waiting(self) -> bool:
        return waits(self._others.observer, self._backend)

    def _look(self) -> None:
        self._held = taken(self._others.observer, self._backend)
        if not self._held:
            self._forget_transaction()
        self._ask_others()

    def _look_at_waiting(self) -> None:
        self._held |= taken(self._others.observer, self._backend)
        self._ask_others()

    def _forget_transaction(self) -> None:
        self._held = _NOTHING
        self._waiting.clear()

    def _ask_others(self) -> None:
        """Who must wait now? Asked once for each relation and mode."""
        for oid, mode in by_relation(self._held).items():
            known = self._known.get(oid)
            if known is None or oid not in self._visible or self._waiting.get(oid, ("",))[0] == mode:
                continue
            # A query names the table, and needs its indexes.
            table = self._known[known.table] if known.table is not None else known
            self._waiting[oid] = mode, self._others.waiting(table)

    def _learn(self, outside: bool) -> set[int]:
        """Look for new relations; those known that lie in another file than before."""
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

    def _told(self, before: Taken, rewritten: set[int]) -> tuple[Lock, ...]:
        """What is new since `before`."""
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
        """An index that is new, only used, or held no stronger than its table."""
        table = self._known[oid].table
        if table is None:
            return False
        enough = max(STRENGTH["ROW EXCLUSIVE"], STRENGTH[held[table]] if table in held else 0)
        return oid not in self._original or STRENGTH[held[oid]] <= enough


@contextlib.contextmanager
def watching(watched: sa.Connection, url: sa.URL) -> Iterator[Watch]:
    """Watch a connection to the database at `url` for the block."""
    with contextlib.ExitStack() as stack:
        watch = Watch(watched, stack.enter_context(bystanders(url)), url)
        stack.callback(watch.release_blocker)
        for name, listener in (
            ("before_cursor_execute", watch.before),
            ("after_cursor_execute", watch.after),
        ):
            event.listen(watched, name, listener)
            stack.callback(event.remove, watched, name, listener)
        yield watch


@contextlib.contextmanager
def watching_all(url: sa.URL) -> Iterator[list[Watch]]:
    """Watch whatever connects to the database at `url` within the block, once it does."""
    watches: list[Watch] = []
    with contextlib.ExitStack() as stack:

        def connected(connection: sa.Connection) -> None:
            if connection.engine.url.database == url.database:
                watches.append(stack.enter_context(watching(connection, url)))

        event.listen(sa.Engine, "engine_connect", connected)
        stack.callback(event.remove, sa.Engine, "engine_connect", connected)
        yield watches


def strongest(locks: Iterable[Lock]) -> tuple[Lock, ...]:
    """One lock for each relation: the strongest, with all who had to wait, and whether it was rewritten."""
    found: dict[str, Lock] = {}
    for lock in locks:
        known = found.get(lock.relation, lock)
        everybody = {*known.waiting, *lock.waiting}
        found[lock.relation] = replace(
            known,
            mode=max(known.mode, lock.mode, key=STRENGTH.__getitem__),
            rewritten=known.rewritten or lock.rewritten,
            waiting=tuple(word for word in WORDS if word in everybody),
        )
    return tuple(found[name] for name in sorted(found))


def strongest_mode(locks: Iterable[Lock]) -> str:
    """Of at least one lock."""
    return max((lock.mode for lock in locks), key=STRENGTH.__getitem__)
