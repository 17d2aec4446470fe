"""What Alembic, SQLAlchemy and SQLite pass over in silence is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from trying import Desk

BATCH = 'with op.batch_alter_table("trips") as batch_op:\n    batch_op.'


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ('op.create_index("ix_trips_day", "trips", ["day"], if_no_exists=True)', "if_no_exists"),
        ('op.create_table("lines", sa.Column("id", sa.Integer, primry_key=True))', "primry_key"),
        ('op.add_column("trips", sa.Column("seats", sa.Integer, server_defult="1"))', "server_defult"),
        ('op.drop_column("trips", "day", if_exits=True)', "if_exits"),
        (BATCH + 'alter_column("day", nullable=True, typ_=sa.Date())', "typ_"),
        (BATCH + 'alter_column("day", existing_typ=sa.Date(), nullable=True)', "existing_typ"),
    ],
)
def test_an_argument_that_nobody_reads(desk: Desk, text: str, argument: str, dialect: Dialect) -> None:
    finding = desk.finding(text, dialect)
    assert f"the argument {argument} is passed over in silence: nobody knows it" in finding.warnings


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    "text",
    [
        'op.create_index("ix_trips_day", "trips", ["day"], if_not_exists=True, mysql_length=3)',
        'op.create_table("lines", sa.Column("id", sa.Integer, primary_key=True), sqlite_strict=True)',
        'op.drop_column("trips", "day", mssql_drop_check=True)',
        BATCH + 'alter_column("day", existing_type=sa.Text(), type_=sa.Date(), postgresql_using="day::date")',
        BATCH + 'alter_column("id", existing_type=sa.Integer(), nullable=False, autoincrement=True)',
        BATCH + 'add_column(sa.Column("seats", sa.Integer), insert_after="id")',
    ],
)
def test_an_argument_for_some_database_is_read(desk: Desk, text: str, dialect: Dialect) -> None:
    assert "passed over" not in " ".join(desk.finding(text, dialect).warnings)


@pytest.mark.parametrize("type_", ["NUMBER", "STRING(10)", "SERIAL", "mood"])
def test_a_type_that_sqlite_does_not_know(desk: Desk, type_: str) -> None:
    finding = desk.finding(f"ALTER TABLE trips ADD COLUMN seats {type_}", Dialect.SQLITE, Form.SQL)
    assert finding.verdict is Verdict.WORKS
    word = type_.partition("(")[0].upper()
    assert finding.warnings == (
        f"SQLite takes any word as a type: {word} of trips.seats means nothing to it",
    )


@pytest.mark.parametrize(
    "type_", ["INT", "numeric(8, 2)", "DOUBLE PRECISION", "TIMESTAMP WITH TIME ZONE", "UUID", "TINYINT", ""]
)
def test_a_type_that_some_database_knows(desk: Desk, type_: str) -> None:
    assert not desk.finding(f"ALTER TABLE trips ADD COLUMN seats {type_}", Dialect.SQLITE, Form.SQL).warnings


def test_types_that_were_there_are_not_told(desk: Desk) -> None:
    given = "CREATE TABLE trips (id MEMO)"
    assert not desk.finding(
        "ALTER TABLE trips ADD COLUMN seats INT", Dialect.SQLITE, Form.SQL, given=given
    ).warnings
