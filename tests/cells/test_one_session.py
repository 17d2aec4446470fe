"""Cells that need what a backend can't do say so in one line, and the page goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.capabilities import capabilities
from migration_cookbook.databases.dialects import BOTH, Dialect

if TYPE_CHECKING:
    from notebook_desk import Desk

ONE_SESSION = "not run: PostgreSQL has only one session here, and this needs a second one."
NO_PROCESS = "this needs another process, and none can reach PostgreSQL here"

pytestmark = pytest.mark.parametrize("backend", ["one session"], indirect=True)


def test_a_session_that_stays_open(shop: Desk) -> None:
    assert shop.run("%%sql --as anna\nSELECT 1 AS one").below("PostgreSQL") == [ONE_SESSION]
    assert shop.run("%%sql --as anna --on postgres\nSELECT 1 AS one").lines == [
        "PostgreSQL:",
        f"    {ONE_SESSION}",
    ]
    # On SQLite it is open, and what comes afterwards runs on both.
    assert shop.notebook.sessions.names() == ["anna"]
    assert ONE_SESSION not in shop.run("%%sql\nSELECT count(*) FROM books").text


def test_a_session_in_the_background(shop: Desk) -> None:
    assert shop.run("%%sql --as bob --on postgres --background\nSELECT 1").lines == [
        "PostgreSQL:",
        f"    {ONE_SESSION}",
    ]
    assert shop.run("%wait bob").lines == ["PostgreSQL:", f"    {ONE_SESSION}"]
    assert "Running in session" in shop.run("%%sql --as bob --background\nSELECT 1").text
    assert "1" in shop.run("%wait bob").text


def test_an_announced_failure_there(shop: Desk) -> None:
    excuse = "It wasn't run on PostgreSQL, so it couldn't fail."
    cell = "%%sql --as carl --on postgres\nSELECT 1 / 0"
    assert shop.run(f"%%fails postgres\n{cell}").lines[1:] == [f"    {ONE_SESSION}", excuse]
    assert shop.run(f"%%fails\n{cell}").lines[1:] == [f"    {ONE_SESSION}", excuse]
    # It's no excuse for another cell, or for the other database.
    assert "meant to fail on PostgreSQL" in shop.refused("%%fails postgres\n%%sql --on postgres\nSELECT 1")
    assert "meant to fail on SQLite" in shop.refused("%%fails sqlite\n%%sql --as carl\nSELECT 1")


def test_locks(shop: Desk) -> None:
    assert shop.run("%%locks\nALTER TABLE books ADD COLUMN note text").lines == [
        "PostgreSQL:",
        f"    {ONE_SESSION}",
    ]
    assert "note" not in shop.run("%schema books").text


def test_a_snippet(desk: Desk) -> None:
    cell = "%%op --on postgres\nop.drop_table('books')"
    assert desk.run(cell).lines == ["PostgreSQL:", f"    not run: {NO_PROCESS}."]
    assert (
        desk.run(f"%%fails postgres\n{cell}").lines[-1] == "It wasn't run on PostgreSQL, so it couldn't fail."
    )


def test_an_exercise(desk: Desk) -> None:
    desk.run("%practice c00-1")
    assert NO_PROCESS in desk.run("%check c00-1").text
    assert "Hint 1" in desk.run("%hint c00-1").text


def test_nothing_but_data_says_what_is_lacking(desk: Desk) -> None:
    able = {dialect: capabilities(dialect).has_second_session for dialect in BOTH}
    assert able == {Dialect.SQLITE: True, Dialect.POSTGRES: False}
