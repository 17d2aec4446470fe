"""The graph of revisions, and where the databases are in it.

A picture with its own colors: it is read on a light page and on a dark one.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration_cookbook.display.answers import COLORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.databases.dialects import Dialect

#: More boxes than this in a row can't be read: only the databases' neighborhood is drawn.
_MOST = 8
_AROUND = 2

_WIDTH, _GAP, _ROW_GAP, _LINE = 148, 34, 16, 15
_FILL, _EDGE, _INK = "#EEEEEE", "#7A7A7A", "#1A1A1A"
_FONT = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"


@dataclass(frozen=True)
class Node:
    """A revision as it is drawn."""

    revision: str
    message: str
    down: tuple[str, ...]
    #: Branch labels and the like, shown under the message.
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Revisions from the oldest to the newest, and the databases' places."""

    nodes: tuple[Node, ...]
    places: Mapping[Dialect, tuple[str, ...]]

    def plain(self) -> list[str]:
        if not self.nodes:
            return ["no revisions yet", *self._not_drawn()]
        lines = []
        shown, before, after = self._neighborhood()
        if before:
            lines.append(f"  … {before} earlier")
        heads = self.heads()
        origins = [" + ".join(node.down) or "base" for node in shown]
        wide = max(len(origin) for origin in origins)
        long = max(len(node.revision) for node in shown)
        for node, origin in zip(shown, origins, strict=True):
            marks = [f"<- {dialect.title}" for dialect in self._here(node.revision)]
            tags = [*node.labels, *(["head"] if node.revision in heads else [])]
            line = f"  {origin.rjust(wide)} -> {node.revision.ljust(long)}  {node.message}"
            if tags:
                line += f" ({', '.join(tags)})"
            lines.append("  ".join([line, *marks]))
        if after:
            lines.append(f"  … {after} later")
        return lines + self._not_drawn()

    def heads(self) -> set[str]:
        parents = {parent for node in self.nodes for parent in node.down}
        return {node.revision for node in self.nodes} - parents

    def svg(self) -> str:
        """Draw the graph as a picture with a title and a description."""
        if not self.nodes:
            return _picture(
                [], 320, 40, "No revisions yet", "; ".join(self._not_drawn()) or "An empty history."
            )
        shown, before, after = self._neighborhood()
        columns, rows = _layout(shown)
        texts = {node.revision: self._texts(node) for node in shown}
        height = max(len(lines) for lines in texts.values()) * _LINE + 18
        left = 34 if before else 6
        boxes = {
            node.revision: (
                left + columns[node.revision] * (_WIDTH + _GAP),
                6 + rows[node.revision] * (height + _ROW_GAP),
            )
            for node in shown
        }
        pieces = []
        if before:
            pieces.append(_text(14, 6 + height / 2 + 4, "…", bold=True))
        for node in shown:
            for parent in node.down:
                if parent in boxes:
                    pieces.append(_arrow(boxes[parent], boxes[node.revision], height))
        for node in shown:
            pieces.append(self._box(node, boxes[node.revision], height, texts[node.revision]))
        width = max(x for x, _ in boxes.values()) + _WIDTH + 6
        if after:
            pieces.append(_text(width + 12, 6 + height / 2 + 4, "…", bold=True))
            width += 28
        bottom = max(y for _, y in boxes.values()) + height + 6
        for line in self._not_drawn():
            pieces.append(_text(8, bottom + 12, line, anchor="start"))
            bottom += 18
        return _picture(
            pieces, width, bottom, "The revisions", " ".join(line.strip() + "." for line in self.plain())
        )

    def _not_drawn(self) -> list[str]:
        """Say where the databases are that no box shows."""
        lines = []
        if names := [dialect.title for dialect, revisions in self.places.items() if not revisions]:
            lines.append(f"  {' and '.join(names)}: at base, no revision applied")
        drawn = {node.revision for node in self._neighborhood()[0]}
        for dialect, revisions in self.places.items():
            if far := [revision for revision in revisions if revision not in drawn]:
                lines.append(f"  {dialect.title}: at {', '.join(far)}, not drawn here")
        return lines

    def _here(self, revision: str) -> list[Dialect]:
        return [dialect for dialect, revisions in self.places.items() if revision in revisions]

    def _texts(self, node: Node) -> list[str]:
        lines = [node.revision, *textwrap.wrap(node.message, 22)]
        lines += [f"({label})" for label in node.labels]
        return lines + [f"◀ {dialect.title}" for dialect in self._here(node.revision)]

    def _neighborhood(self) -> tuple[tuple[Node, ...], int, int]:
        """Return at most _MOST nodes: those around the databases, and how many were left out on each side."""
        if len(self.nodes) <= _MOST:
            return self.nodes, 0, 0
        index = {node.revision: i for i, node in enumerate(self.nodes)}
        spots = [index[r] for revisions in self.places.values() for r in revisions if r in index] or [0]
        first = max(0, min(spots) - _AROUND)
        last = min(len(self.nodes), max(spots) + _AROUND + 1)
        if last - first > _MOST:
            first = last - _MOST
        return self.nodes[first:last], first, len(self.nodes) - last

    def _box(self, node: Node, corner: tuple[int, int], height: int, lines: Sequence[str]) -> str:
        x, y = corner
        here = self._here(node.revision)
        pieces = [_rectangle(x, y, _WIDTH, height, _EDGE, 1)]
        for inset, dialect in enumerate(here):
            pieces.append(
                _rectangle(
                    x + 4 * inset, y + 4 * inset, _WIDTH - 8 * inset, height - 8 * inset, COLORS[dialect], 3
                )
            )
        start = y + (height - (len(lines) - 1) * _LINE) / 2 + 4
        for i, line in enumerate(lines):
            pieces.append(_text(x + _WIDTH / 2, start + i * _LINE, line, bold=i == 0))
        return "".join(pieces)


def _layout(nodes: Sequence[Node]) -> tuple[dict[str, int], dict[str, int]]:
    """Return each node's column, by the longest way from the start, and its row, one for each branch."""
    columns: dict[str, int] = {}
    rows: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()
    for node in nodes:
        parents = [parent for parent in node.down if parent in columns]
        columns[node.revision] = max((columns[parent] + 1 for parent in parents), default=0)
        row = min((rows[parent] for parent in parents), default=0)
        while (columns[node.revision], row) in taken:
            row += 1
        rows[node.revision] = row
        taken.add((columns[node.revision], row))
    return columns, rows


def _rectangle(x: float, y: float, width: float, height: float, stroke: str, thickness: int) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{_FILL}" '
        f'stroke="{stroke}" stroke-width="{thickness}"/>'
    )


def _text(x: float, y: float, text: str, *, bold: bool = False, anchor: str = "middle") -> str:
    weight = ' font-weight="700"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="12"{weight} fill="{_INK}">'
        f"{html.escape(text, quote=False)}</text>"
    )


def _arrow(start: tuple[int, int], end: tuple[int, int], height: int) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + height / 2
    x2, y2 = end[0], end[1] + height / 2
    middle = x2 - _GAP / 2
    path = f"M{x1:g} {y1:g} H{middle:g} V{y2:g} H{x2 - 6:g}"
    tip = f"M{x2 - 8:g} {y2 - 4:g} L{x2 - 1:g} {y2:g} L{x2 - 8:g} {y2 + 4:g} Z"
    return (
        f'<path d="{path}" fill="none" stroke="{_EDGE}" stroke-width="1.5"/><path d="{tip}" fill="{_EDGE}"/>'
    )


def _picture(pieces: Sequence[str], width: float, height: float, title: str, description: str) -> str:
    # A light ground of its own: the arrows must be seen on a dark page too.
    ground = f'<rect width="{width:g}" height="{height:g}" rx="4" fill="#FAFAFA"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="{_FONT}">'
        f"<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>"
        f"{ground}{''.join(pieces)}</svg>"
    )
