"""Which bins a chart shows: neighbours of the fixed fine bins joined, so that counts stay exact.

Wanted edges are drawn up first, equally wide or growing by powers, and moved to the nearest fine
edges there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.signals import bins
from thresher.signals.signal import Kind

Column = np.ndarray[Any, Any]

MOST_BINS = 50
_SINGLE = 32  # whole numbers up to here have a bin each
_BULK = 8  # the axis is linear unless it is so many times longer than the bulk of the values
_PER_OCTAVE = (8, 4, 2, 1)


def shown_edges(kind: Kind, first: int, last: int, counts_B: Column) -> Column:
    """Return the fine edges between which to count, at most MOST_BINS + 1 of them.

    Args:
        kind: A numeric kind.
        first: The first fine bin to show.
        last: The last.
        counts_B: All rows by fine bin.

    Returns:
        Numbers of edges, increasing; the first is at or before `first`, the last behind `last`.
    """
    edges = bins.edges(kind)
    low, high = float(edges[first]), float(edges[last + 1])
    if _is_linear(kind, low, high, counts_B):
        places = _snapped(edges, _even(edges, first, last), first, last)
    else:
        for per_octave in _PER_OCTAVE:
            wanted = (_whole if kind is Kind.COUNT else _growing)(low, high, per_octave)
            places = _snapped(edges, wanted, first, last)
            if len(places) <= MOST_BINS + 1:
                break
    if len(places) <= MOST_BINS + 1:
        return places
    thinned = places[:: -(-len(places) // MOST_BINS)]
    return np.unique(np.append(thinned, places[-1]))


def _is_linear(kind: Kind, low: float, high: float, counts_B: Column) -> bool:
    if kind is Kind.SHARE:
        return True
    if kind is Kind.COUNT:
        return high <= _SINGLE
    tails = [bins.quantile(kind, counts_B, share) for share in (0.1, 0.9)]
    if tails[0] is None or tails[1] is None:
        return True
    return high - low <= _BULK * max(tails[1] - tails[0], 1 / 64)


def _even(edges: Column, first: int, last: int) -> Column:
    """Equal steps, of a finest width times a power of two, that hold whole fine bins."""
    step = float(np.diff(edges[first : last + 2]).max())
    low, high = float(edges[first]), float(edges[last + 1])
    while (high - low) / step > MOST_BINS:
        step *= 2
    begin, end = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    steps: Column = np.arange(begin, end + 1) * step
    return steps


def _growing(low: float, high: float, per_octave: int) -> Column:
    """Powers of a root of two on either side of zero, and zero."""
    powers = 2.0 ** (np.arange(-6 * per_octave, 64 * per_octave) / per_octave)
    wanted = np.concatenate([-powers[::-1], [0.0], powers])
    return wanted[(wanted > low) & (wanted < high)]


def _whole(low: float, high: float, per_octave: int) -> Column:
    """Whole numbers whose distance grows with them, and never shrinks: a bin that is wider than
    both its neighbours would look like a peak."""
    growth, wanted = 2.0 ** (1 / per_octave) - 1, [0.0]
    while wanted[-1] < high:
        wanted.append(wanted[-1] + max(1, int(wanted[-1] * growth)))
    return np.array([value for value in wanted if low < value < high])


def _snapped(edges: Column, wanted: Column, first: int, last: int) -> Column:
    """Return the fine edges nearest to those wanted, that of the first and behind the last too."""
    right = np.clip(np.searchsorted(edges, wanted), 1, len(edges) - 1)
    nearer = wanted - edges[right - 1] < edges[right] - wanted
    places = np.where(nearer, right - 1, right)
    below, above = places[places <= first], places[places > last]
    inside = places[(places > first) & (places <= last)]
    ends = [below.max() if len(below) else first, above.min() if len(above) else last + 1]
    found: Column = np.unique(np.concatenate([inside, ends]))
    return found
