"""Which SQL was really sent? Told by SQLite itself, and by SQLAlchemy's events for PostgreSQL."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from migration_cookbook.sandbox.recorder import recording


def memory() -> sa.Engine:
    return sa.create_engine("sqlite://")


def test_statements_and_their_transaction() -> None:
    with recording() as recorder, memory().begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id INTEGER)"))
        connection.execute(sa.text("INSERT INTO t VALUES (:id)"), {"id": 7})
    assert recorder.sent == ("CREATE TABLE t (id INTEGER)", "BEGIN", "INSERT INTO t VALUES (7)", "COMMIT")


def test_questions_and_empty_transactions_are_left_out() -> None:
    with recording() as recorder, memory().connect() as connection:
        sa.inspect(connection).get_table_names()
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("COMMIT")
    assert recorder.sent == ()


def test_only_what_this_thread_sends_counts() -> None:
    def elsewhere() -> None:
        with memory().connect() as connection:
            connection.execute(sa.text("CREATE TABLE elsewhere (id INTEGER)"))

    with recording() as recorder:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert recorder.sent == ()


def test_nothing_is_recorded_afterwards() -> None:
    with recording() as recorder:
        pass
    with memory().begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id INTEGER)"))
    assert recorder.sent == ()
