"""The index of the book: by topic, by operation, by error message."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import alembic.command
from alembic.operations import BatchOperations, Operations

from migration_cookbook.editions.facts import check_facts, load_facts
from migration_cookbook.editions.recorded import output_text, recorded_notebooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from migration_cookbook.editions.book import Book
    from migration_cookbook.editions.facts import Fact

_OPERATION = re.compile(r"\b(?:op|batch|batch_op)\.([a-z]\w*)\(")
#: A command line as a cell or a sentence writes it.
_COMMAND = re.compile(r"^%alembic (.+)$|`alembic ([^`]+)`", re.MULTILINE)
#: A failure as an output shows it: with the kind of exception, or without for Alembic's own messages.
_FAILURE = re.compile(r"^\s*FAILED(?::|\s+[\w.]+:)\s+(.+)$", re.MULTILINE)


def write_index(facts: Sequence[Fact], notebooks: Mapping[str, Any]) -> str:
    """Return the text of INDEX.md."""
    report = check_facts(facts, notebooks)
    lines = [
        "# Index",
        "",
        "Made by `cookbook build` from the facts and the notebooks; don't edit it by hand.",
        "",
    ]
    lines += ["## By topic", ""]
    for topic in sorted({fact.topic for fact in facts}):
        of_topic = [fact for fact in facts if fact.topic == topic]
        lines += [f"### {topic}", ""]
        for fact in of_topic:
            if cells := report.shown.get(fact.id):
                lines.append(f"- {fact.fact} ({_links(cell.page for cell in cells)})")
        if planned := sum(fact.id in report.planned for fact in of_topic):
            lines.append(f"- Planned: {planned} more.")
        lines.append("")
    lines += ["## By operation and command", "", *_entries(_operations(facts, notebooks))]
    lines += ["## By error message", "", *_entries(_errors(notebooks))]
    return "\n".join(lines).rstrip("\n") + "\n"


def book_index(book: Book) -> str:
    """Return what INDEX.md should say, from what is recorded."""
    return write_index(load_facts(book.facts), recorded_notebooks(book))


def _operations(facts: Sequence[Fact], notebooks: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each operation and command with a page that has it."""
    for page, notebook in notebooks.items():
        for cell in notebook.cells:
            if cell.cell_type == "code":
                yield from ((name, page) for name in _names(cell.source))
    for fact in facts:
        if fact.home in notebooks:
            yield from ((name, fact.home) for name in _names(fact.fact))


def _names(text: str) -> Iterator[str]:
    for name in _OPERATION.findall(text):
        if name in _known_operations():
            yield f"`op.{name}`"
    for words in _COMMAND.findall(text):
        # Options may come before the command, with values of their own.
        known = (word for word in "".join(words).split() if word in _known_commands())
        if name := next(known, None):
            yield f"`alembic {name}`"


def _errors(notebooks: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for page, notebook in notebooks.items():
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                for message in _FAILURE.findall(output_text(output)):
                    yield f"`{message.strip().replace('`', '')}`", page


def _entries(found: Iterable[tuple[str, str]]) -> list[str]:
    pages: defaultdict[str, set[str]] = defaultdict(set)
    for name, page in found:
        pages[name].add(page)
    ordered = sorted(pages, key=lambda name: (name.casefold(), name))
    return [*(f"- {name}: {_links(pages[name])}" for name in ordered), ""]


def _links(pages: Iterable[str]) -> str:
    return ", ".join(f"[{page}](../notebooks/{page}.ipynb)" for page in sorted(set(pages)))


def _known_operations() -> set[str]:
    return {name for kind in (Operations, BatchOperations) for name in dir(kind) if not name.startswith("_")}


def _known_commands() -> set[str]:
    return {
        name
        for name, value in vars(alembic.command).items()
        if inspect.isfunction(value) and value.__module__ == "alembic.command" and not name.startswith("_")
    }
