"""An inherited environment leads nowhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import text

from migration_cookbook.databases import postgres, server
from migration_cookbook.databases.engines import engine
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment

if TYPE_CHECKING:
    import pytest

    from migration_cookbook.databases.server import Server


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
    database = postgres.create(again, "shop")

    assert again == shared
    with engine(database).connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == database.name
        assert connection.execute(text("SHOW search_path")).scalar() == '"$user", public'
