"""Two real databases, each emptied and given the same small shop before each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from migration_cookbook.databases import server as servers
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgres_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    workspace = open_workspace(tmp_path_factory.mktemp("workspace"))
    server = servers.attach(workspace)
    name = f"cookbook_{workspace.installation}_schema"
    administrator = sa.create_engine(
        server.url,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"prepare_threshold": None},
    )
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = sa.create_engine(
        server.url.set(database=name), isolation_level="AUTOCOMMIT", connect_args={"prepare_threshold": None}
    )
    yield engine
    engine.dispose()
    with administrator.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    servers.stop(workspace)


@pytest.fixture
def postgres(postgres_engine: sa.Engine) -> Iterator[sa.Connection]:
    with postgres_engine.connect() as connection:
        names = connection.exec_driver_sql(
            "SELECT quote_ident(nspname) FROM pg_namespace "
            "WHERE nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')"
        )
        for name in names.scalars().all():
            connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
        yield connection


@pytest.fixture
def sqlite() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def connection(request: pytest.FixtureRequest) -> sa.Connection:
    """Each test that asks for it runs on both."""
    found: sa.Connection = request.getfixturevalue(request.param)
    return found
