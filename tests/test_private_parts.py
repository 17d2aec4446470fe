"""The private parts of Alembic, of psycopg and of ipython-sql that we touch are still where they were read."""

from __future__ import annotations

import argparse
import datetime as dt
import inspect
import io
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import sql.run
import sqlalchemy as sa
from alembic import command, util
from alembic.config import CommandLine, Config
from alembic.operations.batch import ApplyBatchImpl
from alembic.script import write_hooks
from alembic.script.base import ScriptDirectory
from alembic.util import messaging
from psycopg._connection_base import BaseConnection

from migration_cookbook.cells import ipython_sql
from migration_cookbook.sandbox import alembic_private

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
