"""What a statement of SQL needs in the database.

PostgreSQL's own parser reads it; what it can't read (SQLite's own words) is known from the
database when it misses something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migration_cookbook.verify.required_schema.by_name import (
    column_in_name,
    extension_of_opclass,
    indexed_column,
    kind_in_name,
    need_constraint,
    need_index,
    need_other,
    need_trigger,
    need_trigger_function,
)
from migration_cookbook.verify.required_schema.columns import quoted
from migration_cookbook.verify.required_schema.draft import Confidence
from migration_cookbook.verify.required_schema.expressions import (
    BIND,
    Scope,
    counts,
    learn_columns,
    learn_type,
    relation_name,
    satisfy_tree,
    suggest,
    trees,
    type_text,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.verify.required_schema.tracker import SchemaTracker


def learn(sql: str, tracker: SchemaTracker) -> None:
    """Put what the statements need into the draft, and what they make into the tracker."""
    for tree in trees(BIND.sub("NULL", sql)):
        ((what, node),) = tree.items()
        handler = _STATEMENTS.get(what)
        if handler is not None:
            handler(node, tracker)


def _query(
    node: dict[str, Any],
    tracker: SchemaTracker,
    target: dict[str, Any] | None = None,
    defined: frozenset[str] = frozenset(),
) -> None:
    """SELECT, INSERT, UPDATE, DELETE: tables, then columns. What WITH defines is a query by itself."""
    scope = Scope()
    ctes = [one["common_table_expr"] for one in node.get("with_clause", {}).get("ctes", ())]
    defined |= {one["ctename"] for one in ctes}
    for one in ctes:
        for query in one.get("ctequery", {}).values():
            _query(query, tracker, defined=defined)
    node = {key: value for key, value in node.items() if key != "with_clause"}
    for key, one in walk(node):
        if key in ("range_var", "relation") and isinstance(one, dict) and "relname" in one:
            name = relation_name(one)
            alias = one.get("alias", {}).get("aliasname", one["relname"])
            table = None if name in defined else name
            scope.tables[alias] = table
            if table is not None:
                found = tracker.table(table)
                if scope.first is None and found is not None:
                    scope.first = table
        elif key in ("range_subselect", "range_function"):
            scope.tables[one.get("alias", {}).get("aliasname", "")] = None
    if target is not None:
        scope.first = relation_name(target)
    known = [name for name in scope.tables.values() if name]
    if len(known) != len(scope.tables) or len(known) > 1:
        # A bare column may be anybody's: only the database can tell.
        scope.first = scope.first if target is not None else None
    learn_columns(node, scope, tracker)


def _insert(node: dict[str, Any], tracker: SchemaTracker) -> None:
    table = relation_name(node["relation"])
    found = tracker.table(table)
    names = [one["res_target"]["name"] for one in node.get("cols", ())]
    values = node.get("select_stmt", {}).get("select_stmt", {})
    rows = [one["list"]["items"] for one in values.get("values_lists", ()) if "list" in one]
    for number, name in enumerate(names):
        column = tracker.column(table, name)
        cells = [row[number] for row in rows if number < len(row)]
        if column is not None and cells:
            learn_type(column, cells[0])
    if found is not None and "id" in names and found.key is None and rows:
        tracker.column(table, "id")
    inference = node.get("on_conflict_clause", {}).get("infer", {})
    columns = tuple(
        one["index_elem"]["name"]
        for one in inference.get("index_elems", ())
        if "name" in one.get("index_elem", {})
    )
    if columns and found is not None and columns != (found.key or ("id",)):
        for name in columns:
            tracker.column(table, name)
        if (None, columns) not in found.uniques:
            found.uniques.append((None, columns))
    if not rows:
        _query({**values, "with_clause": node.get("with_clause", {})}, tracker)


def _update(node: dict[str, Any], tracker: SchemaTracker) -> None:
    table = relation_name(node["relation"])
    tracker.table(table)
    for one in node.get("target_list", ()):
        column = tracker.column(table, one["res_target"]["name"])
        if column is not None:
            learn_type(column, one["res_target"].get("val", {}))
    _query(node, tracker, node["relation"])


def _delete(node: dict[str, Any], tracker: SchemaTracker) -> None:
    _query(node, tracker, node["relation"])


def _create_table(node: dict[str, Any], tracker: SchemaTracker) -> None:
    table = relation_name(node["relation"])
    schema, dot, _ = table.rpartition(".")
    if dot and not tracker.has_made(f"schema {schema}") and schema not in tracker.draft.schemas:
        tracker.draft.schemas.append(schema)
    tracker.make(f"table {table}")
    for key, one in walk(node):
        if key == "constraint":
            _constraint(one, table, tracker)
    for one in node.get("inh_relations", ()):
        if "range_var" in one:
            tracker.table(relation_name(one["range_var"]))


def _create_table_as(node: dict[str, Any], tracker: SchemaTracker) -> None:
    _query(node.get("query", {}), tracker)
    into = node.get("into", {}).get("rel")
    if into:
        tracker.make(f"table {relation_name(into)}")


def _constraint(node: dict[str, Any], table: str, tracker: SchemaTracker, column: str | None = None) -> None:
    if node.get("conname"):
        tracker.make(f"constraint {node['conname']}")
    if node.get("contype") == "CONSTR_FOREIGN":
        target = relation_name(node["pktable"])
        names = _strings(node.get("pk_attrs")) or ["id"]
        mine = _strings(node.get("fk_attrs")) or ([column] if column else [])
        if target != table:
            found = tracker.table(target)
            for number, name in enumerate(names):
                theirs = tracker.column(target, name)
                own = tracker.column(table, mine[number]) if number < len(mine) else None
                if own is not None and theirs is not None:
                    own.type, own.confidence = theirs.type, max(theirs.confidence, own.confidence)
                    if theirs.name == "id":
                        own.values = ("101", "102", "103") if counts(theirs) else ()
            columns = tuple(names)
            needs_unique = found is not None and columns != (found.key or ("id",))
            if found is not None and needs_unique and (None, columns) not in found.uniques:
                found.uniques.append((None, columns))
    elif node.get("contype") == "CONSTR_CHECK":
        learn_columns(node.get("raw_expr"), Scope({}, table), tracker)
        satisfy_tree(node.get("raw_expr", {}), table, tracker)
    for name in _strings(node.get("keys")):
        tracker.column(table, name)
    if node.get("contype") == "CONSTR_EXCLUSION":
        _exclusion(node, table, tracker)


def _exclusion(node: dict[str, Any], table: str, tracker: SchemaTracker) -> None:
    learn_columns(node.get("exclusions"), Scope({}, table), tracker)
    for element in node.get("exclusions", ()):
        items = element.get("list", {}).get("items", ())
        operators = [word for _, word in walk(items) if isinstance(word, str)]
        name = next((one["index_elem"].get("name") for one in items if "index_elem" in one), None)
        if name:
            column = tracker.column(table, name)
            if column is not None and "&&" in operators:
                suggest(column, "TSTZRANGE")


def _strings(nodes: list[dict[str, Any]] | None) -> list[str]:
    return [one["string"]["sval"] for one in nodes or () if "string" in one]


def _alter_table(node: dict[str, Any], tracker: SchemaTracker) -> None:
    if "relation" not in node:
        return
    table = relation_name(node["relation"])
    if node.get("objtype") == "OBJECT_INDEX":
        _need_index(table, tracker)
        return
    if node.get("objtype") in ("OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE"):
        return
    tracker.table(table)
    for one in node.get("cmds", ()):
        _command(one["alter_table_cmd"], table, tracker)


def _command(node: dict[str, Any], table: str, tracker: SchemaTracker) -> None:
    what, name, definition = node.get("subtype"), node.get("name", ""), node.get("def", {})
    if what == "AT_AddColumn":
        column = definition["column_def"]
        tracker.makes_column(table, column["colname"])
        for one in column.get("constraints", ()):
            _constraint(one["constraint"], table, tracker, None)
    elif what == "AT_AddConstraint":
        _constraint(definition["constraint"], table, tracker)
    elif what in ("AT_DropConstraint", "AT_ValidateConstraint"):
        if not node.get("missing_ok") and not tracker.has_made(f"constraint {name}") and not tracker.down:
            _need_constraint(name, table, tracker, validated=what == "AT_DropConstraint")
    elif what == "AT_DropColumn":
        if not node.get("missing_ok") and not tracker.down:
            tracker.column(table, name)
        tracker.made.discard(f"column {table}.{name}")
    elif what == "AT_AlterColumnType":
        _change_type(definition["column_def"], table, name, tracker)
    elif what in ("AT_SetNotNull", "AT_DropNotNull", "AT_ColumnDefault", "AT_SetStatistics", "AT_SetStorage"):
        column = tracker.column(table, name)
        if column is not None and what == "AT_DropNotNull" and not tracker.down:
            column.not_null = True
    elif what == "AT_AttachPartition":
        for key, one in walk(definition):
            if key == "name" and isinstance(one, dict) and "relname" in one:
                tracker.table(relation_name(one))


def _change_type(definition: dict[str, Any], table: str, name: str, tracker: SchemaTracker) -> None:
    column = tracker.column(table, name)
    new = type_text(definition["type_name"])
    using = definition.get("raw_default")
    if column is None or column.confidence is Confidence.DECLARED:
        return
    if using is not None:
        column.type, column.looks_like = "TEXT", new
        column.confidence = Confidence.FROM_USAGE
        column.values = tuple(quoted(label) for label in tracker.labels.get(new, ()))
    elif new.upper().startswith(("VARCHAR", "TEXT")):
        column.type, column.confidence = "VARCHAR(50)", Confidence.FROM_USAGE
    elif new.upper().startswith(("BIGINT", "NUMERIC", "DOUBLE", "REAL")):
        column.type, column.confidence = "INTEGER", Confidence.FROM_USAGE


def _need_constraint(name: str, table: str, tracker: SchemaTracker, *, validated: bool) -> None:

    if validated:
        need_constraint(name, table, None, tracker)
        return
    found = tracker.table(table)
    if found is None or name in found.names():
        return
    if kind_in_name(name) == "foreignkey":
        column = column_in_name(name, table, found)
        column = column if column.endswith("_id") else f"{column}_id"
        target = f"{column.removesuffix('_id')}s"
        own = tracker.column(table, column)
        tracker.column(target, "id")
        if own is not None:
            own.values = ("101", "102", "103")
        found.not_valid.append((name, f"FOREIGN KEY ({column}) REFERENCES {target} (id)"))
    else:
        column = column_in_name(name, table, found)
        tracker.column(table, column)
        found.not_valid.append((name, f"CHECK ({column} IS NOT NULL)"))


def _need_index(name: str, tracker: SchemaTracker, table: str | None = None) -> None:

    if not tracker.has_made(f"index {name}") and not tracker.down:
        need_index(name, table, tracker)


def _index(node: dict[str, Any], tracker: SchemaTracker) -> None:
    table = relation_name(node["relation"])
    tracker.table(table)
    tracker.make(f"index {node.get('idxname', '')}")
    method = node.get("access_method", "btree")

    for one in node.get("index_params", ()):
        element = one["index_elem"]
        opclass = "".join(_strings(element.get("opclass")))
        if opclass:
            extension_of_opclass(opclass, tracker)
        if "name" in element:
            indexed_column(table, element["name"], opclass, method, tracker)
    learn_columns([node.get("index_params"), node.get("where_clause")], Scope({}, table), tracker)
    for one in node.get("index_including_params", ()):
        if "name" in one["index_elem"]:
            tracker.column(table, one["index_elem"]["name"])


def _rename(node: dict[str, Any], tracker: SchemaTracker) -> None:
    what = node.get("rename_type")
    if "relation" not in node:
        return
    table = relation_name(node["relation"])
    if what == "OBJECT_TABLE":
        tracker.table(table)
        tracker.rename_table(table, node["newname"])
    elif what == "OBJECT_COLUMN":
        tracker.column(table, node["subname"])
        tracker.rename_column(table, node["subname"], node["newname"])
    elif what == "OBJECT_INDEX":
        _need_index(table, tracker)
        tracker.make(f"index {node['newname']}")
    elif what == "OBJECT_TABCONSTRAINT":
        if not tracker.has_made(f"constraint {node['subname']}"):
            _need_constraint(node["subname"], table, tracker, validated=True)
        tracker.make(f"constraint {node['newname']}")
    elif what == "OBJECT_SEQUENCE":
        need_other(f"sequence {table}", f"CREATE SEQUENCE {table}", tracker)


def _drop(node: dict[str, Any], tracker: SchemaTracker) -> None:
    if node.get("missing_ok") or tracker.down:
        return
    what = str(node.get("remove_type"))
    for one in node.get("objects", ()):
        names = _strings(one.get("list", {}).get("items")) or _strings([one])
        names = names or _strings(one.get("type_name", {}).get("names"))
        arguments = one.get("object_with_args")
        if arguments:
            names = _strings(arguments.get("objname"))
        if names:
            _need_dropped(what, names, tracker)


def _need_dropped(what: str, names: list[str], tracker: SchemaTracker) -> None:
    name = ".".join(part for part in names if part != "public")
    if what == "OBJECT_TABLE":
        tracker.table(name)
        tracker.made.discard(f"table {name}")
    elif what == "OBJECT_INDEX":
        _need_index(name, tracker)
    elif what == "OBJECT_TYPE":
        if not tracker.has_made(f"type {name}"):
            tracker.draft.enums.setdefault(name, _labels(name, tracker))
    elif what == "OBJECT_VIEW":
        need_other(f"view {name}", f"CREATE VIEW {name} AS SELECT 1 AS n", tracker)
    elif what == "OBJECT_MATVIEW":
        need_other(f"materialized view {name}", f"CREATE MATERIALIZED VIEW {name} AS SELECT 1 AS n", tracker)
    elif what == "OBJECT_SEQUENCE":
        need_other(f"sequence {name}", f"CREATE SEQUENCE {name}", tracker)
    elif what == "OBJECT_SCHEMA":
        if not tracker.has_made(f"schema {name}") and name not in tracker.draft.schemas:
            tracker.draft.schemas.append(name)
    elif what == "OBJECT_EXTENSION":
        if not tracker.has_made(f"extension {name}") and name not in tracker.draft.extensions:
            tracker.draft.extensions.append(name)
    elif what == "OBJECT_FUNCTION":
        need_trigger_function(name, tracker)
    elif what == "OBJECT_TRIGGER":
        need_trigger(names[-1], ".".join(names[:-1]), tracker)


def _labels(name: str, tracker: SchemaTracker) -> tuple[str, ...]:
    return (tracker.hints.enums.get(name) if tracker.hints else None) or ("first", "second", "third")


def _create_enum(node: dict[str, Any], tracker: SchemaTracker) -> None:
    name = ".".join(_strings(node.get("type_name")))
    tracker.make(f"type {name}")
    tracker.labels[name] = tuple(_strings(node.get("vals")))


def _alter_enum(node: dict[str, Any], tracker: SchemaTracker) -> None:
    name = ".".join(_strings(node.get("type_name")))
    if tracker.has_made(f"type {name}"):
        return
    needed = [node[key] for key in ("old_val", "new_val_neighbor") if node.get(key)]
    known = tracker.draft.enums.get(name, ("first", "second"))
    tracker.draft.enums[name] = (*(one for one in known if one not in needed), *needed)
    if node.get("new_val"):
        tracker.draft.new_labels.add(node["new_val"])


def _create_trigger(node: dict[str, Any], tracker: SchemaTracker) -> None:
    table = relation_name(node["relation"])
    tracker.table(table)
    tracker.make(f"trigger {node['trigname']}")
    function = ".".join(_strings(node.get("funcname")))
    if not tracker.has_made(f"function {function}"):
        need_trigger_function(function, tracker)


def _create_function(node: dict[str, Any], tracker: SchemaTracker) -> None:
    tracker.make(f"function {'.'.join(_strings(node.get('funcname')))}")


def _create_view(node: dict[str, Any], tracker: SchemaTracker) -> None:
    _query(node.get("query", {}), tracker)
    tracker.make(f"view {relation_name(node['view'])}")
    tracker.make(f"table {relation_name(node['view'])}")


def _create_schema(node: dict[str, Any], tracker: SchemaTracker) -> None:
    tracker.make(f"schema {node.get('schemaname')}")


def _create_extension(node: dict[str, Any], tracker: SchemaTracker) -> None:
    tracker.make(f"extension {node.get('extname')}")


def _create_sequence(node: dict[str, Any], tracker: SchemaTracker) -> None:
    tracker.make(f"sequence {relation_name(node['sequence'])}")


def _comment(node: dict[str, Any], tracker: SchemaTracker) -> None:
    names = _strings(node.get("object", {}).get("list", {}).get("items"))
    if node.get("objtype") == "OBJECT_COLUMN" and len(names) >= 2:
        tracker.column(".".join(names[:-1]), names[-1])
    elif node.get("objtype") == "OBJECT_TABLE" and names:
        tracker.table(".".join(names))


def _with_relation(node: dict[str, Any], tracker: SchemaTracker) -> None:
    for key, one in walk(node):
        if key in ("relation", "range_var", "table") and isinstance(one, dict) and "relname" in one:
            tracker.table(relation_name(one))


def _select(node: dict[str, Any], tracker: SchemaTracker) -> None:
    _query(node, tracker)


_STATEMENTS: dict[str, Callable[[dict[str, Any], SchemaTracker], None]] = {
    "select_stmt": _select,
    "insert_stmt": _insert,
    "update_stmt": _update,
    "delete_stmt": _delete,
    "create_stmt": _create_table,
    "create_table_as_stmt": _create_table_as,
    "alter_table_stmt": _alter_table,
    "index_stmt": _index,
    "rename_stmt": _rename,
    "drop_stmt": _drop,
    "create_enum_stmt": _create_enum,
    "alter_enum_stmt": _alter_enum,
    "create_trig_stmt": _create_trigger,
    "create_function_stmt": _create_function,
    "view_stmt": _create_view,
    "create_schema_stmt": _create_schema,
    "create_extension_stmt": _create_extension,
    "create_seq_stmt": _create_sequence,
    "comment_stmt": _comment,
    "vacuum_stmt": _with_relation,
    "truncate_stmt": _with_relation,
    "lock_stmt": _with_relation,
    "grant_stmt": _with_relation,
    "create_policy_stmt": _with_relation,
    "cluster_stmt": _with_relation,
    "copy_stmt": _with_relation,
    "refresh_mat_view_stmt": _with_relation,
}
