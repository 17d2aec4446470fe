"""make member emails unique

Revision ID: 0004
Revises: 0003
Create Date: 2025-04-02 11:45:00

"""

from collections.abc import Sequence

from alembic import op

# revision identifiers, used by Alembic.
revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Upgrade schema."""
    # SQLite can add a constraint only by copying the table, which is what batch does there.
    with op.batch_alter_table("members") as batch:
        batch.create_unique_constraint(op.f("uq_members_email"), ["email"])


def downgrade() -> None:
    """Downgrade schema."""
    with op.batch_alter_table("members") as batch:
        batch.drop_constraint(op.f("uq_members_email"), type_="unique")
