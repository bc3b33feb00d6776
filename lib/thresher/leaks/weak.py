"""The weight that a stretch of text has in common with a sub-item, decided early.

Only distinct tokens count, each with its weight. A window is 1.6 L + 8 tokens for a sub-item of L.

Shapes: T tokens of the text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.index import Index
from thresher.leaks.keys import room, slot_of
from thresher.text.kernel import inlined

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
CHUNK_BITS = 8
CHUNK = 1 << CHUNK_BITS  # tokens; a bitmap is of a chunk and the ones before and behind it
NEAR_WORDS = 128
SHORT_TEXT = 2048  # tokens; the bitmap of such a text is of all of it


class Weights(NamedTuple):
    """What tokens weigh."""

    idf: Column  # (K,) int64
    total: Column  # (I,) int64: of each sub-item's distinct tokens
    percent: int  # of the total that must be reached


class Bench(NamedTuple):
    """Scratch: a table of one sub-item's tokens, and the stretch of text."""

    hashes: Column  # uint64
    stamps: Column  # int64
    counts: Column  # int64
    weights: Column  # int64
    places: Column  # int64, of the stretch
    clock: Column  # (1,) int64
    near: Column  # (NEAR_WORDS,) uint64: a bitmap of the tokens near a place
    near_chunk: Column  # (1,) int64: which chunk of the tokens it is of, -1 for none


def window_of(length: Any) -> Any:
    """Return the tokens of the window of a sub-item of `length` tokens: 1.6 L + 8."""
    return length + (3 * length) // 5 + 8


window = inlined(window_of)


def make_bench(index: Index) -> Bench:
    """Allocate scratch for one thread."""
    longest = int(index.lengths.max(initial=1))
    size = room(longest, 2.0)
    return Bench(
        np.zeros(size, np.uint64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.empty(max(2 * window_of(longest), SHORT_TEXT), np.int64),
        np.zeros(1, np.int64),
        np.zeros(NEAR_WORDS, np.uint64),
        np.full(1, -1, np.int64),
    )


def weights_of(index: Index, percent: int) -> Weights:
    """Return what the tokens of an index weigh, and how much of it is needed."""
    return Weights(index["idf"], index["total"], percent)


@inlined
def _near(value: Any) -> Any:
    return _I((value >> _U(20)) & _U(64 * NEAR_WORDS - 1))


@inlined
def possible(
    stored: Any, weights: Any, bench: Any, item: Any, hashes: Any, begin: Any, end: Any, place: Any
) -> Any:
    """Tell whether the tokens near a place could have the share of the sub-item's weight.

    The bitmap lasts for a chunk of one text, whichever sub-items are asked for.
    """
    first, stop = stored.offsets[item], stored.offsets[item + 1]
    low, high, chunk = begin, end, _I(0)
    if end - begin > SHORT_TEXT:
        if window(stop - first) > CHUNK:
            return True
        chunk = place >> CHUNK_BITS
        low, high = max(begin, (chunk - 1) << CHUNK_BITS), min(end, (chunk + 2) << CHUNK_BITS)
    if bench.near_chunk[0] != chunk:
        bench.near_chunk[0] = chunk
        bench.near[:] = _U(0)
        for near in range(low, high):
            bit = _near(hashes[near])
            bench.near[bit >> 6] |= _U(1) << _U(bit & 63)
    needed = weights.total[item] * weights.percent
    weight = _I(0)
    for position in range(first, stop):
        term = stored.terms[position]
        bit = _near(stored.term_hash[term])
        if (bench.near[bit >> 6] >> _U(bit & 63)) & _U(1) != _U(0):
            weight += weights.idf[term]
            if weight * 100 >= needed:
                return True
    return False


@inlined
def enough(
    stored: Any, weights: Any, bench: Any, item: Any, hashes: Any, low: Any, high: Any
) -> Any:
    """Tell whether a window within [low, high) has the share of the sub-item's weight."""
    begin, end = stored.offsets[item], stored.offsets[item + 1]
    clock = bench.clock[0] + 1
    bench.clock[0] = clock
    size = _I(4)
    while size < 2 * (end - begin):
        size *= 2
    for position in range(begin, end):
        term = stored.terms[position]
        value = stored.term_hash[term]
        slot = slot_of(value, size)
        while bench.stamps[slot] == clock and bench.hashes[slot] != value:
            slot = (slot + 1) & (size - 1)
        if bench.stamps[slot] != clock:
            bench.stamps[slot], bench.hashes[slot] = clock, value
            bench.counts[slot], bench.weights[slot] = 0, weights.idf[term]
    needed = weights.total[item] * weights.percent
    width = window(end - begin)
    weight = _I(0)
    for place in range(low, high):
        value = hashes[place]
        if place - low >= width:
            old = bench.places[place - width - low]
            if old >= 0:
                bench.counts[old] -= 1
                if bench.counts[old] == 0:
                    weight -= bench.weights[old]
        slot = slot_of(value, size)
        while bench.stamps[slot] == clock and bench.hashes[slot] != value:
            slot = (slot + 1) & (size - 1)
        found = bench.stamps[slot] == clock
        bench.places[place - low] = slot if found else -1
        if found:
            bench.counts[slot] += 1
            if bench.counts[slot] == 1:
                weight += bench.weights[slot]
                if weight * 100 >= needed:
                    return True
    return False
