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

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.world import sql as sql_needs
from migration_cookbook.verify.world.by_name import (
    extension_of_opclass,
    indexed_column,
    need_constraint,
    need_index,
)
from migration_cookbook.verify.world.columns import TEXT, spelled, type_by_name
from migration_cookbook.verify.world.downgrade import default_text, full_name, name_of
from migration_cookbook.verify.world.draft import ColumnDraft, Confidence
from migration_cookbook.verify.world.expressions import learn_expression, satisfy, suggest
from migration_cookbook.verify.world.oddities import is_odd
from migration_cookbook.verify.world.tracker import Dropped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from alembic.operations.ops import MigrateOperation

    from migration_cookbook.verify.world.tracker import SchemaTracker


_REGISTRY: dict[type[MigrateOperation], Callable[[Any, SchemaTracker], None]] = {}


def needs_of(
    operation: type[MigrateOperation],
) -> Callable[[Callable[[Any, SchemaTracker], None]], Callable[[Any, SchemaTracker], None]]:
    """Register what operations of this class need."""

    def register(function: Callable[[Any, SchemaTracker], None]) -> Callable[[Any, SchemaTracker], None]:
        _REGISTRY[operation] = function
        return function

    return register


def learn(operation: MigrateOperation, tracker: SchemaTracker) -> None:
    """Put what the operation needs into the draft, and what it makes into the tracker."""
    for class_ in type(operation).__mro__:
        if class_ in _REGISTRY:
            if not (class_.__module__.startswith("alembic.") and is_odd(operation)):
                _REGISTRY[class_](operation, tracker)
            return


@needs_of(ops.CreateTableOp)
def _create_table(operation: ops.CreateTableOp, tracker: SchemaTracker) -> None:
    name = full_name(operation.table_name, operation.schema)
    tracker.make(f"table {name}")
    if operation.schema and not tracker.has_made(f"schema {operation.schema}"):
        _schema(operation.schema, tracker)
    for part in operation.columns:
        if isinstance(part, sa.Column):
            _references(name, part, tracker)
            _type_used(part.type, tracker, made_here=True)
            if part.index:
                tracker.make(f"index ix_{operation.table_name}_{part.name}")
        elif isinstance(part, sa.ForeignKeyConstraint):
            _foreign_targets([element.target_fullname for element in part.elements], tracker, [])
        elif isinstance(part, sa.UniqueConstraint | sa.CheckConstraint) and part.name:
            tracker.make(f"constraint {part.name}")


def _schema(name: str, tracker: SchemaTracker) -> None:
    if name not in (*tracker.draft.schemas, "public"):
        tracker.draft.schemas.append(name)


@needs_of(ops.DropTableOp)
def _drop_table(operation: ops.DropTableOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    if not tracker.down and not operation.if_exists:
        tracker.table(name)
    tracker.made.discard(f"table {name}")


@needs_of(ops.RenameTableOp)
def _rename_table(operation: ops.RenameTableOp, tracker: SchemaTracker) -> None:
    tracker.table(name_of(operation))
    tracker.rename_table(name_of(operation), full_name(operation.new_table_name, operation.schema))


@needs_of(ops.AlterTableOp)
def _alter_table(operation: ops.AlterTableOp, tracker: SchemaTracker) -> None:
    tracker.table(name_of(operation))


@needs_of(ops.AddColumnOp)
def _add_column(operation: ops.AddColumnOp, tracker: SchemaTracker) -> None:
    name, column = name_of(operation), operation.column
    tracker.table(name)
    tracker.makes_column(name, str(column.name))
    _references(name, column, tracker)
    _type_used(column.type, tracker, made_here=False)
    computed = column.computed
    if computed is not None:
        learn_expression(str(computed.sqltext), name, tracker)


@needs_of(ops.DropColumnOp)
def _drop_column(operation: ops.DropColumnOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    if tracker.down:
        tracker.table(name)
    else:
        tracker.column(name, operation.column_name)
    tracker.made.discard(f"column {tracker.original(name)}.{operation.column_name}")


@needs_of(ops.AlterColumnOp)
def _alter_column(operation: ops.AlterColumnOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    stated = operation.existing_type
    column = tracker.column(name, operation.column_name, stated, Confidence.DECLARED)
    if column is not None and not tracker.down:
        _before_alteration(operation, column)
    if operation.modify_type is not None:
        _type_used(operation.modify_type, tracker, made_here=False)
    if operation.modify_name:
        tracker.rename_column(name, operation.column_name, str(operation.modify_name))


def _before_alteration(operation: ops.AlterColumnOp, column: ColumnDraft) -> None:
    if operation.modify_nullable is not None:
        column.not_null = operation.modify_nullable
    elif operation.existing_nullable is not None:
        column.not_null = not operation.existing_nullable
    if operation.modify_type is not None and column.confidence < Confidence.DECLARED:
        column.type, column.confidence = _type_before(operation), Confidence.FROM_USAGE
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
    return spelled(type_, Dialect.POSTGRES)


@needs_of(ops.CreateIndexOp)
def _create_index(operation: ops.CreateIndexOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    tracker.table(name)
    tracker.make(f"index {operation.index_name}")
    method = str(operation.kw.get("postgresql_using") or "").lower()
    classes = operation.kw.get("postgresql_ops") or {}
    for part in operation.columns:
        if isinstance(part, str):
            opclass = str(classes.get(part, "")).split("(")[0]
            indexed_column(name, part, opclass, method, tracker)
        else:
            _expression(part, name, tracker)
    for opclass in classes.values():
        extension_of_opclass(str(opclass), tracker)
    for option in ("postgresql_where", "sqlite_where"):
        if (where := operation.kw.get(option)) is not None:
            _expression(where, name, tracker)
    for included in operation.kw.get("postgresql_include") or ():
        tracker.column(name, str(included))


@needs_of(ops.DropIndexOp)
def _drop_index(operation: ops.DropIndexOp, tracker: SchemaTracker) -> None:
    name = str(operation.index_name)
    known = tracker.has_made(f"index {name}")
    tracker.made.discard(f"index {name}")
    if known or tracker.down or operation.if_exists or operation.index_name is None:
        return
    need_index(
        name, full_name(operation.table_name, operation.schema) if operation.table_name else None, tracker
    )


@needs_of(ops.AddConstraintOp)
def _add_constraint(operation: Any, tracker: SchemaTracker) -> None:
    constraint = operation.to_constraint()
    name = full_name(constraint.table.name, constraint.table.schema)
    tracker.table(name)
    tracker.make(f"constraint {constraint.name}")
    for column in constraint.columns:
        tracker.column(name, str(column.name))


@needs_of(ops.CreateUniqueConstraintOp)
def _unique(operation: ops.CreateUniqueConstraintOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    tracker.make(f"constraint {operation.constraint_name}")
    for column in operation.columns:
        tracker.column(name, str(column))


@needs_of(ops.CreatePrimaryKeyOp)
def _primary_key(operation: ops.CreatePrimaryKeyOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    tracker.make(f"constraint {operation.constraint_name}")
    found = tracker.table(name)
    if found is not None and not tracker.down and found.key is None and found.key_name is None:
        found.key = ()
    for column in operation.columns:
        tracker.column(name, str(column))


@needs_of(ops.CreateCheckConstraintOp)
def _check(operation: ops.CreateCheckConstraintOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    tracker.table(name)
    tracker.make(f"constraint {operation.constraint_name}")
    _expression(operation.condition, name, tracker)
    satisfy(str(operation.condition), name, tracker)


@needs_of(CreateExcludeConstraintOp)
def _exclude(operation: CreateExcludeConstraintOp, tracker: SchemaTracker) -> None:
    name = name_of(operation)
    tracker.table(name)
    tracker.make(f"constraint {operation.constraint_name}")
    for part, operator in operation.elements:
        _expression(part, name, tracker)
        column = tracker.column(name, str(getattr(part, "name", part)))
        if column is not None and operator == "&&":
            suggest(column, "TSTZRANGE")


@needs_of(ops.CreateForeignKeyOp)
def _foreign_key(operation: ops.CreateForeignKeyOp, tracker: SchemaTracker) -> None:
    source = full_name(operation.source_table, operation.kw.get("source_schema"))
    target = full_name(operation.referent_table, operation.kw.get("referent_schema"))
    tracker.make(f"constraint {operation.constraint_name}")
    mine = [tracker.column(source, str(column)) for column in operation.local_cols]
    _foreign_targets([f"{target}.{column}" for column in operation.remote_cols], tracker, mine)
    # The rows must already agree, as if the key were there.
    for column, other in zip(mine, operation.remote_cols, strict=False):
        theirs = tracker.column(target, str(other))
        if column is not None and theirs is not None:
            _as_referred(column, theirs)


def _as_referred(column: ColumnDraft, theirs: ColumnDraft) -> None:
    if theirs.name == "id" and "INT" in _compiled(theirs.type).upper():
        column.values = ("101", "102", "103")


def _foreign_targets(targets: Iterable[str], tracker: SchemaTracker, mine: list[ColumnDraft | None]) -> None:
    parts = [target.rpartition(".") for target in targets if "." in target]
    for number, (table, _, column) in enumerate(parts):
        theirs = tracker.column(table, column)
        own = mine[number] if number < len(mine) else None
        if own is not None and theirs is not None:
            if own.confidence > theirs.confidence:
                theirs.type, theirs.confidence = own.type, own.confidence
            else:
                own.type, own.confidence = theirs.type, max(own.confidence, theirs.confidence)
    if parts:
        found = tracker.table(parts[0][0])
        columns = tuple(column for _, _, column in parts)
        needs_unique = found is not None and columns != (found.key or ("id",))
        if found is not None and needs_unique and (None, columns) not in found.uniques:
            found.uniques.append((None, columns))


def _references(table: str, column: sa.Column[Any], tracker: SchemaTracker) -> None:
    for key in column.foreign_keys:
        target = key.target_fullname
        name, _, other = target.rpartition(".")
        if name in ("", table):
            continue
        stated = None if isinstance(column.type, sa.types.NullType) else column.type
        theirs = tracker.column(name, other, stated, Confidence.DECLARED)
        if theirs is not None:
            _foreign_targets([target], tracker, [])


def _type_used(type_: Any, tracker: SchemaTracker, *, made_here: bool) -> None:
    """An enum that says `create_type=False` counts on a type that is there."""
    if not isinstance(type_, sa.Enum) or not type_.name:
        return
    if made_here and getattr(type_, "create_type", True):
        tracker.make(f"type {type_.name}")
    elif not getattr(type_, "create_type", True) and not tracker.has_made(f"type {type_.name}"):
        tracker.draft.enums.setdefault(type_.name, tuple(type_.enums))


@needs_of(ops.DropConstraintOp)
def _drop_constraint(operation: ops.DropConstraintOp, tracker: SchemaTracker) -> None:
    name = str(operation.constraint_name)
    known = tracker.has_made(f"constraint {name}")
    tracker.made.discard(f"constraint {name}")
    tracker.table(name_of(operation))
    if known or tracker.down or operation.constraint_name is None:
        return
    need_constraint(name, name_of(operation), operation.constraint_type, tracker)


@needs_of(ops.BulkInsertOp)
def _bulk_insert(operation: ops.BulkInsertOp, tracker: SchemaTracker) -> None:
    table = operation.table
    name = full_name(table.name, table.schema)
    if tracker.table(name) is None:
        return
    for column in table.c:
        stated = None if isinstance(column.type, sa.types.NullType) else column.type
        tracker.column(name, column.name, stated, Confidence.FROM_USAGE)


@needs_of(ops.ExecuteSQLOp)
def _execute(operation: ops.ExecuteSQLOp, tracker: SchemaTracker) -> None:
    statement = operation.sqltext
    if isinstance(statement, str):
        # Alembic reads a string as sa.text, so `\:` stands for a colon.
        statement = statement.replace("\\:", ":")
    learn_statement(statement, tracker)


def learn_statement(statement: Any, tracker: SchemaTracker) -> None:
    """What a statement needs, be it text or built of SQLAlchemy's parts."""
    if isinstance(statement, Dropped):
        _dropped(statement.element, tracker)
    elif isinstance(statement, sa.Enum):
        tracker.make(f"type {statement.name}")
    elif isinstance(statement, str):
        sql_needs.learn(statement, tracker)
    elif isinstance(statement, sa.TextClause):
        sql_needs.learn(statement.text.replace("\\:", ":"), tracker)
    elif isinstance(statement, sa.sql.ClauseElement):
        _construct(statement, tracker)


def _dropped(element: Any, tracker: SchemaTracker) -> None:
    if isinstance(element, sa.Enum) and element.name and not tracker.down:
        if not tracker.has_made(f"type {element.name}"):
            tracker.draft.enums.setdefault(element.name, tuple(element.enums) or ("first", "second"))
    elif isinstance(element, sa.Table) and not tracker.down:
        tracker.table(full_name(element.name, element.schema))


def _construct(statement: sa.sql.ClauseElement, tracker: SchemaTracker) -> None:
    for part in visitors.iterate(statement):
        _part(part, tracker)


def _part(part: Any, tracker: SchemaTracker) -> None:
    if isinstance(part, sa.TableClause):
        name = full_name(part.name, getattr(part, "schema", None))
        tracker.table(name)
        for column in part.c:
            stated = None if isinstance(column.type, sa.types.NullType) else column.type
            tracker.column(name, str(column.name), stated, Confidence.FROM_USAGE)
    elif isinstance(part, sa.TextClause):
        sql_needs.learn(part.text, tracker)


def _expression(part: Any, table: str, tracker: SchemaTracker) -> None:
    """The columns of an expression over one table."""
    if isinstance(part, sa.TextClause):
        learn_expression(part.text, table, tracker)
    elif isinstance(part, str):
        learn_expression(part, table, tracker)
    elif isinstance(part, sa.sql.ClauseElement):
        for one in visitors.iterate(part):
            if isinstance(one, sa.sql.expression.ColumnClause) and one.name:
                stated = None if isinstance(one.type, sa.types.NullType) else one.type
                tracker.column(table, str(one.name), stated, Confidence.FROM_USAGE)
            elif isinstance(one, sa.TextClause):
                learn_expression(one.text, table, tracker)
