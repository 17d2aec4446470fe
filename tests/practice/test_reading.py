"""An exercise is read strictly: what its author mistyped is said with file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice import read_exercise
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """---
id: x01-1
title: A title
notebook: 00-start-here
kind: repair
start: "0003"
databases: [sqlite, postgres]
minutes: 3
---

What to do.

```console
$ alembic upgrade head
```

## Given

```python
def upgrade() -> None:
    pass
```

```console
$ alembic upgrade head --on sqlite
$ alembic current
```

```sql
DELETE FROM books
WHERE id = 1;
SELECT ';'
```

## Hint

One.

## Solution

```python {revision=0004b after=0002 message="some words"}
pass
```

```remove {path=migrations/x.py}
```

## Wrong: nothing

```file {path=a.txt}
text
```

> Not so.
"""


def read(tmp_path: Path, text: str, name: str = "x01-1-title.md") -> object:
    path = tmp_path / name
    path.write_text(text)
    return read_exercise(path)


def test_fences_become_steps_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "x01-1-title.md"
    path.write_text(WHOLE)
    exercise = read_exercise(path)
    assert exercise.prompt.startswith("What to do.")
    assert exercise.databases == (Dialect.SQLITE, Dialect.POSTGRES)
    revision, upgrade, current, delete, select = exercise.given
    assert (revision.revision, revision.after, revision.message) == ("0004", "0003", "A title")
    assert (upgrade.text, upgrade.on) == ("upgrade head", Dialect.SQLITE)
    assert (current.text, current.on) == ("current", None)
    assert delete.text == "DELETE FROM books\nWHERE id = 1"
    assert select.text == "SELECT ';'"
    written, removed = exercise.solution_steps
    assert (written.revision, written.after, written.message) == ("0004b", "0002", "some words")
    assert (removed.does, removed.path) == ("remove", "migrations/x.py")
    (wrong,) = exercise.wrongs
    assert (wrong.title, wrong.message, wrong.steps[0].text) == ("nothing", "Not so.", "text\n")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    (
        ("id: x01-1\n", "", 1, "lacks id"),
        ("id: x01-1\n", "id: x01-2\n", 1, "must begin with x01-2-."),
        ("minutes: 3", "minutes: soon", 1, "`minutes` is a number"),
        ("minutes: 3", "minutes: 3\nlevel: 2", 1, "knows no level"),
        ("kind: repair", "kind: riddle", 1, "`kind` is one of"),
        ("kind: repair", "kind: predict", 1, "a predict names its `question`"),
        ("kind: repair", "kind: revision", 1, "in no revision"),
        ("minutes: 3", "minutes: 3\nlocks: yes", 1, "`locks: matter` belongs"),
        ('start: "0003"', 'start: "0999"', 1, "`start` is one of"),
        ("databases: [sqlite, postgres]", "databases: [oracle]", 1, "`databases` is"),
        ("What to do.\n\n```console\n$ alembic upgrade head\n```\n", "", 10, "the prompt is missing"),
        ("## Hint", "## Help", 35, "no section is called 'Help'"),
        ("One.\n", "", 35, "the hint is empty"),
        ("> Not so.", "Not so.", 48, "ends with its message"),
        ("```sql", "```mysql", 29, "a fence is one of"),
        ("{path=a.txt}", "{path=/a.txt}", 50, "name a path of the project"),
        ("{path=a.txt}", "{name=a.txt}", 50, "takes no name"),
        ("$ alembic current", "$ ls", 24, "begins with `$ alembic `"),
        ("--on sqlite", "--on oracle", 24, "--on takes sqlite or postgres"),
        ("text\n```", "text\n", 50, "the fence is never closed"),
    ),
)
def test_a_mistake_is_said_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in WHOLE
    with pytest.raises(CookbookError, match=rf"^chapters/exercises/x01-1-title\.md:{line}: ") as raised:
        read(tmp_path, WHOLE.replace(old, new, 1))
    assert words in str(raised.value)
