"""A small bookshop: its models, its rows, and the database they live in."""

import os
from pathlib import Path

import sqlalchemy as sa


def database_url() -> sa.URL:
    """The database named by BOOKSHOP_DATABASE_URL, else the SQLite file beside alembic.ini.

    The variable has a name of its own, so that a DATABASE_URL of another project is never hit.
    """
    if named := os.environ.get("BOOKSHOP_DATABASE_URL"):
        return sa.make_url(named)
    return sa.URL.create("sqlite", database=str(Path(__file__).absolute().parents[1] / "bookshop.db"))
