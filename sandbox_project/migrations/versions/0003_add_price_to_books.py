"""add price to books

Revision ID: 0003
Revises: 0002
Create Date: 2025-03-15 14:10:00

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Upgrade schema."""
    op.add_column("books", sa.Column("price", sa.Numeric(precision=8, scale=2), nullable=True))


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_column("books", "price")
