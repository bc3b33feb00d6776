"""Geometry of the report's charts: numbers for the template to draw, no markup.

Coordinates of histogram and curve are those of a 360 x 180 drawing with the plot inside PLOT, so
that letters stay readable when it fills a phone's width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from thresher.report.model import ClusterSize, CurvePoint, Histogram

LEFT, RIGHT, TOP, BOTTOM = 40.0, 350.0, 12.0, 150.0


@dataclass(frozen=True)
class Segment:
    """A part of a stacked bar; start and width in per cent."""

    label: str
    colour: str
    value: int
    start: float
    width: float


@dataclass(frozen=True)
class Bar:
    """A rectangle of a histogram and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    low: float
    high: float
    value: int


@dataclass(frozen=True)
class Tick:
    """A place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Bars:
    """A histogram ready to draw."""

    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True)
class Row:
    """A horizontal bar; width in per cent of the longest, on a logarithmic scale."""

    label: str
    value: int
    width: float


@dataclass(frozen=True)
class Curve:
    """The recall curve, the threshold's line and the point where they meet."""

    path: str
    threshold_x: float
    point_y: float
    label_left: bool
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def stacked(parts: Sequence[tuple[str, str, int]]) -> list[Segment]:
    """Lay out (label, colour, value) side by side to 100 %; parts of nothing are left out."""
    total = sum(value for _, _, value in parts)
    segments: list[Segment] = []
    before = 0
    for label, colour, value in parts:
        if value:
            start = round(100 * before / total, 3)
            segments.append(Segment(label, colour, value, start, round(100 * value / total, 3)))
        before += value
    return segments


def histogram(data: Histogram) -> Bars | None:
    """Lay out counts over their edges; None when there is nothing to show."""
    if not any(data.counts):
        return None
    low, high, most = data.edges[0], data.edges[-1], max(data.counts)
    ceiling = _round_up(most)
    bars = []
    for i, value in enumerate(data.counts):
        x, end = (_along(edge, low, high) for edge in data.edges[i : i + 2])
        height = max((BOTTOM - TOP) * value / ceiling, 1.0 if value else 0.0)  # one row is seen
        width = max(end - x - 1, 0.5)
        bars.append(
            Bar(
                round(x, 2),
                round(BOTTOM - height, 2),
                round(width, 2),
                round(height, 2),
                data.edges[i],
                data.edges[i + 1],
                value,
            )
        )
    return Bars(bars, _x_ticks(low, high), _y_ticks(ceiling))


def cluster_rows(sizes: Sequence[ClusterSize]) -> list[Row]:
    """Group cluster sizes as 2, 3, 4, 5-8, 9-16 and so on, in logarithmic lengths."""
    groups: dict[int, int] = {}
    for entry in sizes:
        if entry.clusters and entry.size > 1:
            top = entry.size if entry.size <= 4 else 1 << (entry.size - 1).bit_length()
            groups[top] = groups.get(top, 0) + entry.clusters
    most = math.log10(max(groups.values(), default=1)) + 0.3
    return [
        Row(
            f"{top}" if top <= 4 else f"{top // 2 + 1:,}–{top:,}",
            value,
            round(100 * (math.log10(value) + 0.3) / most, 2),
        )
        for top, value in sorted(groups.items())
    ]


def curve(points: Sequence[CurvePoint], threshold: float, expected: float) -> Curve | None:
    """Lay out probability over similarity, from 0 to 1 each; None without two points."""
    if len(points) < 2:
        return None
    ordered = sorted(points, key=lambda point: point.similarity)
    steps = [f"{_along(p.similarity, 0, 1):.1f} {_up(p.probability):.1f}" for p in ordered]
    return Curve(
        path="M" + " L".join(steps),
        threshold_x=round(_along(threshold, 0, 1), 1),
        point_y=round(_up(expected), 1),
        label_left=threshold > 0.5,
        x_ticks=[Tick(round(_along(v / 10, 0, 1), 1), f"{v / 10:g}") for v in range(0, 11, 2)],
        y_ticks=[Tick(round(_up(v / 4), 1), f"{25 * v} %") for v in range(5)],
    )


def _along(value: float, low: float, high: float) -> float:
    return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)


def _up(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _round_up(value: int) -> int:
    """The next of 1, 2, 4, 5, 10, 20, 40, 50, ..., so that a half of the axis is a whole number."""
    power: int = 10 ** max(len(str(value)) - 1, 0)
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= value)


def _x_ticks(low: float, high: float) -> list[Tick]:
    steps = (0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
    step = next((s for s in steps if (high - low) / s <= 7), max((high - low) / 5, 1e-9))
    first = math.ceil(low / step - 1e-9)
    values = [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return [
        Tick(round(_along(v, low, high), 1), f"{v:.2f}".rstrip("0").rstrip(".")) for v in values
    ]


def _y_ticks(ceiling: int) -> list[Tick]:
    halves = [0, ceiling // 2, ceiling] if ceiling % 2 == 0 else [0, ceiling]
    return [Tick(round(_up(v / ceiling), 1), _short(v)) for v in halves]


def _short(value: int) -> str:
    for unit, factor in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= factor:
            return f"{value / factor:g} {unit}"
    return str(value)
