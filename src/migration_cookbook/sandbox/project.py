"""The files that a sandbox begins with: the project as it was at a revision."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.sandbox.models_at import models_at
from migration_cookbook.workspace import CookbookError, checkout

if TYPE_CHECKING:
    from collections.abc import Mapping

_SKIPPED = shutil.ignore_patterns("__pycache__", "*.db", "*.db-*", ".*")
_VERSIONS = Path("migrations/versions")


@dataclass(frozen=True)
class Revision:
    """One file of the project's chain."""

    id: str
    file: str


@cache
def source() -> Path:
    """The folder of the bookshop project."""
    folder = checkout()
    if folder is None:
        raise CookbookError(
            "The bookshop project is part of the cookbook's checkout. Clone the cookbook, and run this there."
        )
    return folder / "sandbox_project"


def revisions() -> tuple[Revision, ...]:
    """The project's chain, from the oldest."""
    by_parent: dict[str | None, Revision] = {}
    for path in sorted((source() / _VERSIONS).glob("*.py")):
        values = dict(_assigned(path.read_text(encoding="utf-8")))
        by_parent[values["down_revision"]] = Revision(str(values["revision"]), path.name)
    chain: list[Revision] = []
    parent: str | None = None
    while parent in by_parent:
        chain.append(by_parent[parent])
        parent = chain[-1].id
    return tuple(chain)


def known_revision(name: str | None) -> str:
    """`name` as a revision of the project, `base` or `head`; the head where nothing is named."""
    ids = [revision.id for revision in revisions()]
    if name in (None, "head"):
        return ids[-1]
    if name == "base" or name in ids:
        return str(name)
    raise CookbookError(f"The bookshop has no revision {name}. It has base, {', '.join(ids)} (head).")


def upto(revision: str) -> tuple[Revision, ...]:
    """The chain up to and with `revision`."""
    chain = revisions()
    ids = [each.id for each in chain]
    return chain[: ids.index(revision) + 1] if revision in ids else ()


def write(folder: Path, revision: str) -> None:
    """Put the project into the folder as it stood at `revision`."""
    kept = {each.file for each in upto(revision)}
    shutil.copytree(source(), folder, ignore=_SKIPPED, dirs_exist_ok=True)
    for path in (folder / _VERSIONS).glob("*.py"):
        if path.name not in kept:
            path.unlink()
    models = folder / "bookshop" / "models.py"
    models.write_text(models_at(models.read_text(encoding="utf-8"), revision), encoding="utf-8")


def content_key(revision: str) -> str:
    """Changes when the project's files up to `revision` change; names its template databases."""
    digest = hashlib.sha256(revision.encode())
    for path in sorted(source().rglob("*")):
        relative = path.relative_to(source())
        if path.is_file() and not _SKIPPED("", list(relative.parts)):
            digest.update(str(relative).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def slug(text: str) -> str:
    """Words joined by underscores, as Alembic names its files."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")


# Each command asks for the chain again, and each exercise.
@lru_cache(maxsize=64)
def _assigned(text: str) -> Mapping[str, str | None]:
    """`revision` and `down_revision` of a revision file, without running it."""
    values: dict[str, str | None] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign):
            targets: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Assign):
            targets = node.targets
        else:
            continue
        match targets[0], node.value:
            case ast.Name(id=name), ast.Constant(value=str() | None as value):
                values[name] = value
    return values
