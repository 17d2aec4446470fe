"""A copy of the bookshop with a fresh database, for each dialect of database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bookshop_copy import copy_project

from migration_cookbook.databases import server, sqlite
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import sqlalchemy as sa
    from bookshop_copy import Copy

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.workspace import Workspace


@pytest.fixture(scope="session")
def bookshop_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def bookshop_server(bookshop_workspace: Workspace) -> Iterator[Server]:
    yield server.attach(bookshop_workspace)
    server.remove(bookshop_workspace)


@pytest.fixture
def make_database(
    bookshop_workspace: Workspace, request: pytest.FixtureRequest
) -> Iterator[Callable[[Dialect], Database]]:
    """Makes empty databases, which are gone when the test ends."""
    made: list[Database] = []

    def make(dialect: Dialect) -> Database:
        if dialect is Dialect.SQLITE:
            made.append(sqlite.create(bookshop_workspace, "bookshop"))
        else:
            made.append(request.getfixturevalue("bookshop_server").create("bookshop"))
        return made[-1]

    yield make
    for database in made:
        if database.dialect is Dialect.SQLITE:
            sqlite.drop(bookshop_workspace, database)
        else:
            request.getfixturevalue("bookshop_server").drop(database)


@pytest.fixture(params=BOTH)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return Dialect(request.param)


@pytest.fixture
def url(dialect: Dialect, make_database: Callable[[Dialect], Database]) -> sa.URL:
    """An empty database."""
    return make_database(dialect).url


@pytest.fixture
def other_url(dialect: Dialect, make_database: Callable[[Dialect], Database]) -> sa.URL:
    """Another empty database of the same dialect."""
    return make_database(dialect).url


@pytest.fixture
def postgres_url(make_database: Callable[[Dialect], Database]) -> sa.URL:
    return make_database(Dialect.POSTGRES).url


@pytest.fixture
def shop(tmp_path: Path, url: sa.URL) -> Copy:
    """The whole bookshop, its database still empty."""
    return copy_project(tmp_path / "shop", url)
