"""A snippet that changes a library for everybody is felt by no other one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.values.snippet import Form, Snippet
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from migration_cookbook.databases.postgres import Server

PLAIN = 'op.create_table("shelves", sa.Column("id", sa.Integer, primary_key=True))'
LISTENING = """
from sqlalchemy import event

@event.listens_for(sa.Table, "before_create")
def refuse(*given, **named):
    raise RuntimeError("no more tables")
"""
IMPORTED = LISTENING.replace("import event", "import event as telling").replace("@event", "@telling")
COMPILING = """
from sqlalchemy.ext.compiler import compiles

@compiles(sa.schema.CreateTable)
def refuse(*given, **named):
    raise RuntimeError("no more tables")
"""


@pytest.mark.parametrize("changing", [LISTENING, IMPORTED, COMPILING])
def test_what_it_registers_ends_with_it(verify_server: Server, changing: str) -> None:
    texts = (changing + PLAIN, PLAIN)
    snippets = [
        Snippet("page.md", line, "python", Form.OPERATIONS, text, trusted=True)
        for line, text in enumerate(texts)
    ]
    settings = Settings(verify_server.workspace, (Dialect.SQLITE,))
    first, second = (one.findings[Dialect.SQLITE] for one in check(snippets, settings))
    assert (first.verdict, first.message) == (Verdict.FAILS, "RuntimeError: no more tables")
    assert second.verdict is Verdict.WORKS
