"""Geometry of small charts, many to a page: one path a series, for the template to draw.

Coordinates are those of a WIDTH x HEIGHT drawing. Bins are of equal width whatever their edges, so
a value's place is found between the edges around it: for most signals that is a logarithmic axis.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from thresher.report.charts import Tick

WIDTH, HEIGHT = 260.0, 100.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 2.0, 258.0, 16.0, 82.0
_MOST_TICKS, _LABEL_GAP = 7, 34.0
_TOWERS = 4  # a bin so many times the next highest is cut, lest it be all that is seen
_UNITS = (("G", 1e9), ("M", 1e6), ("k", 1e3))
_THIN = 1.4  # height of a bin with few rows, which must be seen too


@dataclass(frozen=True)
class Zone:
    """Values that fail a rule: from the threshold's line to the edge of the drawing."""

    x: float
    width: float
    line: float
    title: str


@dataclass(frozen=True)
class Cut:
    """The share of rows in a bin too high to be drawn."""

    x: float
    anchor: str
    share: float


@dataclass(frozen=True)
class Steps:
    """Two series on top of one another, the axis below, and what fails."""

    lower: str
    upper: str
    ticks: list[Tick]
    zones: list[Zone]
    cut: Cut | None


def steps(
    edges: Sequence[float],
    lower: Sequence[int],
    upper: Sequence[int],
    limits: Sequence[tuple[float | None, float | None, str]] = (),
) -> Steps:
    """Lay out counts by bin, `upper` on top of `lower`; `limits` are (low, high, title)."""
    totals = [a + b for a, b in zip(lower, upper, strict=True)]
    ceiling, tower = _ceiling(totals)
    heights = [_height(total, ceiling) for total in totals]
    splits = [
        max(height - max(height * b / total, _THIN), 0.0) if b else height
        for height, total, b in zip(heights, totals, upper, strict=True)
    ]
    nothing = [0.0] * len(heights)
    return Steps(
        lower=_area(nothing, splits),
        upper=_area(splits, heights) if any(upper) else "",
        ticks=_ticks(edges),
        zones=_zones(edges, limits),
        cut=None if tower is None else _cut(tower, len(totals), totals[tower] / sum(totals)),
    )


def outline(edges: Sequence[float], counts: Sequence[int], ceiling: int) -> str:
    """Lay out one series as a line."""
    heights = [_height(count, ceiling) for count in counts]
    path, y = [f"M{_LEFT:g} {_y(0):g}"], _y(0)
    for i, height in enumerate([*heights, 0.0]):
        x = _x(i, len(heights))
        if abs(_y(height) - y) > 1e-9:
            y = _y(height)
            path.append(f"H{x:g}V{y:g}")
    return "".join([*path, f"H{_RIGHT:g}"])


def ticks(edges: Sequence[float]) -> list[Tick]:
    """Return places on the axis under bins with these edges."""
    return _ticks(edges)


def short(value: float) -> str:
    """Write a value with three digits: 0.25, 12.5, 3,200, 120 k."""
    size = abs(value)
    if size < 10_000:
        return f"{value:,.0f}" if size >= 999.5 else f"{value:.3g}"
    if size >= 1e12:
        return f"{value:.2e}"
    unit, factor = next(u for u in _UNITS if size >= u[1])
    scaled = value / factor
    return f"{scaled:,.0f} {unit}" if abs(scaled) >= 99.5 else f"{scaled:.3g} {unit}"


def _ceiling(totals: Sequence[int]) -> tuple[int, int | None]:
    """Return what the full height stands for, and the bin that is cut."""
    highest = max(totals, default=0)
    second = sorted(totals)[-2] if len(totals) > 1 else 0
    if second and highest > _TOWERS * second:
        return round(second * 1.5) + 1, totals.index(highest)
    return max(highest, 1), None


def _cut(place: int, count: int, share: float) -> Cut:
    x = (_x(place, count) + _x(place + 1, count)) / 2
    anchor = "start" if x < 30 else "end" if x > WIDTH - 30 else "mid"
    return Cut(round(x, 1), anchor, share)


def _height(count: int, ceiling: int) -> float:
    if not count:
        return 0.0
    return max(min(count / ceiling, 1.0) * (_BOTTOM - _TOP), _THIN)


def _x(place: float, count: int) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * place / max(count, 1), 1)


def _y(height: float) -> float:
    return round(_BOTTOM - height, 1)


def _area(below: Sequence[float], above: Sequence[float]) -> str:
    """Return the path of one closed figure for each run of bins where something is."""
    count, path, start = len(above), [], None
    for i in range(count + 1):
        empty = i == count or above[i] <= below[i]
        if start is None and not empty:
            start = i
        elif start is not None and empty:
            path.append(_figure(below, above, start, i))
            start = None
    return "".join(path)


def _figure(below: Sequence[float], above: Sequence[float], start: int, end: int) -> str:
    count = len(above)
    path = [f"M{_x(start, count):g} {_y(below[start]):g}"]
    for i in range(start, end):
        if i == start or _y(above[i]) != _y(above[i - 1]):
            path.append(f"{f'H{_x(i, count):g}' if i > start else ''}V{_y(above[i]):g}")
    path.append(f"H{_x(end, count):g}")
    for i in range(end - 1, start - 1, -1):
        if i == end - 1 or _y(below[i]) != _y(below[i + 1]):
            path.append(f"{f'H{_x(i + 1, count):g}' if i < end - 1 else ''}V{_y(below[i]):g}")
    return "".join([*path, "z"])


def _place(edges: Sequence[float], value: float) -> float | None:
    """Return where a value lies, in bins from the left; None outside of the axis."""
    if not edges or not edges[0] <= value <= edges[-1]:
        return None
    i = min(bisect_right(edges, value) - 1, len(edges) - 2)
    return i + (value - edges[i]) / (edges[i + 1] - edges[i])


def _zones(
    edges: Sequence[float], limits: Sequence[tuple[float | None, float | None, str]]
) -> list[Zone]:
    zones = []
    for low, high, title in limits:
        for limit, below in ((low, True), (high, False)):
            place = None if limit is None else _place(edges, limit)
            if place is None:
                continue
            x = _x(place, len(edges) - 1)
            begin, width = (_LEFT, x - _LEFT) if below else (x, _RIGHT - x)
            zones.append(Zone(begin, round(width, 1), x, title))
    return zones


def _ticks(edges: Sequence[float]) -> list[Tick]:
    """Mark powers of ten where there are some, else round steps; labels keep their distance."""
    if len(edges) < 2:
        return []
    first, last = edges[0], edges[-1]
    marks = [0.0] + [s * 10.0**e for e in range(-2, 19) for s in (1, -1)]
    seen = sorted(mark for mark in marks if first <= mark <= last)
    decades = [m for m in seen if m == 0 or abs(m) >= max(abs(first), abs(last)) / 10**5]
    ratio = last / max(first, 1.0)
    values = decades if ratio > 60 and len(decades) > 2 else _round_steps(first, last)
    spaced: list[Tick] = []
    for value in values:
        place = _place(edges, value)
        x = _x(place or 0.0, len(edges) - 1)
        if place is not None and (not spaced or x - spaced[-1].at >= _LABEL_GAP):
            spaced.append(Tick(x, short(value)))
    return spaced


def _round_steps(first: float, last: float) -> list[float]:
    rough = (last - first) / (_MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough - 1e-12)
    return [round(k * step, 10) for k in range(math.ceil(first / step), int(last // step) + 1)]
