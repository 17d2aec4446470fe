"""Which database, which models, which transactions? Alembic runs this file for most of its commands."""

from logging.config import fileConfig
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

from bookshop import database_url
from bookshop.models import Base

if context.config.config_file_name is not None:
    # By default, fileConfig switches off every logger the calling program has made so far.
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

# The URL goes straight to create_engine(). On the way through alembic.ini,
# each % of an encoded password would have to be doubled.
url = database_url()
on_sqlite = url.get_backend_name() == "sqlite"


def configure(**where: Any) -> None:
    """Tell Alembic what is the same with a database and without one."""
    context.configure(
        # Autogenerate compares the database with these tables. Importing Base from models.py
        # is what fills them in: an empty MetaData would make it drop every table.
        target_metadata=Base.metadata,
        # One transaction a revision: a failure takes back its own revision and no earlier one,
        # and an autocommit_block() commits no other revision's work.
        transaction_per_migration=True,
        # PostgreSQL's default. SQLite can do it too, thanks to the explicit BEGIN below;
        # told so, Alembic writes BEGIN and COMMIT into the script of --sql as well.
        transactional_ddl=True,
        # SQLite has no ALTER for most changes, so autogenerate writes batch operations there,
        # which copy the table. PostgreSQL needs none.
        render_as_batch=on_sqlite,
        **where,
    )


def run_offline() -> None:
    """With --sql: print the SQL, connect to nothing."""
    configure(url=url, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Connect, and change the database."""
    # A command opens one connection; without a pool, none is left open behind it.
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    if on_sqlite:
        prepare_sqlite(engine)
    with engine.connect() as connection:
        # No statement on this connection before configure(): it would open a transaction
        # that nobody commits, and the whole upgrade would be lost without a word.
        configure(connection=connection, on_version_apply=check_foreign_keys if on_sqlite else None)
        with context.begin_transaction():
            context.run_migrations()


def prepare_sqlite(engine: sa.Engine) -> None:
    """Give SQLite transactions that hold schema changes, and foreign keys that don't fire meanwhile."""

    @sa.event.listens_for(engine, "connect")
    def on_connect(dbapi_connection: Any, _record: Any) -> None:
        # Python's sqlite3 begins a transaction before INSERT, but not before CREATE TABLE.
        # None stops that, and the listener below says BEGIN itself.
        dbapi_connection.isolation_level = None
        # A batch operation drops the old table after copying it. With foreign keys on,
        # that DROP would delete the rows of ON DELETE CASCADE tables as well.
        # SQLite ignores this line inside a transaction, so it must come first.
        dbapi_connection.execute("PRAGMA foreign_keys = OFF")

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        # In an autocommit_block() there must be no transaction.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN")


def check_foreign_keys(ctx: Any, step: Any, **_: Any) -> None:
    """Before a revision is committed: does each foreign key still point at a row?"""
    if step.is_stamp:
        return
    broken = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        examples = ", ".join(f"{table} row {row} -> {parent}" for table, row, parent, _ in broken[:3])
        name = f"{'upgrade' if step.is_upgrade else 'downgrade'} {step.up_revision_id}"
        raise CommandError(
            f"{name} would leave foreign keys that point at no row: {examples} ({len(broken)} in all). "
            "It is rolled back. Mend these rows, or the revision, and run it again."
        )


if context.is_offline_mode():
    run_offline()
else:
    run_online()
