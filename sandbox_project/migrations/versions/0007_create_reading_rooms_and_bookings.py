"""create reading rooms and bookings

Revision ID: 0007
Revises: 0006
Create Date: 2025-06-11 13:00:00

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Upgrade schema."""
    op.create_table(
        "reading_rooms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading_rooms")),
        sa.CheckConstraint("seats > 0", name=op.f("ck_reading_rooms_seats")),
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("from_hour", sa.Integer(), nullable=False),
        sa.Column("until_hour", sa.Integer(), nullable=False),
        # On PostgreSQL, create_table makes this type along with the table.
        sa.Column("status", sa.Enum("booked", "used", "canceled", name="booking_status"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.ForeignKeyConstraint(
            ["room_id"], ["reading_rooms.id"], name=op.f("fk_bookings_room_id_reading_rooms")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_bookings_member_id_members")),
        sa.UniqueConstraint("room_id", "day", "from_hour", name=op.f("uq_bookings_room_id_day_from_hour")),
        sa.CheckConstraint("from_hour < until_hour", name=op.f("ck_bookings_hours")),
    )


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_table("bookings")
    # drop_table leaves the type behind, and the next upgrade would find it in its way.
    sa.Enum(name="booking_status").drop(op.get_bind())
    op.drop_table("reading_rooms")
