"""The relations that one connection sees, and the files that they're in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration_cookbook.databases.connections import Connection

#: Tables, views and indexes of the user's own. Sequences follow their tables.
_RELATIONS = """
    SELECT c.oid, n.nspname, c.relname, c.relkind, pg_relation_filenode(c.oid), i.indrelid, (
            SELECT attname FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                AND attgenerated = '' AND attidentity <> 'a'
            ORDER BY attnum LIMIT 1
        )
    FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'i', 'I')
        AND n.nspname <> 'information_schema' AND NOT starts_with(n.nspname, 'pg_')
"""


@dataclass(frozen=True)
class Relation:
    """A table, a view or an index."""

    schema: str
    bare_name: str
    #: A letter of pg_class.relkind.
    letter: str
    #: The number of the file on the disk; a rewrite changes it. Views have none.
    file: int | None
    #: Of an index.
    table: int | None
    #: One that an UPDATE may name.
    column: str | None

    @property
    def name(self) -> str:
        return self.bare_name if self.schema == "public" else f"{self.schema}.{self.bare_name}"

    @property
    def is_table(self) -> bool:
        return self.letter in "rp"

    @property
    def takes_rows(self) -> bool:
        """Whether an INSERT or UPDATE can go there at all."""
        return self.letter in "rpfv"


def relations(connection: Connection) -> dict[int, Relation]:
    """Return all relations that this connection sees at this moment, its own uncommitted ones among them."""
    return {row[0]: Relation(*row[1:]) for row in connection.execute(_RELATIONS.encode())}
