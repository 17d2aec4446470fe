"""Which operations does a snippet invoke? Told while they are carried out, or instead of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from alembic.operations import BatchOperations, Operations
from alembic.operations.batch import BatchOperationsImpl
from alembic.operations.ops import CreateTableOp

from migration_cookbook.verify.world.sqlalchemy_private import DdlReceiver
from migration_cookbook.verify.world.tracker import Dropped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa
    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext


class OwnDatabaseNeeded(Exception):
    """The snippet ends the transaction it runs in, so a transaction of ours can't hold it."""


class Recording(Operations):
    """Alembic's operations, each told before it is carried out."""

    def __init__(self, context: MigrationContext, tell: Callable[[MigrateOperation], None]) -> None:
        super().__init__(context)
        self._tell = tell

    def invoke(self, operation: MigrateOperation) -> Any:
        self._tell(operation)
        return super().invoke(operation)

    @contextlib.contextmanager
    def batch_alter_table(self, table_name: str, schema: str | None = None, **given: Any) -> Iterator[Any]:  # type: ignore[override]
        with super().batch_alter_table(table_name, schema, **given) as batch:
            yield _TellingBatch(self.migration_context, batch.impl, self._tell)


class _TellingBatch(BatchOperations):
    def __init__(
        self,
        context: MigrationContext,
        impl: BatchOperationsImpl,
        tell: Callable[[MigrateOperation], None],
        *,
        carry_out: bool = True,
    ) -> None:
        super().__init__(context, impl=impl)
        self._tell, self._carry_out = tell, carry_out

    def invoke(self, operation: MigrateOperation) -> Any:
        self._tell(operation)
        return super().invoke(operation) if self._carry_out else None


class Guessing(Recording):
    """Tells the operations and carries out none."""

    def __init__(
        self,
        context: MigrationContext,
        tell: Callable[[MigrateOperation], None],
        tell_statement: Callable[[Any], None],
    ) -> None:
        super().__init__(context, tell)
        self._bind = NoConnection(context.dialect, tell_statement)

    def invoke(self, operation: MigrateOperation) -> Any:
        self._tell(operation)
        return operation.to_table(self.migration_context) if isinstance(operation, CreateTableOp) else None

    @contextlib.contextmanager
    def batch_alter_table(self, table_name: str, schema: str | None = None, **given: Any) -> Iterator[Any]:  # type: ignore[override]
        # Read in Alembic 1.20.1: nothing is reflected before it is flushed, and this one never is.
        impl = BatchOperationsImpl(self, table_name, schema, "never", None, (), {}, (), {}, None, ())  # type: ignore[no-untyped-call]
        yield _TellingBatch(self.migration_context, impl, self._tell, carry_out=False)

    def get_bind(self) -> Any:
        return self._bind


class NoConnection(DdlReceiver):
    """Takes statements and answers nothing; what needs an answer ends the guess."""

    def __init__(self, dialect: sa.Dialect, tell: Callable[[Any], None]) -> None:
        self.dialect = dialect
        self._tell = tell

    def execute(self, statement: Any, *parameters: Any, **given: Any) -> _NoResult:
        self._tell(statement)
        return _NoResult()

    scalars = scalar = exec_driver_sql = execute

    def receive_ddl(self, element: Any, *, drops: bool) -> None:
        self._tell(Dropped(element) if drops else element)

    def __getattr__(self, name: str) -> Any:
        raise GuessEnds(name)


class GuessEnds(Exception):
    """From here on only a database can tell."""


class _NoResult:
    rowcount = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        if name in ("fetchall", "all", "scalars", "mappings", "fetchmany", "keys"):
            return lambda *given: _NoResult()
        if name in ("first", "fetchone", "scalar", "scalar_one_or_none", "one_or_none"):
            return lambda: None
        raise GuessEnds(name)
