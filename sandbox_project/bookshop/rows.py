"""A few rows for each table of the bookshop: the same ones each time.

`python -m bookshop.rows` puts them into the database of BOOKSHOP_DATABASE_URL.
No row names its id: the database counts, 1, 2, 3, in the order of this page.
"""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from bookshop import database_url
from bookshop.models import Base

ROWS: dict[str, list[dict[str, Any]]] = {
    "members": [
        {"name": "Ada Byron", "email": "ada@example.org", "joined_on": dt.date(2025, 3, 14)},
        {"name": "Jorge Ortiz", "email": "jorge@example.org", "joined_on": dt.date(2025, 9, 2)},
        {"name": "Mei Tanaka", "email": "mei@example.org", "joined_on": dt.date(2026, 1, 21)},
    ],
    "books": [
        {
            "title": "The Left Hand of Darkness",
            "author": "Ursula K. Le Guin",
            "price": Decimal("12.99"),
        },
        {"title": "Middlemarch", "author": "George Eliot", "price": Decimal("9.95")},
        {"title": "Invisible Cities", "author": "Italo Calvino", "price": Decimal("11.49")},
    ],
    "orders": [
        {"member_id": 1, "status": "shipped", "ordered_on": dt.date(2026, 2, 3)},
        {"member_id": 2, "status": "paid", "ordered_on": dt.date(2026, 2, 17)},
        {"member_id": 1, "status": "open", "ordered_on": dt.date(2026, 3, 1)},
    ],
    "order_lines": [
        {"order_id": 1, "book_id": 1, "quantity": 1},
        {"order_id": 1, "book_id": 3, "quantity": 2},
        {"order_id": 2, "book_id": 2, "quantity": 1},
        {"order_id": 3, "book_id": 2, "quantity": 3},
    ],
    "staff": [{"name": "Nora Lind"}, {"name": "Tom Okoro"}],
    "roles": [{"name": "manager"}, {"name": "cashier"}],
    "staff_roles": [
        {"staff_id": 1, "role_id": 1},
        {"staff_id": 1, "role_id": 2},
        {"staff_id": 2, "role_id": 2},
    ],
    "reading_rooms": [{"name": "Garden room", "seats": 8}, {"name": "Attic", "seats": 3}],
    "bookings": [
        {
            "room_id": 1,
            "member_id": 1,
            "day": dt.date(2026, 3, 5),
            "from_hour": 10,
            "until_hour": 12,
            "status": "used",
        },
        {
            "room_id": 1,
            "member_id": 3,
            "day": dt.date(2026, 3, 5),
            "from_hour": 14,
            "until_hour": 15,
            "status": "canceled",
        },
        {
            "room_id": 2,
            "member_id": 2,
            "day": dt.date(2026, 3, 6),
            "from_hour": 9,
            "until_hour": 11,
            "status": "booked",
        },
    ],
    "reviews": [
        {"book_id": 1, "member_id": 1, "stars": 5, "comment": "Read it twice."},
        {"book_id": 3, "member_id": 1, "stars": 4, "comment": None},
        {"book_id": 2, "member_id": 2, "stars": 3, "comment": "Long, and worth it."},
    ],
    "events": [
        {
            "name": "order shipped",
            "happened_on": dt.date(2026, 2, 4),
            "details": {"order": 1, "parcels": 2},
        },
        {"name": "order paid", "happened_on": dt.date(2026, 2, 17), "details": {"order": 2}},
        {
            "name": "reading held",
            "happened_on": dt.date(2026, 2, 27),
            "details": {"book": 3, "guests": ["Mei", "Jorge"]},
        },
    ],
    "sessions": [
        {
            "id": uuid.UUID("5f0c7f3e-1f0a-4b6e-9d53-0c2f8f6c1a01"),
            "member_id": 1,
            "started_at": dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC),
        },
        {
            "id": uuid.UUID("a3d94c52-7b1e-4c8f-8a6d-3e5b9f7d2c02"),
            "member_id": 3,
            "started_at": dt.datetime(2026, 3, 2, 18, 5, tzinfo=dt.UTC),
        },
    ],
}


def fill(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Insert the rows of each table of `metadata`, parents first; leave out columns it doesn't have."""
    for table in metadata.sorted_tables:
        rows = [
            {column: value for column, value in row.items() if column in table.columns}
            for row in ROWS.get(table.name, [])
        ]
        if rows:
            connection.execute(sa.insert(table), rows)


def main() -> None:
    engine = sa.create_engine(database_url(), poolclass=sa.NullPool)
    with engine.begin() as connection:
        missing = set(Base.metadata.tables) - set(sa.inspect(connection).get_table_names())
        if missing:
            raise SystemExit(f"No table {', '.join(sorted(missing))} yet. Run `alembic upgrade head` first.")
        for table in Base.metadata.sorted_tables:
            if connection.scalar(sa.select(sa.func.count()).select_from(table)):
                raise SystemExit(f"There are rows in {table.name} already, so nothing was added.")
        fill(connection, Base.metadata)
    print(f"Filled {len(ROWS)} tables.")


if __name__ == "__main__":
    main()
