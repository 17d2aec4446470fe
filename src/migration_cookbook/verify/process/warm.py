"""Do once in a warm process what each child that it forks would have to do. To be imported.

Alembic and SQLAlchemy work a lot out with their first table and their first statement.
"""

from __future__ import annotations

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.process import jobs
from migration_cookbook.verify.values.snippet import Form

_EXAMPLE = """
def upgrade():
    op.create_table(
        "shelves",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("room_id", sa.ForeignKey("rooms.id")),
        sa.Column("label", sa.String(20), nullable=False, server_default="?", unique=True),
        sa.CheckConstraint("label <> ''", name="ck_shelves_label"),
    )
    op.create_index("ix_shelves_label", "shelves", ["label"])
    op.add_column("books", sa.Column("shelf_id", sa.Integer))
    with op.batch_alter_table("books") as batch_op:
        batch_op.alter_column("title", existing_type=sa.Text(), type_=sa.String(200), nullable=False)
        batch_op.create_unique_constraint("uq_books_title", ["title"])
    op.execute("UPDATE books SET title = upper(title) WHERE title IS NOT NULL")


def downgrade():
    with op.batch_alter_table("books") as batch_op:
        batch_op.drop_constraint("uq_books_title", type_="unique")
        batch_op.alter_column("title", existing_type=sa.String(200), type_=sa.Text(), nullable=True)
    op.drop_column("books", "shelf_id")
    op.drop_index("ix_shelves_label", table_name="shelves")
    op.drop_table("shelves")
"""

for dialect in Dialect:
    # Where PostgreSQL is meant, it is guessed for PostgreSQL and run in memory: a connection can't be forked.
    jobs.run({"kind": dialect.value, "url": None, "form": Form.FUNCTIONS.value, "text": _EXAMPLE})
