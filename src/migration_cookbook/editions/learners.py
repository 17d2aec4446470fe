"""The learners' copies of the notebooks, and their update when the book changes.

Learners work on copies. What they changed is never overwritten: a new edition is written
next to it. A file is always whole, and what a learner gets is recorded before it is written,
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

from migration_cookbook.editions.generated import GENERATED_PAGES
from migration_cookbook.editions.notebook import write_notebook
from migration_cookbook.editions.recorded import notebook_paths, read_notebook
from migration_cookbook.workspace import (
    CookbookError,
    Workspace,
    is_text,
    private_folder,
    read_record,
    write_atomically,
)

#: `07-add-a-column.ipynb` gets `07-add-a-column.new-edition.ipynb` next to it.
NEW_EDITION = ".new-edition"


def refresh(workspace: Workspace, edition_root: Path) -> list[str]:
    """Update the learner's copies; return one line for each thing that the learner should know."""
    with workspace.lock("notebooks"):
        copies = _LearnerNotebooks(workspace, _Manifest.load(workspace))
        first = not copies.manifest.hashes
        edition = _edition(edition_root)
        new = [
            name for name in edition if not copies.path(name).exists() and name not in copies.manifest.hashes
        ]
        messages = [
            message for name, notebook in edition.items() if (message := copies.renew(name, notebook))
        ]
        messages += [
            message for name in copies.names() if name not in edition and (message := copies.archive(name))
        ]
        _copy_generated_pages(workspace, edition_root)
    if new and first:
        messages.insert(0, f"{len(new)} notebooks are ready in {workspace.notebooks}.")
    elif new:
        messages.insert(0, f"New in the book: {', '.join(new)}.")
    return messages


def _copy_generated_pages(workspace: Workspace, edition_root: Path) -> None:
    """Copy the generated pages to the same place as in the book, so that links to them work."""
    for page in GENERATED_PAGES:
        source, copy = (
            Path(os.path.normpath(root / page.from_notebooks)) for root in (edition_root, workspace.notebooks)
        )
        if source.is_file():
            write_atomically(copy, source.read_text(encoding="utf-8"))


def reset(workspace: Workspace, edition_root: Path, name: str) -> str:
    """Give a learner the book's notebook again; the learner's is kept."""
    edition = _edition(edition_root)
    slug_or_name = name.removesuffix(".ipynb")
    matches = [slug for slug in edition if slug_or_name in (slug, slug.rpartition("/")[2])]
    if len(matches) != 1:
        raise CookbookError(
            f"The book has no notebook {name}; take a path below notebooks/, without the ending."
        )
    with workspace.lock("notebooks"):
        copies = _LearnerNotebooks(workspace, _Manifest.load(workspace))
        kept = copies.keep(matches[0])
        copies.write(matches[0], edition[matches[0]])
    return f"{matches[0]} is as in the book again{f'; yours is kept as {kept}' if kept else ''}."


def content_hash(notebook: Any) -> str:
    """Return a hash of what a learner could have changed: the cells. Outputs and counts come by running them.

    JupyterLab adds an empty cell when the last one is run; that is no edit.
    """
    cells = [[cell.get("id"), cell.cell_type, cell.source] for cell in notebook.cells if cell.source.strip()]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def learners_copy(notebook: Any) -> Any:
    """Return the notebook without what the build recorded."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    notebook.metadata.get("cookbook", {}).pop("reference", None)
    return notebook


@dataclass
class _Manifest:
    """The record of what this learner got."""

    path: Path
    #: By name: the content hashes of all editions, recorded before the writing.
    hashes: dict[str, list[str]]
    #: By name: the edition the learner got last, in place or next to it, recorded after the writing.
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

    def record_hash(self, name: str, content: str) -> None:
        known = self.hashes.setdefault(name, [])
        if content not in known:
            known.append(content)
            self.save()

    def record_latest(self, name: str, content: str) -> None:
        if self.latest.get(name) != content:
            self.latest[name] = content
            self.save()


@dataclass(frozen=True)
class _LearnerNotebooks:
    """The learner's folder of notebooks."""

    workspace: Workspace
    manifest: _Manifest

    def path(self, name: str) -> Path:
        return self.workspace.notebooks / f"{name}.ipynb"

    def names(self) -> list[str]:
        """Return the copies that exist, of all that the learner got."""
        return [name for name in sorted(self.manifest.hashes) if self.path(name).exists()]

    def renew(self, name: str, notebook: Any) -> str | None:
        """Write a notebook where nothing of the learner's is lost by it."""
        content = content_hash(notebook)
        if self.path(name).exists() and self.is_edited(name, content):
            return self.write_alongside(name, notebook, content)
        self.write(name, notebook)
        beside = name + NEW_EDITION
        if self.path(beside).exists() and not self.is_edited(beside, content):
            self.path(beside).unlink()
        return None

    def is_edited(self, name: str, content: str) -> bool:
        """Whether it is anything but an edition of the book. What can't be read may be the learner's work too."""
        copy = read_notebook(self.path(name))
        return copy is None or content_hash(copy) not in {content, *self.manifest.hashes.get(name, ())}

    def write(self, name: str, notebook: Any) -> None:
        content = content_hash(notebook)
        self.manifest.record_hash(name, content)
        copy = read_notebook(self.path(name))
        # A copy that was run keeps its outputs as long as the book says the same.
        if copy is None or content_hash(copy) != content or copy.metadata.get("cookbook") != _about(notebook):
            write_atomically(self.path(name), write_notebook(notebook))
        self.manifest.record_latest(name, content)

    def write_alongside(self, name: str, notebook: Any, content: str) -> str | None:
        if self.manifest.latest.get(name) == content:
            return None
        beside = name + NEW_EDITION
        kept = None
        if self.path(beside).exists() and self.is_edited(beside, content):
            kept = self.keep(beside)
        self.manifest.record_hash(beside, content)
        write_atomically(self.path(beside), write_notebook(notebook))
        self.manifest.record_latest(name, content)
        also = f" The one before, which you changed, is kept as {kept}." if kept else ""
        return f"The book has a new edition of {name}; you changed yours, so it lies beside it as {beside}.ipynb.{also}"

    def archive(self, name: str) -> str | None:
        """Move an unedited copy of what the book no longer has to where it is kept."""
        if name.endswith(NEW_EDITION) or self.is_edited(name, ""):
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
    """Return the book's notebooks, by slug, as learners get them."""
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
