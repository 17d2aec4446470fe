"""What must be there before an operation of Alembic makes sense?

One registered function an operation class. Other people's operations register theirs with
`needs_of`; one that nobody registered needs what the database then says is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy.sql import visitors

from migration_cookbook.databases.kinds import Kind
from migration_cookbook.verify.world import sql as sql_needs
from migration_cookbook.verify.world.by_name import (
    extension_of_opclass,
    indexed_column,
    need_constraint,
    need_index,
)
from migration_cookbook.verify.world.columns import TEXT, spelled, type_by_name
from migration_cookbook.verify.world.downgrade import default_text, full_name, name_of
from migration_cookbook.verify.world.draft import ColumnDraft, Sure
from migration_cookbook.verify.world.expressions import learn_expression, satisfy, suggest
from migration_cookbook.verify.world.oddities import is_odd
from migration_cookbook.verify.world.tracker import Dropped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from alembic.operations.ops import MigrateOperation

    from migration_cookbook.verify.world.tracker import Tale


_REGISTRY: dict[type[MigrateOperation], Callable[[Any, Tale], None]] = {}


def needs_of(
    operation: type[MigrateOperation],
) -> Callable[[Callable[[Any, Tale], None]], Callable[[Any, Tale], None]]:
    """Register what operations of this class need."""

    def register(function: Callable[[Any, Tale], None]) -> Callable[[Any, Tale], None]:
        _REGISTRY[operation] = function
        return function

    return register


def learn(operation: MigrateOperation, tale: Tale) -> None:
    """Put what the operation needs into the draft, and what it makes into the tale."""
    for class_ in type(operation).__mro__:
        if class_ in _REGISTRY:
            if not (class_.__module__.startswith("alembic.") and is_odd(operation)):
                _REGISTRY[class_](operation, tale)
            return


@needs_of(ops.CreateTableOp)
def _create_table(operation: ops.CreateTableOp, tale: Tale) -> None:
    name = full_name(operation.table_name, operation.schema)
    tale.make(f"table {name}")
    if operation.schema and not tale.has_made(f"schema {operation.schema}"):
        _schema(operation.schema, tale)
    for part in operation.columns:
        if isinstance(part, sa.Column):
            _references(name, part, tale)
            _type_used(part.type, tale, made_here=True)
            if part.index:
                tale.make(f"index ix_{operation.table_name}_{part.name}")
        elif isinstance(part, sa.ForeignKeyConstraint):
            _foreign_targets([element.target_fullname for element in part.elements], tale, [])
        elif isinstance(part, sa.UniqueConstraint | sa.CheckConstraint) and part.name:
            tale.make(f"constraint {part.name}")


def _schema(name: str, tale: Tale) -> None:
    if name not in (*tale.draft.schemas, "public"):
        tale.draft.schemas.append(name)


@needs_of(ops.DropTableOp)
def _drop_table(operation: ops.DropTableOp, tale: Tale) -> None:
    name = name_of(operation)
    if not tale.down and not operation.if_exists:
        tale.table(name)
    tale.made.discard(f"table {name}")


@needs_of(ops.RenameTableOp)
def _rename_table(operation: ops.RenameTableOp, tale: Tale) -> None:
    tale.table(name_of(operation))
    tale.rename_table(name_of(operation), full_name(operation.new_table_name, operation.schema))


@needs_of(ops.AlterTableOp)
def _alter_table(operation: ops.AlterTableOp, tale: Tale) -> None:
    tale.table(name_of(operation))


@needs_of(ops.AddColumnOp)
def _add_column(operation: ops.AddColumnOp, tale: Tale) -> None:
    name, column = name_of(operation), operation.column
    tale.table(name)
    tale.makes_column(name, str(column.name))
    _references(name, column, tale)
    _type_used(column.type, tale, made_here=False)
    computed = column.computed
    if computed is not None:
        learn_expression(str(computed.sqltext), name, tale)


@needs_of(ops.DropColumnOp)
def _drop_column(operation: ops.DropColumnOp, tale: Tale) -> None:
    name = name_of(operation)
    if tale.down:
        tale.table(name)
    else:
        tale.column(name, operation.column_name)
    tale.made.discard(f"column {tale.original(name)}.{operation.column_name}")


@needs_of(ops.AlterColumnOp)
def _alter_column(operation: ops.AlterColumnOp, tale: Tale) -> None:
    name = name_of(operation)
    stated = operation.existing_type
    column = tale.column(name, operation.column_name, stated, Sure.STATED)
    if column is not None and not tale.down:
        _before_alteration(operation, column)
    if operation.modify_type is not None:
        _type_used(operation.modify_type, tale, made_here=False)
    if operation.modify_name:
        tale.rename_column(name, operation.column_name, str(operation.modify_name))


def _before_alteration(operation: ops.AlterColumnOp, column: ColumnDraft) -> None:
    if operation.modify_nullable is not None:
        column.not_null = operation.modify_nullable
    elif operation.existing_nullable is not None:
        column.not_null = not operation.existing_nullable
    if operation.modify_type is not None and column.sure < Sure.STATED:
        column.type, column.sure = _type_before(operation), Sure.BY_USE
    if operation.modify_type is not None and "postgresql_using" in operation.kw:
        column.looks_like = _compiled(operation.modify_type)
        labels = getattr(operation.modify_type, "enums", None)
        if labels:
            column.values = tuple(f"'{label}'" for label in labels)
    default = operation.existing_server_default
    if default not in (False, None):
        column.default = default_text(default)
    elif operation.modify_server_default is None and column.default is None:
        column.default = "0" if _compiled(column.type).upper().startswith(("INT", "NUM")) else "'none'"
    if operation.modify_comment is None and operation.existing_comment:
        column.comment = operation.existing_comment


def _type_before(operation: ops.AlterColumnOp) -> Any:
    """A type that PostgreSQL turns into the new one by itself, or by what USING says."""
    new = operation.modify_type
    if "postgresql_using" in operation.kw:
        return "TEXT" if not isinstance(new, sa.Text | sa.String) else sa.Integer()
    if isinstance(new, sa.Enum):
        return TEXT
    if isinstance(new, sa.String):
        return "VARCHAR(50)"
    if isinstance(new, sa.DateTime):
        return "TIMESTAMP"
    if isinstance(new, sa.BigInteger | sa.Numeric | sa.Float):
        return "INTEGER"
    if isinstance(new, sa.JSON):
        return "JSON"
    if isinstance(new, sa.Integer):
        return "SMALLINT"
    return type_by_name(operation.column_name)


def _compiled(type_: Any) -> str:
    return spelled(type_, Kind.POSTGRES)


@needs_of(ops.CreateIndexOp)
def _create_index(operation: ops.CreateIndexOp, tale: Tale) -> None:
    name = name_of(operation)
    tale.table(name)
    tale.make(f"index {operation.index_name}")
    method = str(operation.kw.get("postgresql_using") or "").lower()
    classes = operation.kw.get("postgresql_ops") or {}
    for part in operation.columns:
        if isinstance(part, str):
            opclass = str(classes.get(part, "")).split("(")[0]
            indexed_column(name, part, opclass, method, tale)
        else:
            _expression(part, name, tale)
    for opclass in classes.values():
        extension_of_opclass(str(opclass), tale)
    for option in ("postgresql_where", "sqlite_where"):
        if (where := operation.kw.get(option)) is not None:
            _expression(where, name, tale)
    for included in operation.kw.get("postgresql_include") or ():
        tale.column(name, str(included))


@needs_of(ops.DropIndexOp)
def _drop_index(operation: ops.DropIndexOp, tale: Tale) -> None:
    name = str(operation.index_name)
    known = tale.has_made(f"index {name}")
    tale.made.discard(f"index {name}")
    if known or tale.down or operation.if_exists or operation.index_name is None:
        return
    need_index(
        name, full_name(operation.table_name, operation.schema) if operation.table_name else None, tale
    )


@needs_of(ops.AddConstraintOp)
def _add_constraint(operation: Any, tale: Tale) -> None:
    constraint = operation.to_constraint()
    name = full_name(constraint.table.name, constraint.table.schema)
    tale.table(name)
    tale.make(f"constraint {constraint.name}")
    for column in constraint.columns:
        tale.column(name, str(column.name))


@needs_of(ops.CreateUniqueConstraintOp)
def _unique(operation: ops.CreateUniqueConstraintOp, tale: Tale) -> None:
    name = name_of(operation)
    tale.make(f"constraint {operation.constraint_name}")
    for column in operation.columns:
        tale.column(name, str(column))


@needs_of(ops.CreatePrimaryKeyOp)
def _primary_key(operation: ops.CreatePrimaryKeyOp, tale: Tale) -> None:
    name = name_of(operation)
    tale.make(f"constraint {operation.constraint_name}")
    found = tale.table(name)
    if found is not None and not tale.down and found.key is None and found.key_name is None:
        found.key = ()
    for column in operation.columns:
        tale.column(name, str(column))


@needs_of(ops.CreateCheckConstraintOp)
def _check(operation: ops.CreateCheckConstraintOp, tale: Tale) -> None:
    name = name_of(operation)
    tale.table(name)
    tale.make(f"constraint {operation.constraint_name}")
    _expression(operation.condition, name, tale)
    satisfy(str(operation.condition), name, tale)


@needs_of(CreateExcludeConstraintOp)
def _exclude(operation: CreateExcludeConstraintOp, tale: Tale) -> None:
    name = name_of(operation)
    tale.table(name)
    tale.make(f"constraint {operation.constraint_name}")
    for part, operator in operation.elements:
        _expression(part, name, tale)
        column = tale.column(name, str(getattr(part, "name", part)))
        if column is not None and operator == "&&":
            suggest(column, "TSTZRANGE")


@needs_of(ops.CreateForeignKeyOp)
def _foreign_key(operation: ops.CreateForeignKeyOp, tale: Tale) -> None:
    source = full_name(operation.source_table, operation.kw.get("source_schema"))
    target = full_name(operation.referent_table, operation.kw.get("referent_schema"))
    tale.make(f"constraint {operation.constraint_name}")
    mine = [tale.column(source, str(column)) for column in operation.local_cols]
    _foreign_targets([f"{target}.{column}" for column in operation.remote_cols], tale, mine)
    # The rows must already agree, as if the key were there.
    for column, other in zip(mine, operation.remote_cols, strict=False):
        theirs = tale.column(target, str(other))
        if column is not None and theirs is not None:
            _as_referred(column, theirs)


def _as_referred(column: ColumnDraft, theirs: ColumnDraft) -> None:
    if theirs.name == "id" and "INT" in _compiled(theirs.type).upper():
        column.values = ("101", "102", "103")


def _foreign_targets(targets: Iterable[str], tale: Tale, mine: list[ColumnDraft | None]) -> None:
    parts = [target.rpartition(".") for target in targets if "." in target]
    for number, (table, _, column) in enumerate(parts):
        theirs = tale.column(table, column)
        own = mine[number] if number < len(mine) else None
        if own is not None and theirs is not None:
            if own.sure > theirs.sure:
                theirs.type, theirs.sure = own.type, own.sure
            else:
                own.type, own.sure = theirs.type, max(own.sure, theirs.sure)
    if parts:
        found = tale.table(parts[0][0])
        columns = tuple(column for _, _, column in parts)
        needs_unique = found is not None and columns != (found.key or ("id",))
        if found is not None and needs_unique and (None, columns) not in found.uniques:
            found.uniques.append((None, columns))


def _references(table: str, column: sa.Column[Any], tale: Tale) -> None:
    for key in column.foreign_keys:
        target = (
            key.target_fullname
            if key.parent is not None and key.parent.table is not None
            else key._get_colspec()
        )
        name, _, other = str(target).rpartition(".")
        if name in ("", table):
            continue
        stated = None if isinstance(column.type, sa.types.NullType) else column.type
        theirs = tale.column(name, other, stated, Sure.STATED)
        if theirs is not None:
            _foreign_targets([str(target)], tale, [])


def _type_used(type_: Any, tale: Tale, *, made_here: bool) -> None:
    """An enum that says `create_type=False` counts on a type that is there."""
    if not isinstance(type_, sa.Enum) or not type_.name:
        return
    if made_here and getattr(type_, "create_type", True):
        tale.make(f"type {type_.name}")
    elif not getattr(type_, "create_type", True) and not tale.has_made(f"type {type_.name}"):
        tale.draft.enums.setdefault(type_.name, tuple(type_.enums))


@needs_of(ops.DropConstraintOp)
def _drop_constraint(operation: ops.DropConstraintOp, tale: Tale) -> None:
    name = str(operation.constraint_name)
    known = tale.has_made(f"constraint {name}")
    tale.made.discard(f"constraint {name}")
    tale.table(name_of(operation))
    if known or tale.down or operation.constraint_name is None:
        return
    need_constraint(name, name_of(operation), operation.constraint_type, tale)


@needs_of(ops.BulkInsertOp)
def _bulk_insert(operation: ops.BulkInsertOp, tale: Tale) -> None:
    table = operation.table
    name = full_name(table.name, table.schema)
    if tale.table(name) is None:
        return
    for column in table.c:
        stated = None if isinstance(column.type, sa.types.NullType) else column.type
        tale.column(name, column.name, stated, Sure.BY_USE)


@needs_of(ops.ExecuteSQLOp)
def _execute(operation: ops.ExecuteSQLOp, tale: Tale) -> None:
    statement = operation.sqltext
    if isinstance(statement, str):
        # Alembic reads a string as sa.text, so `\:` stands for a colon.
        statement = statement.replace("\\:", ":")
    learn_statement(statement, tale)


def learn_statement(statement: Any, tale: Tale) -> None:
    """What a statement needs, be it text or built of SQLAlchemy's parts."""
    if isinstance(statement, Dropped):
        _dropped(statement.element, tale)
    elif isinstance(statement, sa.Enum):
        tale.make(f"type {statement.name}")
    elif isinstance(statement, str):
        sql_needs.learn(statement, tale)
    elif isinstance(statement, sa.TextClause):
        sql_needs.learn(statement.text.replace("\\:", ":"), tale)
    elif isinstance(statement, sa.sql.ClauseElement):
        _construct(statement, tale)


def _dropped(element: Any, tale: Tale) -> None:
    if isinstance(element, sa.Enum) and element.name and not tale.down:
        if not tale.has_made(f"type {element.name}"):
            tale.draft.enums.setdefault(element.name, tuple(element.enums) or ("first", "second"))
    elif isinstance(element, sa.Table) and not tale.down:
        tale.table(full_name(element.name, element.schema))


def _construct(statement: sa.sql.ClauseElement, tale: Tale) -> None:
    for part in visitors.iterate(statement):
        _part(part, tale)


def _part(part: Any, tale: Tale) -> None:
    if isinstance(part, sa.TableClause):
        name = full_name(part.name, getattr(part, "schema", None))
        tale.table(name)
        for column in part.c:
            stated = None if isinstance(column.type, sa.types.NullType) else column.type
            tale.column(name, str(column.name), stated, Sure.BY_USE)
    elif isinstance(part, sa.TextClause):
        sql_needs.learn(part.text, tale)


def _expression(part: Any, table: str, tale: Tale) -> None:
    """The columns of an expression over one table."""
    if isinstance(part, sa.TextClause):
        learn_expression(part.text, table, tale)
    elif isinstance(part, str):
        learn_expression(part, table, tale)
    elif isinstance(part, sa.sql.ClauseElement):
        for one in visitors.iterate(part):
            if isinstance(one, sa.sql.expression.ColumnClause) and one.name:
                stated = None if isinstance(one.type, sa.types.NullType) else one.type
                tale.column(table, str(one.name), stated, Sure.BY_USE)
            elif isinstance(one, sa.TextClause):
                learn_expression(one.text, table, tale)
