"""An inherited environment leads nowhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from migration_cookbook import cli
from migration_cookbook.databases import server
from migration_cookbook.databases.engines import engine
from migration_cookbook.databases.environment import (
    OWN_SERVER_VARIABLE,
    clean_environment,
    known_environment,
)
from migration_cookbook.editions.build import kernel_environment
from migration_cookbook.lab import jupyter
from migration_cookbook.workspace import HOME_VARIABLE, open_workspace

if TYPE_CHECKING:
    import pytest

    from migration_cookbook.databases.postgres import Server


def test_what_leads_to_a_database_is_removed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMINPROTOCOLVERSION", "PGDATA"):
        monkeypatch.setenv(name, "somebody's")
    monkeypatch.setenv(OWN_SERVER_VARIABLE, "postgresql://kept")
    monkeypatch.setenv("PGP_KEY", "kept")

    assert clean_environment() == [
        *("DATABASE_URL", "PGDATA", "PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMINPROTOCOLVERSION")
    ]
    assert "PGHOST" not in os.environ
    assert os.environ[OWN_SERVER_VARIABLE] == "postgresql://kept"
    assert os.environ["PGP_KEY"] == "kept"
    assert clean_environment() == []


def test_attach_and_create_ignore_a_foreign_database_in_the_environment(
    shared: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin:secret@production/shop")
    # hostaddr beats an explicit host, and options could switch the role or the schema.
    for name, value in {
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGDATABASE": "production",
        "PGUSER": "admin",
        "PGOPTIONS": "-c search_path=production",
        "PGSERVICE": "production",
    }.items():
        monkeypatch.setenv(name, value)

    again = server.attach(shared.workspace)
    database = again.create("shop")

    assert again == shared
    with engine(database).connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == database.name
        assert connection.execute(text("SHOW search_path")).scalar() == '"$user", public'


#: What leads to somebody's database or project, or runs somebody's code.
LEADING = (
    *("DATABASE_URL", "DATABASE_URL_2", "BOOKSHOP_DATABASE_URL", "BOOKSHOP_DATABASE_URL_2"),
    *("SQLALCHEMY_DATABASE_URI", "SQLALCHEMY_WARN_20", "ALEMBIC_CONFIG", "ALEMBIC_ANYTHING"),
    *("PGHOST", "PGSERVICEFILE", "PGPASSFILE", "PGSYSCONFDIR", "PG_COLOR", "PSQLRC"),
    *("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONWARNINGS"),
)
#: What leads a new program elsewhere in addition.
LEADING_PROGRAMS = (
    *("JUPYTER_CONFIG_PATH", "JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE", "JUPYTER_PATH", "JUPYTERLAB_DIR"),
    *("JPY_PARENT_PID", "IPYTHON_ANYTHING", "PYTHONSAFEPATH"),
)
KEPT = (OWN_SERVER_VARIABLE, "COOKBOOK_ANYTHING", "PGP_KEY", "TMPDIR", "PYTHONUTF8", "MY_DATABASE_URLS")


def set_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*LEADING, *LEADING_PROGRAMS, *KEPT):
        monkeypatch.setenv(name, "somebody's")


def test_each_variable_that_leads_elsewhere_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch)
    assert set(clean_environment()) == set(LEADING)
    assert not set(LEADING) & set(os.environ)
    assert set(KEPT) < set(os.environ)


def test_a_program_gets_none_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_all(monkeypatch)
    monkeypatch.setenv("IPYTHONDIR", "somebody's")
    monkeypatch.setenv("PYTHONPATH", "somebody's")
    workspace = open_workspace(tmp_path / "workspace")
    for made in (known_environment(), jupyter.environment(workspace), kernel_environment(workspace)):
        assert not set(LEADING) & set(made)
        assert "somebody's" not in (
            made.get(name) for name in (*LEADING_PROGRAMS, "IPYTHONDIR", "PYTHONPATH")
        )
        assert all(made[name] == "somebody's" for name in KEPT)
    assert known_environment(ADDED="yes")["ADDED"] == "yes"


def test_a_kit_that_is_found_by_pythonpath_is_found_by_its_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(Path(cli.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/somebodys", source, ""]))
    assert known_environment()["PYTHONPATH"] == source


def test_each_command_begins_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_all(monkeypatch)
    monkeypatch.delenv(OWN_SERVER_VARIABLE)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "workspace"))
    assert cli.main(["stop"]) == 0
    assert not set(LEADING) & set(os.environ)
