"""The private parts of Python's own library that the kit uses, as read in CPython 3.11.

A test fails when one of them moves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import symtable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def no_running_loop() -> Iterator[None]:
    """Hide the running event loop within, in which `asyncio.run` refuses to start another one."""
    running = asyncio._get_running_loop()
    if running is None:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio.set_event_loop(running)
        asyncio._set_running_loop(running)


def subcommands(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """Return the names of a parser's subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return tuple(action.choices)
    return ()


def symbol_of(table: symtable.SymbolTable, name: str) -> symtable.Symbol:
    """Return what a scope knows of a name, without the scopes in it.

    `SymbolTable.lookup` compares the name with each of these, which takes long in a large file.
    """
    flags = table._table.symbols[name]  # type: ignore[attr-defined]
    return symtable.Symbol(name, flags, module_scope=table.get_type() == "module")
