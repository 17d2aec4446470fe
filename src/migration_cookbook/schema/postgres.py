"""The schema of a PostgreSQL database, read in one statement and one round trip to its catalogs."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.schema.model import (
    Column,
    Constraint,
    Definition,
    Index,
    Schema,
    Sequence,
    Table,
    Type,
    View,
    is_version_table,
)
from migration_cookbook.schema.spelling import normalize_default, normalize_expression, normalize_type
from migration_cookbook.schema.tokens import group_end, tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

#: What belongs to an extension is the extension's, and left out. The system's own objects have
#: numbers below 16384; saying so spares the server from looking through all of them.
_CATALOG = """
WITH ns AS MATERIALIZED (
    SELECT oid, nspname, CASE nspname WHEN 'public' THEN '' ELSE quote_ident(nspname) || '.' END AS prefix
    FROM pg_namespace WHERE nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')
), rel AS MATERIALIZED (
    SELECT c.oid, ns.prefix || c.relname AS name, c.relkind, c.relpersistence, c.reloptions,
           c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relpartbound, c.relhassubclass
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
      AND c.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT json_build_object(
'relations', (SELECT json_agg(json_build_object(
    'oid', oid::bigint, 'name', name, 'kind', relkind, 'comment',
    (SELECT description FROM pg_description
     WHERE objoid = rel.oid AND classoid = 'pg_class'::regclass AND objsubid = 0),
    'text', CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid, true) END,
    'unlogged', relpersistence = 'u', 'options', reloptions,
    'secured', relrowsecurity, 'forced', relforcerowsecurity,
    'partitioned', CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
    'bound', CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid) END,
    'parents', (SELECT json_agg(inhparent::regclass::text ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = rel.oid)
    ) ORDER BY name) FROM rel WHERE relkind NOT IN ('S', 'c')),
'columns', (SELECT json_agg(json_build_array(
    a.attrelid::bigint, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
    t.typnamespace = 'pg_catalog'::regnamespace, a.attnotnull,
    CASE WHEN a.atthasdef THEN
        (SELECT pg_get_expr(d.adbin, d.adrelid, true) FROM pg_attrdef d
         WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END,
    a.attidentity, a.attgenerated,
    CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
    (SELECT description FROM pg_description
     WHERE objoid = a.attrelid AND classoid = 'pg_class'::regclass AND objsubid = a.attnum)
    ) ORDER BY a.attrelid, a.attnum)
    FROM pg_attribute a JOIN rel ON rel.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped AND rel.relkind <> 'S'),
'constraints', (SELECT json_agg(json_build_array(
    c.conrelid::bigint, c.conname, c.contype, pg_get_constraintdef(c.oid, true), c.conkey
    ) ORDER BY c.conname)
    FROM pg_constraint c JOIN rel ON rel.oid = c.conrelid
    WHERE c.contype IN ('p', 'u', 'f', 'c', 'x') OR (c.contype = 'n' AND NOT c.convalidated)),
'indexes', (SELECT json_agg(json_build_array(
    i.indrelid::bigint, c.relname, pg_get_indexdef(i.indexrelid, 0, true), i.indisunique, i.indisvalid
    ) ORDER BY c.relname)
    FROM pg_index i JOIN rel ON rel.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k
                      WHERE k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))),
'triggers', (SELECT json_agg(json_build_array(relation, name, text, enabled) ORDER BY name) FROM (
    SELECT g.tgrelid::bigint, g.tgname, pg_get_triggerdef(g.oid, true), g.tgenabled
    FROM pg_trigger g JOIN rel ON rel.oid = g.tgrelid WHERE NOT g.tgisinternal
    UNION ALL
    SELECT w.ev_class::bigint, w.rulename, pg_get_ruledef(w.oid, true), w.ev_enabled
    FROM pg_rewrite w JOIN rel ON rel.oid = w.ev_class WHERE w.rulename <> '_RETURN'
    ) found (relation, name, text, enabled)),
'policies', (SELECT json_agg(json_build_array(
    p.polrelid::bigint, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[]::text[],
    pg_get_expr(p.polqual, p.polrelid, true), pg_get_expr(p.polwithcheck, p.polrelid, true)
    ) ORDER BY p.polname)
    FROM pg_policy p JOIN rel ON rel.oid = p.polrelid),
'types', (SELECT json_agg(json_build_array(
    ns.prefix || t.typname, t.typtype, t.typrelid::bigint,
    (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
    CASE t.typtype
        WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
        WHEN 'r' THEN (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid) END,
    t.typnotnull, t.typdefault,
    (SELECT json_agg(quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid, true) ORDER BY k.conname)
     FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')
    ) ORDER BY ns.prefix || t.typname)
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
      AND t.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d
          WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')),
'sequences', (SELECT json_agg(json_build_array(
    rel.name, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
    d.refobjid::bigint, d.refobjsubid
    ) ORDER BY rel.name)
    FROM pg_sequence s JOIN rel ON rel.oid = s.seqrelid
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.deptype IN ('a', 'i')
         AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0),
'functions', (SELECT json_agg(json_build_array(
    ns.prefix || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
    CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid)
         ELSE (SELECT 'aggregate over ' || g.aggtransfn::text FROM pg_aggregate g WHERE g.aggfnoid = p.oid) END
    ) ORDER BY ns.prefix || p.proname, pg_get_function_identity_arguments(p.oid))
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
    WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))),
'extensions', (SELECT json_agg(json_build_array(extname, extversion) ORDER BY extname)
    FROM pg_extension WHERE extname <> 'plpgsql'),
'namespaces', (SELECT json_agg(nspname ORDER BY nspname) FROM ns WHERE nspname <> 'public')
)::text
"""

_CHARACTER = re.compile(r"(VARCHAR|CHAR|TEXT)\b")
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX .*? USING (?P<method>\w+) (?P<rest>.*)\Z", re.DOTALL)
_NEXTVAL = re.compile(r"nextval\('(?P<sequence>[^']+)'")
_COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
_TYPE_KINDS = {"e": "enum", "d": "domain", "c": "composite", "r": "range"}
_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
_GENERATED = {"s": "STORED", "v": "VIRTUAL"}
_ENABLED = {"D": " DISABLED", "R": " REPLICA ONLY", "A": " ALWAYS"}


_Rows = dict[int, list[list[Any]]]
#: `books.id`, by the table's oid and the column's number.
_Names = dict[tuple[int, int], str]


#: Planning the catalog's statement takes longer than running it.
_PREPARED = "cookbook_catalog"


def prepare(connection: sa.Connection) -> None:
    """Let further reads over this connection be quick: for those who read many times."""
    connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
    connection.exec_driver_sql(f"PREPARE {_PREPARED} AS {_CATALOG}")
    connection.info[_PREPARED] = True


def read_postgres(connection: sa.Connection) -> Schema:
    statement = f"EXECUTE {_PREPARED}" if _PREPARED in connection.info else _CATALOG
    catalog = json.loads(connection.exec_driver_sql(statement).scalar_one())
    relations = catalog["relations"] or ()
    names = _names(relations, catalog["columns"] or ())
    sequences = tuple(_sequence(row, names) for row in catalog["sequences"] or ())
    parts = _Parts(
        owners={one.name.replace('"', ""): one.owner for one in sequences},
        **{
            name: _by_relation(catalog[name])
            for name in ("columns", "constraints", "indexes", "triggers", "policies")
        },
    )
    tables = [parts.table(one) for one in relations if one["kind"] in ("r", "p", "f")]
    return Schema(
        dialect=Dialect.POSTGRES,
        tables=tuple(table for table in tables if not is_version_table(table.name)),
        views=tuple(parts.view(one) for one in relations if one["kind"] in ("v", "m")),
        types=tuple(_type(row, parts) for row in catalog["types"] or ()),
        sequences=sequences,
        functions=tuple(Definition(name, text) for name, text in catalog["functions"] or ()),
        extensions=tuple(Definition(name, version) for name, version in catalog["extensions"] or ()),
        namespaces=tuple(catalog["namespaces"] or ()),
        version_tables=tuple(table for table in tables if is_version_table(table.name)),
    )


@dataclass(frozen=True)
class _Parts:
    """The rows of what belongs to relations, by the relation's oid."""

    columns: _Rows
    constraints: _Rows
    indexes: _Rows
    triggers: _Rows
    policies: _Rows
    #: The column that each sequence belongs to, as in `books.id`.
    owners: dict[str, str | None]

    def table(self, relation: dict[str, Any]) -> Table:
        oid, name = relation["oid"], relation["name"]
        rows = self.constraints[oid]
        columns = self.columns_of(oid, name, not_valid=frozenset(row[4][0] for row in rows if row[2] == "n"))
        numbered = {row[1]: row[2] for row in self.columns[oid]}
        characters = frozenset(column.name for column in columns if _CHARACTER.match(column.type))
        found = [(row[2], _constraint(row, numbered, characters)) for row in rows]
        return Table(
            name=name,
            columns=columns,
            primary_key=next((one for kind, one in found if kind == "p"), None),
            uniques=tuple(one for kind, one in found if kind == "u"),
            foreign_keys=tuple(one for kind, one in found if kind == "f"),
            checks=tuple(one for kind, one in found if kind in ("c", "n")),
            exclusions=tuple(one for kind, one in found if kind == "x"),
            indexes=self.indexes_of(oid, characters),
            triggers=self.triggers_of(oid),
            policies=tuple(_policy(row) for row in self.policies[oid]),
            options=tuple(_options(relation)),
            comment=relation["comment"],
        )

    def view(self, relation: dict[str, Any]) -> View:
        oid, name = relation["oid"], relation["name"]
        return View(
            name=name,
            columns=self.columns_of(oid, name),
            text=relation["text"].strip().removesuffix(";"),
            materialized=relation["kind"] == "m",
            indexes=self.indexes_of(oid, frozenset()),
            triggers=self.triggers_of(oid),
            comment=relation["comment"],
        )

    def columns_of(self, oid: int, table: str, not_valid: frozenset[int] = frozenset()) -> tuple[Column, ...]:
        """Return the columns; `not_valid` ones may still hold NULLs, their NOT NULL is NOT VALID."""
        return tuple(self.column(table, row, row[1] in not_valid) for row in self.columns[oid])

    def column(self, table: str, row: list[Any], not_valid: bool) -> Column:
        _, _, name, declared, built_in, not_null, expression, identity, generated, collation, comment = row
        type_ = normalize_type(declared) if built_in else declared
        default = normalize_default(normalize_expression(expression), type_) if expression else None
        counts = _NEXTVAL.match(default) if default else None
        if counts and self.owners.get(counts["sequence"].replace('"', "")) == f"{table}.{name}":
            default = None
        return Column(
            name=name,
            type=type_,
            nullable=not not_null or not_valid,
            default=None if generated else default,
            automatic=bool(identity or counts),
            identity=_IDENTITY.get(identity),
            generated=f"{_wrapped(default)} {_GENERATED[generated]}" if generated and default else None,
            collation=collation,
            comment=comment,
        )

    def indexes_of(self, oid: int, characters: frozenset[str]) -> tuple[Index, ...]:
        return tuple(_index(row, characters) for row in self.indexes[oid])

    def triggers_of(self, oid: int) -> tuple[Definition, ...]:
        return tuple(Definition(row[1], row[2] + _ENABLED.get(row[3], "")) for row in self.triggers[oid])


def _wrapped(expression: str) -> str:
    """Put an expression in parentheses, for which PostgreSQL sometimes cares by itself."""
    tokens = tokens_of(expression, brackets_quote=False)
    whole = tokens[0].text == "(" and group_end(tokens, 0) == len(tokens)
    return expression if whole else f"({expression})"


def _by_relation(rows: list[list[Any]] | None) -> _Rows:
    found: _Rows = defaultdict(list)
    for row in rows or ():
        found[row[0]].append(row)
    return found


def _names(relations: Iterable[dict[str, Any]], columns: Iterable[list[Any]]) -> _Names:
    tables = {relation["oid"]: relation["name"] for relation in relations}
    return {(row[0], row[1]): f"{tables[row[0]]}.{row[2]}" for row in columns if row[0] in tables}


def _constraint(row: list[Any], numbered: dict[int, str], characters: frozenset[str]) -> Constraint:
    _, name, kind, text, numbers = row
    spelled = normalize_expression(text, characters) if kind in ("c", "x") else text
    return Constraint(name, spelled, tuple(numbered[number] for number in numbers or () if number))


def _index(row: list[Any], characters: frozenset[str]) -> Index:
    _, name, definition, unique, valid = row
    match = _INDEX.match(definition)
    assert match is not None, definition
    text = normalize_expression(match["rest"], characters)
    return Index(
        name, text if match["method"] == "btree" else f"USING {match['method']} {text}", unique, valid
    )


def _policy(row: list[Any]) -> Definition:
    _, name, command, permissive, roles, using, check = row
    parts = ["PERMISSIVE" if permissive else "RESTRICTIVE", f"FOR {_COMMANDS[command]}"]
    parts.append("TO " + ", ".join("PUBLIC" if role == "-" else role for role in roles))
    if using is not None:
        parts.append(f"USING ({using})")
    if check is not None:
        parts.append(f"WITH CHECK ({check})")
    return Definition(name, " ".join(parts))


def _options(relation: dict[str, Any]) -> Iterator[str]:
    if relation["kind"] == "f":
        yield "FOREIGN TABLE"
    if relation["unlogged"]:
        yield "UNLOGGED"
    if relation["partitioned"]:
        yield f"PARTITION BY {relation['partitioned']}"
    if relation["bound"]:
        yield f"PARTITION OF {relation['parents'][0]} {relation['bound']}"
    elif relation["parents"]:
        yield f"INHERITS ({', '.join(relation['parents'])})"
    if relation["secured"]:
        yield "ROW LEVEL SECURITY"
    if relation["forced"]:
        yield "FORCE ROW LEVEL SECURITY"
    yield from relation["options"] or ()


def _type(row: list[Any], parts: _Parts) -> Type:
    name, kind, relation, labels, base, not_null, default, checks = row
    values = list(labels or ())
    if base:
        values.append(normalize_type(base) if not base.startswith('"') else base)
    if not_null:
        values.append("NOT NULL")
    if default is not None:
        values.append(f"default {default}")
    values.extend(checks or ())
    values.extend(f"{column.name} {column.type}" for column in parts.columns_of(relation, name))
    return Type(name, _TYPE_KINDS[kind], tuple(values))


def _sequence(row: list[Any], names: _Names) -> Sequence:
    name, type_, start, increment, least, most, cache, cycle, table, column = row
    text = f"{normalize_type(type_)} START {start} INCREMENT {increment} MINVALUE {least} MAXVALUE {most}"
    if cache != 1:
        text += f" CACHE {cache}"
    return Sequence(name, text + (" CYCLE" if cycle else ""), names.get((table, column)))
