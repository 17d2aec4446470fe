"""Which notebooks does a learner work on, and what becomes of them when the book changes?

Learners work on copies. What they changed is never overwritten: a new edition is laid
beside it. A file is always whole, and what was handed out is noted before it is written,
so that a command killed at any moment loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration_cookbook.editions.blindspots import MADE_PAGES, notebook_paths, read_notebook
from migration_cookbook.editions.notebook import write_notebook
from migration_cookbook.workspace import (
    CookbookError,
    Workspace,
    is_text,
    private_folder,
    read_record,
    write_atomically,
)

#: `07-add-a-column.ipynb` gets `07-add-a-column.new-edition.ipynb` beside it.
NEW_EDITION = ".new-edition"


def refresh(workspace: Workspace, edition_root: Path) -> list[str]:
    """Bring the learner's copies up to the book; say in one line each what is worth saying."""
    with workspace.lock("notebooks"):
        shelf = _LearnerNotebooks(workspace, _Manifest.load(workspace))
        first = not shelf.handed_out.hashes
        edition = _edition(edition_root)
        new = [
            name for name in edition if not shelf.path(name).exists() and name not in shelf.handed_out.hashes
        ]
        messages = [message for name, notebook in edition.items() if (message := shelf.renew(name, notebook))]
        messages += [
            message for name in shelf.names() if name not in edition and (message := shelf.retire(name))
        ]
        _copy_made_pages(workspace, edition_root)
    if new and first:
        messages.insert(0, f"{len(new)} notebooks are ready in {workspace.notebooks}.")
    elif new:
        messages.insert(0, f"New in the book: {', '.join(new)}.")
    return messages


def _copy_made_pages(workspace: Workspace, edition_root: Path) -> None:
    """The index lies beside the copies as it lies beside the book's notebooks: links to it work."""
    for page in MADE_PAGES:
        source, copy = (Path(os.path.normpath(root / page)) for root in (edition_root, workspace.notebooks))
        if source.is_file():
            write_atomically(copy, source.read_text(encoding="utf-8"))


def reset(workspace: Workspace, edition_root: Path, name: str) -> str:
    """Give a learner the book's notebook again; theirs is kept."""
    edition = _edition(edition_root)
    wanted = name.removesuffix(".ipynb")
    found = [slug for slug in edition if wanted in (slug, slug.rpartition("/")[2])]
    if len(found) != 1:
        raise CookbookError(
            f"The book has no notebook {name}; take a path below notebooks/, without the ending."
        )
    with workspace.lock("notebooks"):
        shelf = _LearnerNotebooks(workspace, _Manifest.load(workspace))
        kept = shelf.keep(found[0])
        shelf.hand_out(found[0], edition[found[0]])
    return f"{found[0]} is as in the book again{f'; yours is kept as {kept}' if kept else ''}."


def content_hash(notebook: Any) -> str:
    """What a learner could have changed: the cells. Outputs and counts come by running them.

    JupyterLab adds an empty cell when the last one is run; that is no edit.
    """
    cells = [[cell.get("id"), cell.cell_type, cell.source] for cell in notebook.cells if cell.source.strip()]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def learners_copy(notebook: Any) -> Any:
    """The notebook without what the build recorded."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    notebook.metadata.get("cookbook", {}).pop("reference", None)
    return notebook


@dataclass
class _Manifest:
    """What was ever given to this learner."""

    path: Path
    #: By name: the content hashes of all editions handed out, noted before the writing.
    hashes: dict[str, list[str]]
    #: By name: the edition the learner got last, in place or beside, noted after the writing.
    latest: dict[str, str]

    @classmethod
    def load(cls, workspace: Workspace) -> _Manifest:
        path = workspace.root / "handed-out.json"
        # Without it a learner's copies count as edited, so they are never overwritten.
        known = read_record(path, _is_valid) or {"hashes": {}, "latest": {}}
        return cls(path, known["hashes"], known["latest"])

    def save(self) -> None:
        content = {"hashes": self.hashes, "latest": self.latest}
        write_atomically(self.path, json.dumps(content, indent=1, sort_keys=True) + "\n")

    def will_get(self, name: str, content: str) -> None:
        known = self.hashes.setdefault(name, [])
        if content not in known:
            known.append(content)
            self.save()

    def has(self, name: str, content: str) -> None:
        if self.latest.get(name) != content:
            self.latest[name] = content
            self.save()


@dataclass(frozen=True)
class _LearnerNotebooks:
    """The learner's folder of notebooks."""

    workspace: Workspace
    handed_out: _Manifest

    def path(self, name: str) -> Path:
        return self.workspace.notebooks / f"{name}.ipynb"

    def names(self) -> list[str]:
        """The copies that are there, of all that were handed out."""
        return [name for name in sorted(self.handed_out.hashes) if self.path(name).exists()]

    def renew(self, name: str, notebook: Any) -> str | None:
        """Hand out a notebook where nothing of the learner's is lost by it."""
        content = content_hash(notebook)
        if self.path(name).exists() and self.edited(name, content):
            return self.write_alongside(name, notebook, content)
        self.hand_out(name, notebook)
        beside = name + NEW_EDITION
        if self.path(beside).exists() and not self.edited(beside, content):
            self.path(beside).unlink()
        return None

    def edited(self, name: str, content: str) -> bool:
        """Is it anything but an edition of the book? What can't be read may be the learner's work too."""
        theirs = read_notebook(self.path(name))
        return theirs is None or content_hash(theirs) not in {content, *self.handed_out.hashes.get(name, ())}

    def hand_out(self, name: str, notebook: Any) -> None:
        content = content_hash(notebook)
        self.handed_out.will_get(name, content)
        theirs = read_notebook(self.path(name))
        # A copy that was run keeps its outputs as long as the book says the same.
        if (
            theirs is None
            or content_hash(theirs) != content
            or theirs.metadata.get("cookbook") != _about(notebook)
        ):
            write_atomically(self.path(name), write_notebook(notebook))
        self.handed_out.has(name, content)

    def write_alongside(self, name: str, notebook: Any, content: str) -> str | None:
        if self.handed_out.latest.get(name) == content:
            return None
        beside = name + NEW_EDITION
        kept = None
        if self.path(beside).exists() and self.edited(beside, content):
            kept = self.keep(beside)
        self.handed_out.will_get(beside, content)
        write_atomically(self.path(beside), write_notebook(notebook))
        self.handed_out.has(name, content)
        also = f" The one before, which you changed, is kept as {kept}." if kept else ""
        return f"The book has a new edition of {name}; you changed yours, so it lies beside it as {beside}.ipynb.{also}"

    def retire(self, name: str) -> str | None:
        """Put away an unedited copy of what the book no longer has."""
        if name.endswith(NEW_EDITION) or self.edited(name, ""):
            return None
        kept = self.keep(name)
        self.path(name).unlink()
        return f"The book no longer has {name}; your copy is kept as {kept}."

    def keep(self, name: str) -> Path | None:
        """Copy a learner's notebook to where nothing is ever overwritten."""
        source = self.path(name)
        if not source.exists():
            return None
        number = 1
        while (target := self.workspace.kept / "notebooks" / f"{name}-{number}.ipynb").exists():
            number += 1
        private_folder(target.parent)
        half = target.with_suffix(".half")
        shutil.copy2(source, half)
        half.rename(target)
        return target.relative_to(self.workspace.root)


def _is_valid(record: dict[str, Any]) -> bool:
    hashes, latest = record.get("hashes"), record.get("latest")
    return (
        isinstance(hashes, dict)
        and isinstance(latest, dict)
        and all(is_text(name) and isinstance(each, list) and is_text(*each) for name, each in hashes.items())
        and is_text(*latest, *latest.values())
    )


def _edition(root: Path) -> dict[str, Any]:
    """The book's notebooks, by slug, as learners get them."""
    edition = {}
    for slug, path in notebook_paths(root).items():
        notebook = read_notebook(path)
        if notebook is None:
            raise CookbookError(f"{path} is no notebook; restore it with git.")
        edition[slug] = learners_copy(notebook)
    if not edition:
        raise CookbookError(f"There are no notebooks below {root}; restore them with git.")
    return edition


def _about(notebook: Any) -> Any:
    return notebook.metadata.get("cookbook")
