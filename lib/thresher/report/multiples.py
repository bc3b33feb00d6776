"""Geometry of small charts, many to a page: one path a series, for the template to draw.

Coordinates are those of a WIDTH x HEIGHT drawing. The axis is linear where bins are equally wide;
where they grow, it is linear near zero and logarithmic far from it. Area stands for rows, so where
bins change their width the shape does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    """A bin too high to be drawn: the gap in it, and the share of rows that it stands for."""

    gap: str
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


class Axis:
    """The horizontal axis: where edges and values lie."""

    def __init__(self, edges: Sequence[float], whole: bool = False) -> None:
        """Lay out at least one bin; `whole` numbers are marked in the middle of theirs."""
        self.edges = edges
        self.whole = whole
        widths = [b - a for a, b in pairwise(edges)]
        narrowest, widest = min(widths), max(widths)
        self.grows = widest > 1.5 * narrowest
        far = max(abs(edges[0]), abs(edges[-1]))
        self._unit = narrowest * far / widest if self.grows else math.inf
        self._start = self._stretch(edges[0])
        self._length = self._stretch(edges[-1]) - self._start
        self.places = [self._x(edge) for edge in edges]

    def _stretch(self, value: float) -> float:
        if not self.grows:
            return value
        return math.copysign(math.log1p(abs(value) / self._unit), value)

    def _x(self, value: float) -> float:
        along = (self._stretch(value) - self._start) / self._length
        return round(_LEFT + (_RIGHT - _LEFT) * along, 1)

    def place(self, value: float) -> float | None:
        """Return where a value lies; None outside of the axis."""
        return self._x(value) if self.edges[0] <= value <= self.edges[-1] else None

    def densities(self, counts: Sequence[int]) -> list[float]:
        """Return counts over the widths of their bins."""
        widths = [max(b - a, 0.1) for a, b in pairwise(self.places)]
        return [count / width for count, width in zip(counts, widths, strict=True)]


def steps(
    axis: Axis,
    lower: Sequence[int],
    upper: Sequence[int],
    limits: Sequence[tuple[float | None, float | None, str]] = (),
) -> Steps:
    """Lay out counts by bin, `upper` on top of `lower`; `limits` are low, high and a title."""
    totals = [a + b for a, b in zip(lower, upper, strict=True)]
    densities = axis.densities(totals)
    ceiling, tower = _ceiling(densities)
    heights = [_height(density, ceiling) for density in densities]
    splits = [
        max(height - max(height * b / total, _THIN), 0.0) if b else height
        for height, total, b in zip(heights, totals, upper, strict=True)
    ]
    nothing = [0.0] * len(heights)
    return Steps(
        lower=_area(axis.places, nothing, splits),
        upper=_area(axis.places, splits, heights) if any(upper) else "",
        ticks=ticks(axis),
        zones=_zones(axis, limits),
        cut=None if tower is None else _cut(axis, tower, totals[tower] / sum(totals)),
    )


def outlines(axis: Axis, series: Sequence[Sequence[int]]) -> list[str]:
    """Lay out series as lines, all to one scale."""
    densities = [axis.densities(counts) for counts in series]
    ceiling = max((density for line in densities for density in line), default=0.0)
    return [_outline(axis.places, line, ceiling or 1.0) for line in densities]


def _outline(places: Sequence[float], densities: Sequence[float], ceiling: float) -> str:
    path, y = [f"M{_LEFT:g} {_y(0):g}"], _y(0)
    for x, density in zip(places, [*densities, 0.0], strict=True):
        height = _y(_height(density, ceiling))
        if height != y:
            y = height
            path.append(f"H{x:g}V{y:g}")
    return "".join([*path, f"H{_RIGHT:g}"])


def short(value: float) -> str:
    """Write a value with three digits: 0.25, 12.5, 3,200, 120 k."""
    value += 0.0  # there is no -0
    size = abs(value)
    if size < 10_000:
        return f"{value:,.0f}" if size >= 999.5 else f"{value:.3g}"
    if size >= 1e12:
        return f"{value:.2e}"
    unit, factor = next(u for u in _UNITS if size >= u[1])
    scaled = value / factor
    return f"{scaled:,.0f} {unit}" if abs(scaled) >= 99.5 else f"{scaled:.3g} {unit}"


def _ceiling(densities: Sequence[float]) -> tuple[float, int | None]:
    """Return what the full height stands for, and the bin that is cut."""
    highest, second = ([*sorted(densities, reverse=True), 0.0, 0.0])[:2]
    if second and highest > _TOWERS * second:
        return second * 2.2, densities.index(highest)
    return highest or 1.0, None


def _cut(axis: Axis, bin_number: int, share: float) -> Cut:
    begin, end = axis.places[bin_number : bin_number + 2]
    x = (begin + end) / 2
    gap = f"M{begin - 2:g} {_TOP + 11:g}L{end + 2:g} {_TOP + 6:g}"
    anchor = "start" if x < 30 else "end" if x > WIDTH - 30 else "mid"
    return Cut(gap, round(x, 1), anchor, share)


def _height(density: float, ceiling: float) -> float:
    if not density:
        return 0.0
    return max(min(density / ceiling, 1.0) * (_BOTTOM - _TOP), _THIN)


def _y(height: float) -> float:
    return round(_BOTTOM - height, 1)


def _area(places: Sequence[float], below: Sequence[float], above: Sequence[float]) -> str:
    """Return the path of one closed figure for each run of bins where something is."""
    count, path, start = len(above), [], None
    for i in range(count + 1):
        empty = i == count or above[i] <= below[i]
        if start is None and not empty:
            start = i
        elif start is not None and empty:
            path.append(_figure(places, below, above, start, i))
            start = None
    return "".join(path)


def _figure(
    places: Sequence[float], below: Sequence[float], above: Sequence[float], start: int, end: int
) -> str:
    path = [f"M{places[start]:g} {_y(below[start]):g}V{_y(above[start]):g}"]
    for i in range(start + 1, end):
        if _y(above[i]) != _y(above[i - 1]):
            path.append(f"H{places[i]:g}V{_y(above[i]):g}")
    path.append(f"H{places[end]:g}V{_y(below[end - 1]):g}")
    for i in range(end - 2, start - 1, -1):
        if _y(below[i]) != _y(below[i + 1]):
            path.append(f"H{places[i + 1]:g}V{_y(below[i]):g}")
    return "".join([*path, "z"])


def _zones(axis: Axis, limits: Sequence[tuple[float | None, float | None, str]]) -> list[Zone]:
    zones = []
    for low, high, title in limits:
        for limit, below in ((low, True), (high, False)):
            x = None if limit is None else axis.place(limit)
            if x is None:
                continue
            begin, width = (_LEFT, x - _LEFT) if below else (x, _RIGHT - x)
            zones.append(Zone(begin, round(width, 1), x, title))
    return zones


def ticks(axis: Axis) -> list[Tick]:
    """Mark powers of ten on an axis that grows, else round steps; labels keep their distance."""
    first, last = axis.edges[0], axis.edges[-1]
    values = _round_steps(first, last, axis.whole)
    if axis.grows and last > 60 * max(first, 1.0):
        marks = [0.0] + [s * 10.0**e for e in range(-2, 19) for s in (1, -1)]
        least = max(-first, last, 1e5 if axis.whole else 0) / 10**5
        values = sorted(m for m in marks if m == 0 or abs(m) >= least)
    spaced: list[Tick] = []
    for value in values:
        x = None if value < first else axis.place(value + 0.5 if axis.whole else value)
        if x is not None and (not spaced or x - spaced[-1].at >= _LABEL_GAP):
            spaced.append(Tick(x, short(value)))
    return spaced


def _round_steps(first: float, last: float, whole: bool) -> list[float]:
    rough = max((last - first) / (_MOST_TICKS - 1), 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough - 1e-12)
    return [round(k * step, 10) for k in range(math.ceil(first / step), int(last // step) + 1)]
