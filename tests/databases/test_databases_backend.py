"""Who makes the databases is known in this package alone; the others ask what can be done with them."""

from __future__ import annotations

import re
from pathlib import Path

import migration_cookbook
from migration_cookbook import databases
from migration_cookbook.databases.dialects import BOTH, Dialect

_IMPLEMENTATIONS = re.compile(r"\b(KitServer|UserServer|kit_server|user_server|databases\.postgres)\b")


def test_no_other_package_names_an_implementation() -> None:
    inside = Path(databases.__file__).parent
    package = Path(migration_cookbook.__file__).parent
    texts = {path: path.read_text() for path in package.rglob("*.py")}
    naming = {path for path, text in texts.items() if _IMPLEMENTATIONS.search(text)}
    assert naming
    assert [path for path in naming if not path.is_relative_to(inside)] == []


def test_a_dialect_is_spelled_as_before_and_has_a_title() -> None:
    assert [(dialect, dialect.value, dialect.title) for dialect in BOTH] == [
        ("sqlite", "sqlite", "SQLite"),
        ("postgres", "postgres", "PostgreSQL"),
    ]
    assert Dialect("postgres") is Dialect.POSTGRES
