"""What does a way down say of the things that it brings back?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from migration_cookbook.verify.world.draft import ColumnDraft, Confidence, ForeignKey, TableDraft
from migration_cookbook.verify.world.oddities import ignoring_odd_operations, is_odd
from migration_cookbook.verify.world.sqlalchemy_private import constrained_columns
from migration_cookbook.verify.world.tracker import Hints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def full_name(name: str, schema: str | None) -> str:
    return f"{schema}.{name}" if schema else str(name)


def name_of(operation: Any) -> str:
    return full_name(operation.table_name, operation.schema)


def default_text(default: Any) -> str | None:
    """A server default as SQL."""
    if default is None or default is False:
        return None
    if isinstance(default, sa.DefaultClause):
        default = default.arg
    if isinstance(default, str):
        return "'" + default.replace("'", "''") + "'"
    if isinstance(default, sa.sql.ClauseElement):
        return str(default.compile(compile_kwargs={"literal_binds": True}))
    return None


@dataclass
class _Noted:
    """As `Hints`, while they're gathered."""

    tables: dict[str, TableDraft] = field(default_factory=dict)
    columns: dict[str, ColumnDraft] = field(default_factory=dict)
    indexes: dict[str, tuple[str, bool]] = field(default_factory=dict)
    constraints: dict[str, tuple[str, object]] = field(default_factory=dict)


def hints_of(operations: Iterable[MigrateOperation], enums: Mapping[str, tuple[str, ...]]) -> Hints:
    """What a way down says of the things that it brings back."""
    noted = _Noted()
    for operation in operations:
        with ignoring_odd_operations():
            if not (isinstance(operation, MigrateOperation) and is_odd(operation)):
                _hint(operation, noted)
    return Hints(noted.tables, noted.columns, noted.indexes, noted.constraints, enums)


def _hint(operation: Any, hints: _Noted) -> None:
    match operation:
        case ops.CreateTableOp():
            hints.tables[full_name(operation.table_name, operation.schema)] = _table_hint(operation)
        case ops.AddColumnOp():
            hints.columns[f"{name_of(operation)}.{operation.column.name}"] = _column_hint(operation.column)
        case ops.CreateIndexOp():
            where = operation.kw.get("postgresql_where")
            texts = [part if isinstance(part, str) else str(part) for part in operation.columns]
            method = operation.kw.get("postgresql_using")
            text = f"{f'USING {method} ' if method else ''}({', '.join(texts)})"
            hints.indexes[str(operation.index_name)] = (
                text + (f" WHERE {where}" if where is not None else ""),
                bool(operation.unique),
            )
        case ops.CreateForeignKeyOp():
            key = ForeignKey(
                str(operation.constraint_name),
                tuple(map(str, operation.local_cols)),
                full_name(operation.referent_table, operation.kw.get("referent_schema")),
                tuple(map(str, operation.remote_cols)),
                _key_options(operation.kw),
            )
            hints.constraints[str(operation.constraint_name)] = ("foreignkey", key)
        case ops.CreateUniqueConstraintOp():
            hints.constraints[str(operation.constraint_name)] = ("unique", tuple(map(str, operation.columns)))
        case ops.CreatePrimaryKeyOp():
            hints.constraints[str(operation.constraint_name)] = (
                "primary",
                tuple(map(str, operation.columns)),
            )
        case ops.CreateCheckConstraintOp():
            hints.constraints[str(operation.constraint_name)] = ("check", str(operation.condition))
        case ops.AlterColumnOp(modify_type=type_) if type_ is not None:
            hints.columns.setdefault(
                f"{name_of(operation)}.{operation.column_name}",
                ColumnDraft(operation.column_name, type_, Confidence.DECLARED),
            )


def _key_options(given: dict[str, Any]) -> str:
    text = "".join(
        f" {words} {given[name]}"
        for name, words in (("onupdate", "ON UPDATE"), ("ondelete", "ON DELETE"))
        if given.get(name)
    )
    if given.get("deferrable"):
        text += " DEFERRABLE"
    if given.get("initially"):
        text += f" INITIALLY {given['initially']}"
    return text


def _table_hint(operation: ops.CreateTableOp) -> TableDraft:
    table = TableDraft(full_name(operation.table_name, operation.schema), key=())
    key: list[str] = []
    for part in operation.columns:
        if isinstance(part, sa.Column):
            table.columns[str(part.name)] = _column_hint(part)
            if part.primary_key:
                key.append(str(part.name))
            for reference in part.foreign_keys:
                name, _, other = reference.target_fullname.rpartition(".")
                table.foreign_keys.append(
                    ForeignKey(None, (str(part.name),), name, (other,), _key_options(vars(reference)))
                )
            if part.unique:
                table.uniques.append((None, (str(part.name),)))
        elif isinstance(part, sa.PrimaryKeyConstraint):
            key, table.key_name = constrained_columns(part), _text(part.name)
        elif isinstance(part, sa.UniqueConstraint):
            table.uniques.append((_text(part.name), tuple(constrained_columns(part))))
        elif isinstance(part, sa.CheckConstraint):
            table.checks.append((_text(part.name), str(part.sqltext)))
        elif isinstance(part, sa.ForeignKeyConstraint):
            targets = [element.target_fullname for element in part.elements]
            table.foreign_keys.append(
                ForeignKey(
                    _text(part.name),
                    tuple(part.column_keys),
                    targets[0].rpartition(".")[0],
                    tuple(target.rpartition(".")[2] for target in targets),
                    _key_options(vars(part)),
                )
            )
    table.key = tuple(key)
    return table


def _text(name: object) -> str | None:
    return None if name is None else str(name)


def _column_hint(column: sa.Column[Any]) -> ColumnDraft:
    return ColumnDraft(
        str(column.name),
        column.type,
        Confidence.DECLARED,
        not_null=not column.nullable,
        default=default_text(column.server_default),
        comment=column.comment,
    )
