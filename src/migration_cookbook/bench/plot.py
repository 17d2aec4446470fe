"""Small line charts side by side, drawn by hand as SVG."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 22, 62, 66
_EDGE, _INK = "#7A7A7A", "#1A1A1A"
_COLORS = ("#DE8F05", "#0173B2")
#: The lines differ in their marks and strokes too.
_DASHES = ("", "6 4")
_FONT = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"


@dataclass(frozen=True)
class Line:
    """What was measured at each count."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """At most two lines over the same counts. The measured axis begins at zero."""

    title: str
    #: What is counted below, and in which unit is measured at the side.
    counted: str
    measured: str
    counts: tuple[int, ...]
    lines: tuple[Line, ...]
    #: Said below each count.
    remarks: tuple[str, ...] = ()

    def plain(self) -> str:
        said = []
        for line in self.lines:
            pairs = zip(self.counts, line.values, strict=True)
            said.append(f"{line.name}: {', '.join(f'{value:.3g} at {count}' for count, value in pairs)}")
        return f"{self.title} ({self.measured}). {'; '.join(said)}."


def picture(title: str, charts: Sequence[Chart]) -> str:
    """Draw the charts side by side, with a title and a description."""
    width = _WIDTH * len(charts)
    description = " ".join(chart.plain() for chart in charts)
    pieces = [
        f'<g transform="translate({_WIDTH * position} 0)">{_chart(chart)}</g>'
        for position, chart in enumerate(charts)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {_HEIGHT}" '
        f'width="{width}" height="{_HEIGHT}" font-family="{_FONT}">'
        f"<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>"
        f'<rect width="{width}" height="{_HEIGHT}" rx="4" fill="#FAFAFA"/>{"".join(pieces)}</svg>\n'
    )


def _chart(chart: Chart) -> str:
    top = _round_up(max(value for line in chart.lines for value in line.values))
    across, floor = _across(chart.counts), _HEIGHT - _BOTTOM
    pieces = [_text(_WIDTH / 2, 20, chart.title, bold=True)]
    for step in range(5):
        y = floor - (floor - _TOP) * step / 4
        pieces.append(f'<path d="M{_LEFT} {y:g} H{_WIDTH - _RIGHT}" stroke="{_EDGE}" stroke-width="0.5"/>')
        pieces.append(_text(_LEFT - 6, y + 4, f"{top * step / 4:g}", anchor="end"))
    pieces.append(_text(_LEFT - 6, _TOP - 14, chart.measured, anchor="end"))
    for x, count in zip(across, chart.counts, strict=True):
        pieces.append(_text(x, floor + 18, str(count)))
    for x, remark in zip(across, chart.remarks, strict=False):
        pieces.append(_text(x, floor + 34, remark))
    pieces.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, chart.counted))
    for position, line in enumerate(chart.lines):
        heights = [floor - (floor - _TOP) * value / top for value in line.values]
        pieces.append(_drawn(list(zip(across, heights, strict=True)), position))
        pieces.append(_legend(line.name, position))
    return "".join(pieces)


def _across(counts: tuple[int, ...]) -> list[float]:
    """Return where each count is; ten times as many is always as far."""
    first, last = math.log10(counts[0]), math.log10(counts[-1])
    space = _WIDTH - _LEFT - _RIGHT - 40
    return [_LEFT + 20 + space * (math.log10(count) - first) / (last - first) for count in counts]


def _drawn(points: Sequence[tuple[float, float]], position: int) -> str:
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    marks = "".join(_mark(x, y, position) for x, y in points)
    stroke = f'stroke="{_COLORS[position]}" stroke-width="2.5" stroke-dasharray="{_DASHES[position]}"'
    return f'<path d="M{path}" fill="none" {stroke}/>{marks}'


def _mark(x: float, y: float, position: int) -> str:
    color = _COLORS[position]
    if position == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{color}"/>'
    return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{color}"/>'


def _legend(name: str, position: int) -> str:
    x = _LEFT + 16 + position * (_WIDTH - _LEFT - _RIGHT) / 2
    return _mark(x, _TOP - 18, position) + _text(x + 10, _TOP - 14, name, anchor="start")


def _text(x: float, y: float, text: str, *, bold: bool = False, anchor: str = "middle") -> str:
    weight = ' font-weight="700"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12"{weight} fill="{_INK}">'
        f"{html.escape(text, quote=False)}</text>"
    )


def _round_up(value: float) -> float:
    """Return the next 1, 2, 4, 8 or 10 of its power of ten: quarters of it read well."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value)
