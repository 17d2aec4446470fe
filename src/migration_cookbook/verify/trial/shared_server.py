"""The statements that may be sent to a PostgreSQL server that isn't the cookbook's own.

There the snippets run as your role, which may be able to do anything. What they do in a transaction is
rolled back, so only a short list of statements may leave it, and what's about the whole server is never
sent. This prevents accidents with your own pages; it isn't a boundary against somebody who hides a
statement from the parser.
"""

from __future__ import annotations

import functools
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import postgast
import psycopg
from google.protobuf.json_format import MessageToDict

from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotSent(CookbookError):
    """A statement that isn't sent to this server; the message says why."""


#: About all databases of a server, by the parser's names.
_WHOLE_SERVER = {
    "createdb_stmt": "CREATE DATABASE",
    "dropdb_stmt": "DROP DATABASE",
    "alter_database_stmt": "ALTER DATABASE",
    "alter_database_set_stmt": "ALTER DATABASE",
    "alter_database_refresh_coll_stmt": "ALTER DATABASE",
    "create_role_stmt": "CREATE ROLE",
    "alter_role_stmt": "ALTER ROLE",
    "alter_role_set_stmt": "ALTER ROLE",
    "drop_role_stmt": "DROP ROLE",
    "grant_role_stmt": "GRANT of a role",
    "reassign_owned_stmt": "REASSIGN OWNED",
    "drop_owned_stmt": "DROP OWNED",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "drop_table_space_stmt": "DROP TABLESPACE",
    "alter_table_space_options_stmt": "ALTER TABLESPACE",
    "alter_table_move_all_stmt": "ALTER … ALL IN TABLESPACE",
    "alter_system_stmt": "ALTER SYSTEM",
    "create_subscription_stmt": "CREATE SUBSCRIPTION",
    "alter_subscription_stmt": "ALTER SUBSCRIPTION",
    "drop_subscription_stmt": "DROP SUBSCRIPTION",
    "load_stmt": "LOAD",
    "check_point_stmt": "CHECKPOINT",
}
_OBJECTS_OF_THE_SERVER = re.compile(r"OBJECT_(DATABASE|ROLE|TABLESPACE|SUBSCRIPTION|PARAMETER_ACL)")
_PREPARED = ("TRANS_STMT_PREPARE", "TRANS_STMT_COMMIT_PREPARED", "TRANS_STMT_ROLLBACK_PREPARED")
_LANGUAGES = ("sql", "plpgsql")
#: These act on the server, on its files or on other databases, whatever transaction they are called in.
_FAR_REACHING = re.compile(
    r"\b(dblink\w*|lo_(?:im|ex)port|pg_(?:terminate_backend|cancel_backend|reload_conf|rotate_logfile\w*|promote"
    r"|switch_wal|create_restore_point|backup_\w+|wal_replay_\w+|log_backend_memory_contexts|file_\w+|stat_reset\w*"
    r"|(?:create|drop|copy)_(?:logical_|physical_)?replication_slot|replication_slot_advance"
    r"|replication_origin_\w+|drop_replication_slot|logical_emit_message"
    r"|import_system_collations|notification_queue_usage))\s*\(",
    re.IGNORECASE,
)
#: What may leave the transaction because it can't run in one, if it also says what's in the second part.
_LEAVES = {"index_stmt", "drop_stmt", "reindex_stmt", "alter_enum_stmt", "vacuum_stmt"}
#: What may stay in the scratch database when it's committed: it reaches no further.
_STAYS = {
    *_LEAVES,
    *("select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "truncate_stmt", "lock_stmt"),
    *("create_stmt", "create_table_as_stmt", "alter_table_stmt", "rename_stmt", "comment_stmt", "view_stmt"),
    *("create_schema_stmt", "create_seq_stmt", "alter_seq_stmt", "create_enum_stmt", "composite_type_stmt"),
    *("create_domain_stmt", "alter_domain_stmt", "create_range_stmt", "create_stats_stmt", "create_extension_stmt"),
    *("refresh_mat_view_stmt", "constraints_set_stmt", "variable_set_stmt", "variable_show_stmt"),
    *("alter_object_schema_stmt", "create_policy_stmt", "alter_policy_stmt", "explain_stmt"),
    *("prepare_stmt", "execute_stmt", "deallocate_stmt", "cluster_stmt"),
}  # fmt: skip


def refusal(statement: str, *, committed: bool) -> str | None:
    """Why the statement isn't sent, in words that follow “not run: ”; None if it may be.

    `committed`: no transaction of ours holds it.
    """
    if found := _FAR_REACHING.search(statement):
        return _far(f"{found[1].lower()}()")
    for what, node in _trees(statement):
        if name := _whole_server(what, node):
            return _far(name)
        if what == "transaction_stmt":
            ending = str(node.get("kind", ""))
            if ending in _PREPARED:
                return _far("PREPARE TRANSACTION")
            if "COMMIT" in ending:
                return "it commits, and on a server of your own nothing is committed but what can't run otherwise"
        elif committed and what not in _STAYS:
            return (
                "on a server of your own only CREATE, DROP and REINDEX … CONCURRENTLY, ALTER TYPE … ADD VALUE "
                "and VACUUM run outside a transaction"
            )
    return None


@functools.lru_cache(maxsize=512)
def _parsed(statement: str) -> tuple[tuple[str, dict[str, Any]], ...] | None:
    try:
        tree = postgast.parse(statement)
    except postgast.PgQueryError:
        return None
    found = []
    for one in tree.stmts:
        ((what, node),) = MessageToDict(one.stmt, preserving_proto_field_name=True).items()
        found.append((what, node))
    return tuple(found)


def _trees(statement: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    # What the server's own grammar refuses does nothing. psycopg's placeholders aren't in that grammar.
    parsed = _parsed(statement)
    if parsed is None:
        parsed = _parsed(re.sub(r"%(\(\w+\))?[sbt]", "NULL", statement).replace("%%", "%"))
    return parsed or ()


def _whole_server(what: str, node: dict[str, Any]) -> str | None:
    """The words for a statement about the whole server; None for any other."""
    if what in _WHOLE_SERVER:
        return _WHOLE_SERVER[what]
    if what == "copy_stmt" and (node.get("is_program") or node.get("filename")):
        return "COPY with a file or a program of the server"
    if what == "create_extension_stmt" and not _is_trusted(str(node.get("extname", ""))):
        return f"CREATE EXTENSION {node.get('extname')}, for which a superuser is needed,"
    if what == "create_function_stmt" and (language := _language(node)) not in _LANGUAGES:
        return f"a function in {language}"
    if what in ("grant_stmt", "comment_stmt", "sec_label_stmt", "rename_stmt", "alter_owner_stmt"):
        types = f"{node.get('objtype', '')} {node.get('object_type', '')} {node.get('rename_type', '')}"
        if found := _OBJECTS_OF_THE_SERVER.search(types):
            return f"{what.removesuffix('_stmt').replace('_', ' ').upper()} on a {found[1].lower()}"
    return None


#: What any owner of a database may create; all others need a superuser, for good reasons.
_TRUSTED_EXTENSIONS = frozenset({
    "bool_plperl", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "earthdistance", "fuzzystrmatch",
    "hstore", "intarray", "isn", "lo", "ltree", "pg_trgm", "pgcrypto", "plpgsql", "seg", "tablefunc", "tcn",
    "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector",
})  # fmt: skip


def _is_trusted(extension: str) -> bool:
    return extension in _TRUSTED_EXTENSIONS


def _language(node: dict[str, Any]) -> str:
    for option in node.get("options", ()):
        element = option.get("def_elem", {})
        if element.get("defname") == "language":
            return str(element.get("arg", {}).get("string", {}).get("sval", "")).lower()
    # A function with a body in SQL says no language.
    return "sql"


def _far(name: str) -> str:
    return f"{name} is about the whole server, and this is a server of your own"


class _Policy:
    """What holds at this moment; one trial runs at a time."""

    #: Whether no transaction of ours holds what's sent.
    committed = True
    #: Whether the server isn't the cookbook's own.
    shared = False
    refusals: Refusals | None = None


@dataclass
class Refusals:
    """Why something was not sent, if something wasn't."""

    reason: str = ""


@contextmanager
def apply_policy(*, shared: bool) -> Iterator[Refusals]:
    """Within, all this holds if the server is `shared`; the first refusal is remembered."""
    before = _Policy.shared, _Policy.refusals
    _Policy.shared, _Policy.refusals = shared, Refusals()
    try:
        yield _Policy.refusals
    finally:
        _Policy.shared, _Policy.refusals = before


def cursor_factory() -> type[psycopg.Cursor[Any]] | None:
    """What makes the cursors of connections to the server; None where nothing is held back."""
    return CheckedCursor if _Policy.shared else None


@contextmanager
def in_transaction() -> Iterator[None]:
    """Within, all that's sent is rolled back at the end."""
    before = _Policy.committed
    _Policy.committed = False
    try:
        yield
    finally:
        _Policy.committed = before


class CheckedCursor(psycopg.Cursor[Any]):
    """A cursor that sends only what may be sent."""

    def execute(self, query: Any, params: Any = None, **given: Any) -> CheckedCursor:
        self._check(query)
        super().execute(query, params, **given)
        return self

    def executemany(self, query: Any, params_seq: Any, **given: Any) -> None:
        self._check(query)
        super().executemany(query, params_seq, **given)

    def stream(self, query: Any, params: Any = None, **given: Any) -> Any:
        self._check(query)
        return super().stream(query, params, **given)

    def copy(self, statement: Any, params: Any = None, **given: Any) -> Any:
        self._check(statement)
        return super().copy(statement, params, **given)

    def _check(self, query: Any) -> None:
        text = query if isinstance(query, str) else _text(query, self)
        if reason := refusal(text, committed=_Policy.committed):
            if _Policy.refusals is not None and not _Policy.refusals.reason:
                _Policy.refusals.reason = reason
            raise NotSent(reason)


def _text(query: Any, cursor: psycopg.Cursor[Any]) -> str:
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    as_string = getattr(query, "as_string", None)
    return str(as_string(cursor)) if as_string else str(query)
