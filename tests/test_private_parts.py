"""The private parts of other libraries are each touched in one module, and are still where they were read."""

from __future__ import annotations

import argparse
import ast
import asyncio
import datetime as dt
import inspect
import io
import subprocess
import symtable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import alembic.op
import psycopg
import pytest
import sql.run
import sqlalchemy as sa
from alembic import command, util
from alembic.config import CommandLine, Config
from alembic.operations import Operations
from alembic.operations.batch import ApplyBatchImpl
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory, write_hooks
from alembic.util import messaging
from psycopg._connection_base import BaseConnection

from migration_cookbook import python_private
from migration_cookbook.cells import ipython_sql
from migration_cookbook.sandbox import alembic_private
from migration_cookbook.verify.required_schema import sqlalchemy_private

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "src" / "migration_cookbook"

#: The one module that touches a library's private parts, and which library's.
PRIVATE = {
    "cells/ipython_sql.py": "sql",
    "databases/driver_hooks.py": "psycopg",
    "python_private.py": "Python",
    "sandbox/alembic_private.py": "alembic",
    "verify/required_schema/sqlalchemy_private.py": "sqlalchemy",
}
#: Named as private parts are, but documented.
DOCUMENTED = {"os._exit"}
BY_NAME = {"getattr", "setattr", "hasattr", "delattr"}


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def own_names(tree: ast.Module) -> set[str]:
    """What a module defines itself: its functions, classes, fields, and what it sets on `self`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.update([node.attr] if ast.unparse(node.value) == "self" else ())
    return names


def private_uses(text: str) -> Iterator[str]:
    """Each use of something private that the module doesn't define itself."""
    tree = ast.parse(text)
    own = own_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if is_private(name) and name not in own:
                yield ast.unparse(node)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (
                    f"{module}.{one.name}" for one in names if is_private(module) or is_private(one.name)
                )
            case ast.Import(names=names):
                yield from (one.name for one in names if is_private(one.name))
            case ast.Call(func=ast.Name(id=function), args=[_, ast.Constant(value=str(name)), *_]) if (
                function in BY_NAME and is_private(name)
            ):
                yield ast.unparse(node)
            case ast.Subscript(value=ast.Call(func=ast.Name(id="vars")), slice=ast.Constant(value=str(name))):
                if is_private(name):
                    yield ast.unparse(node)


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("from psycopg._connection_base import BaseConnection", ["psycopg._connection_base.BaseConnection"]),
        ("from alembic.util import _x", ["alembic.util._x"]),
        ("import a._b", ["a._b"]),
        ("script._path", ["script._path"]),
        ("self._inherited()", ["self._inherited"]),
        ("def run(self):\n self._x = 1\n return other._x", []),
        ("module._x = 1", ["module._x"]),
        ("getattr(a, '_b', None)", ["getattr(a, '_b', None)"]),
        ("vars(a)['_b']", ["vars(a)['_b']"]),
        ("a.__class__, a.b, getattr(a, '__b__'), vars(a)['b']", []),
        ("class A:\n _x: int\ndef f(a): return a._x", []),
    ],
)
def test_a_private_use_is_seen(text: str, uses: list[str]) -> None:
    assert list(private_uses(text)) == uses


def test_private_parts_are_touched_in_one_module_a_library() -> None:
    touched = {}
    for path in PACKAGE.rglob("*.py"):
        uses = set(private_uses(path.read_text(encoding="utf-8"))) - DOCUMENTED
        if uses and (place := path.relative_to(PACKAGE).as_posix()) not in PRIVATE:
            touched[place] = uses
    assert touched == {}
    assert all((PACKAGE / place).is_file() for place in PRIVATE)


def test_a_library_without_a_public_part_is_imported_in_one_module() -> None:
    """What we call of ipython-sql is not documented, though no name of it begins with an underscore."""
    importing = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Import) and any(one.name.split(".")[0] == "sql" for one in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sql")
    }
    assert {PRIVATE[place] for place in importing} == {"sql"}


def test_a_running_loop_is_hidden_and_comes_back() -> None:
    async def inner() -> str:
        return "ran"

    async def outer() -> None:
        running = asyncio.get_running_loop()
        with python_private.no_running_loop():
            assert asyncio.run(inner()) == "ran"
        assert asyncio.get_running_loop() is running
        assert asyncio.get_event_loop() is running

    asyncio.run(outer())
    with python_private.no_running_loop():
        assert asyncio.run(inner()) == "ran"


def test_a_parser_names_its_subcommands() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flag")
    assert python_private.subcommands(parser) == ()
    commands = parser.add_subparsers()
    for name in ("up", "down"):
        commands.add_parser(name)
    assert python_private.subcommands(parser) == ("up", "down")
    assert {"upgrade", "revision"} <= set(python_private.subcommands(alembic_private.parser()))


def test_a_symbol_is_as_its_scope_looks_it_up() -> None:
    table = symtable.symtable("import a\nb = a\ndef f(c): return c, d\nclass e: pass\n", "t", "exec")
    for scope in (table, *table.get_children()):
        for name in scope.get_identifiers():
            quick, whole = python_private.symbol_of(scope, name), scope.lookup(name)
            for asked in ("is_assigned", "is_imported", "is_referenced", "is_global", "is_local"):
                assert getattr(quick, asked)() == getattr(whole, asked)()


@pytest.mark.parametrize("type_", [sa.PrimaryKeyConstraint, sa.UniqueConstraint])
def test_a_constraint_tells_its_columns_without_a_table_and_with_one(type_: type[Any]) -> None:
    assert sqlalchemy_private.constrained_columns(type_("a", "b")) == ["a", "b"]
    columns = [sa.Column("a", sa.Integer), sa.Column("b", sa.Integer)]
    assert sqlalchemy_private.constrained_columns(type_(*columns)) == ["a", "b"]
    sa.Table("t", sa.MetaData(), *columns, constraint := type_("b", "a"))
    assert sqlalchemy_private.constrained_columns(constraint) == ["b", "a"]


def test_types_and_tables_hand_their_ddl_to_a_receiver() -> None:
    received: list[tuple[Any, bool]] = []

    class Receiver(sqlalchemy_private.DdlReceiver):
        dialect = sa.create_engine("postgresql+psycopg://").dialect

        def receive_ddl(self, element: Any, *, drops: bool) -> None:
            received.append((element, drops))

    enum, table = sa.dialects.postgresql.ENUM("a", name="e"), sa.Table("t", sa.MetaData())
    for one in (enum, table):
        one.create(Receiver(), checkfirst=False)
        one.drop(Receiver(), checkfirst=False)
    assert received == [(enum, False), (enum, True), (table, False), (table, True)]


def test_op_is_bound_to_our_operations_within() -> None:
    class Ours(Operations):
        pass

    context = MigrationContext.configure(dialect_name="sqlite", opts={"as_sql": True})
    before = vars(alembic.op).get("_proxy")
    with alembic_private.op_bound_to(Ours(context)):
        assert type(vars(alembic.op)["_proxy"]) is Ours
        assert alembic.op.get_context() is context
    assert vars(alembic.op)["_proxy"] is before


def test_an_environment_answers_from_the_context_that_it_was_given() -> None:
    environment = EnvironmentContext(Config(), None)  # type: ignore[arg-type]
    context = MigrationContext.configure(dialect_name="sqlite", opts={"as_sql": True})
    alembic_private.set_context(environment, context)
    assert environment.get_context() is context


def test_psycopg_opens_each_connection_in_one_place() -> None:
    """The guard wraps it: `psycopg.connect` itself may have been imported by name."""
    assert "_connect_gen" in vars(BaseConnection)
    for made in (psycopg.Connection, psycopg.AsyncConnection):
        assert "_connect_gen" not in vars(made)
        assert "cls._connect_gen(conninfo)" in inspect.getsource(made.connect)


def test_the_parser_knows_the_commands_and_their_functions() -> None:
    options = alembic_private.parser().parse_args(["upgrade", "head"])
    assert alembic_private.command_name(options) == "upgrade"
    function, positional, keywords = options.cmd
    assert (function, positional) == (command.upgrade, ["revision"])
    assert "sql" in keywords
    assert alembic_private.parser().parse_args(["show", "0001"]).rev == "0001"
    assert alembic_private.command_name(argparse.Namespace()) is None


def test_the_configuration_files_are_found_as_the_command_line_finds_them() -> None:
    parser, out = alembic_private.parser(), io.StringIO()
    config = alembic_private.configuration(parser.parse_args(["-n", "other", "current"]), out)
    assert str(config.toml_file_name).endswith("pyproject.toml")
    assert config.config_file_name == "alembic.ini"
    assert config.config_ini_section == "other"
    assert (config.stdout, config.output_buffer) == (out, out)
    other = alembic_private.configuration(parser.parse_args(["-c", "other.ini", "current"]), out)
    assert other.config_file_name == "other.ini"
    assert alembic_private.named_files(parser.parse_args(["current"])) == ()
    assert alembic_private.named_files(parser.parse_args(["-c", "other.ini", "current"])) == ("other.ini",)
    assert list(inspect.signature(CommandLine._inis_from_config).parameters) == ["self", "options"]


def test_an_alembic_before_1_16_has_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(CommandLine, "_inis_from_config")
    options = argparse.Namespace(config="some.ini", name="alembic")
    assert alembic_private.configuration(options, io.StringIO()).config_file_name == "some.ini"
    assert alembic_private.named_files(options) == ("some.ini",)


def test_a_file_is_named_as_alembic_names_it(tmp_path: Path) -> None:
    config = Config(tmp_path / "alembic.ini")
    config.set_main_option("script_location", str(tmp_path / "scripts"))
    command.init(config, str(tmp_path / "scripts"))
    config.set_main_option("path_separator", "os")
    directory = ScriptDirectory.from_config(config)
    made = command.revision(config, "add isbn to books", rev_id="0004")
    assert made is not None
    assert not isinstance(made, list)
    folder, day = tmp_path / "scripts" / "versions", dt.datetime(2026, 1, 5)
    name = alembic_private.file_name(directory, folder, "0004", "add isbn to books", day)
    assert made._script_path == folder / name


def test_ids_dates_and_widths_are_ours_within_and_alembics_again_after(tmp_path: Path) -> None:
    config = Config(tmp_path / "alembic.ini")
    config.set_main_option("script_location", str(tmp_path / "scripts"))
    command.init(config, str(tmp_path / "scripts"))
    config.set_main_option("path_separator", "os")
    grab = ApplyBatchImpl._grab_table_elements
    before = (util.rev_id, ScriptDirectory._generate_create_date, messaging.TERMWIDTH)
    with alembic_private.deterministic(lambda: "abcd", lambda: dt.datetime(2026, 1, 5, 9)):
        command.revision(config, "x")
    assert (util.rev_id, ScriptDirectory._generate_create_date, messaging.TERMWIDTH) == before
    assert ApplyBatchImpl._grab_table_elements is grab
    text = (tmp_path / "scripts" / "versions" / "abcd_x.py").read_text()
    assert "Create Date: 2026-01-05 09:00:00" in text


def test_messages_are_not_wrapped_within(capsys: Any) -> None:
    long = "word " * 60
    with alembic_private.deterministic(lambda: "", dt.datetime.now):
        messaging.msg(long)
    assert len(capsys.readouterr().out.strip().splitlines()) == 1


def test_a_batch_makes_constraints_and_indexes_in_the_same_order_each_time() -> None:
    table = sa.Table(
        "t",
        sa.MetaData(),
        *(sa.Column(name, sa.Integer) for name in "abcdef"),
        *(sa.CheckConstraint(f"{name} > 0", name=f"ck_{name}") for name in "cab"),
        *(sa.UniqueConstraint(name, name=f"uq_{name}") for name in "fed"),
        *(sa.UniqueConstraint(name) for name in "dcb"),
        *(sa.Index(f"ix_{name}", name) for name in "cdefab"),
        sa.PrimaryKeyConstraint("a", name="pk_t"),
    )
    with alembic_private.deterministic(lambda: "", dt.datetime.now):
        batch = ApplyBatchImpl(SimpleNamespace(), table, (), {}, reflected=True)  # type: ignore[arg-type]
    assert list(batch.named_constraints) == ["pk_t", "uq_d", "uq_e", "uq_f", "ck_a", "ck_b", "ck_c"]
    unnamed: list[Any] = batch.unnamed_constraints
    assert [each.columns.keys() for each in unnamed] == [["b"], ["c"], ["d"]]
    assert list(batch.indexes) == ["ix_a", "ix_b", "ix_c", "ix_d", "ix_e", "ix_f"]


def test_a_hook_runs_by_the_function_that_we_replace() -> None:
    assert write_hooks.subprocess is subprocess
    out = io.StringIO()
    with alembic_private.hooks_printing_into(out):
        options = {"executable": "/bin/sh", "options": "-c 'echo shown >&2' REVISION_SCRIPT_FILENAME"}
        write_hooks.exec_("some.py", options)
        write_hooks.exec_("some.py", options, ignore_output=True)
    assert out.getvalue() == "shown\n"
    assert write_hooks.subprocess is subprocess


def test_ipython_sql_runs_a_statement_through_what_we_hand_it() -> None:
    assert list(inspect.signature(sql.run.run).parameters) == ["conn", "sql", "config", "user_namespace"]
    engine = sa.create_engine("sqlite://", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = ipython_sql.run(connection, "SELECT 1 AS a, 'x:y' AS b")
        assert (result.columns, result.rows, result.count) == (("a", "b"), ((1, "x:y"),), None)
        assert ipython_sql.run(connection, "CREATE TABLE t (a)").columns is None
        assert ipython_sql.run(connection, "INSERT INTO t VALUES (1), (2)").count == 2
        assert ipython_sql.run(connection, "BEGIN").columns is None


def test_ipython_sql_commits_nothing_by_itself_with_our_settings() -> None:
    committed: list[str] = []
    handle = SimpleNamespace(
        internal_connection=SimpleNamespace(execute=lambda *_: committed.append("commit")), dialect="sqlite"
    )
    sql.run._commit(conn=handle, config=ipython_sql._SETTINGS)
    assert committed == []
