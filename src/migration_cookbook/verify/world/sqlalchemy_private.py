"""The private parts of SQLAlchemy that the kit uses, as read in SQLAlchemy 2.1.9.

A test fails when one of them moves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa


def constrained_columns(constraint: sa.PrimaryKeyConstraint | sa.UniqueConstraint) -> list[str]:
    """Return the names of a constraint's columns, also where it belongs to no table yet."""
    return [str(getattr(one, "name", one)) for one in constraint._pending_colargs] or [
        str(column.name) for column in constraint.columns
    ]


class DdlReceiver(ABC):
    """A stand-in for a connection that's given what `Enum.create`, `Table.drop` and the like would send."""

    @abstractmethod
    def receive_ddl(self, element: Any, *, drops: bool) -> None: ...

    def _run_ddl_visitor(self, visitor: Any, element: Any, **given: Any) -> None:
        self.receive_ddl(element, drops="Drop" in visitor.__name__)
