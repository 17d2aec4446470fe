"""index books by author

Revision ID: 0005
Revises: 0004
Create Date: 2025-04-16 16:20:00

"""

from collections.abc import Sequence

from alembic import op

# revision identifiers, used by Alembic.
revision: str = "0005"
down_revision: str | Sequence[str] | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Upgrade schema."""
    op.create_index("ix_books_author", "books", ["author"])


def downgrade() -> None:
    """Downgrade schema."""
    op.drop_index("ix_books_author", table_name="books")
