"""The weight that a stretch of text has in common with a sub-item, decided early.

Only distinct tokens count, each with its weight. A window is 1.6 L + 8 tokens for a sub-item of L.

Shapes: T tokens of the text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.index import Index
from thresher.leaks.keys import room, slot_of
from thresher.leaks.tables import get_bit
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
CHUNK_BITS = 8
CHUNK = 1 << CHUNK_BITS  # tokens; a bitmap is of a chunk and the ones before and behind it
NEAR_WORDS = 128
OWN_WORDS = 16
SHORT_TEXT = 512  # tokens; the bitmap of such a text is of all of it


class Weights(NamedTuple):
    """What tokens weigh."""

    idf: Column  # (K,) int64
    total: Column  # (I,) int64: of each sub-item's distinct tokens
    percent: int  # of the total that must be reached
    fresh: Column  # bits: whether a stored token is the sub-item's first of its kind


class Bench(NamedTuple):
    """Scratch: a table of one sub-item's tokens, and the stretch of text."""

    hashes: Column  # uint64
    stamps: Column  # int64
    counts: Column  # int64
    weights: Column  # int64
    own: Column  # (OWN_WORDS,) uint64: a bitmap of the sub-item's tokens
    places: Column  # int64: where in the stretch tokens of the sub-item are
    slots: Column  # int64: which they are
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
    size, stretch = room(longest, 2.0), max(2 * window_of(longest), SHORT_TEXT)
    return Bench(
        np.zeros(size, np.uint64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros(OWN_WORDS, np.uint64),
        np.empty(stretch, np.int64),
        np.empty(stretch, np.int64),
        np.zeros(1, np.int64),
        np.zeros(NEAR_WORDS, np.uint64),
        np.full(1, -1, np.int64),
    )


def weights_of(index: Index, percent: int) -> Weights:
    """Return what the tokens of an index weigh, and how much of it is needed."""
    return Weights(index["idf"], index["total"], percent, index["fresh"])


@inlined
def near_bit(value: Any) -> Any:
    """Return a token's place in a bitmap of NEAR_WORDS words."""
    return _I((value >> _U(20)) & _U(64 * NEAR_WORDS - 1))


@kernel
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
            bit = near_bit(hashes[near])
            bench.near[bit >> 6] |= _U(1) << _U(bit & 63)
    total = weights.total[item]
    missing = (100 * total - total * weights.percent) // 100  # may be
    for position in range(first, stop):
        if get_bit(weights.fresh, position) == 0:
            continue
        term = stored.terms[position]
        bit = near_bit(stored.term_hash[term])
        if (bench.near[bit >> 6] >> _U(bit & 63)) & _U(1) == _U(0):
            missing -= weights.idf[term]
            if missing < 0:
                return False
    return True


@inlined
def _slot(bench: Any, value: Any, size: Any, clock: Any) -> Any:
    """Return where a token of the sub-item is in the table, or could be."""
    slot = slot_of(value, size)
    while bench.stamps[slot] == clock and bench.hashes[slot] != value:
        slot = (slot + 1) & (size - 1)
    return slot


@inlined
def _take(stored: Any, weights: Any, bench: Any, begin: Any, end: Any, size: Any) -> Any:
    """Enter a sub-item's tokens into the table and the bitmap."""
    clock = bench.clock[0] + 1
    bench.clock[0] = clock
    bench.own[:] = _U(0)
    for position in range(begin, end):
        term = stored.terms[position]
        value = stored.term_hash[term]
        slot = _slot(bench, value, size, clock)
        if bench.stamps[slot] != clock:
            bench.stamps[slot], bench.hashes[slot] = clock, value
            bench.counts[slot], bench.weights[slot] = 0, weights.idf[term]
            bit = near_bit(value) & (64 * OWN_WORDS - 1)
            bench.own[bit >> 6] |= _U(1) << _U(bit & 63)
    return clock


@kernel
def enough(
    stored: Any, weights: Any, bench: Any, item: Any, hashes: Any, low: Any, high: Any
) -> Any:
    """Tell whether a window within [low, high) has the share of the sub-item's weight.

    First the tokens of the stretch that the sub-item has are collected; most stretches have too few
    of them for any window.
    """
    begin, end = stored.offsets[item], stored.offsets[item + 1]
    size = _I(4)
    while size < 2 * (end - begin):
        size *= 2
    clock = _take(stored, weights, bench, begin, end, size)
    num, weight = _I(0), _I(0)
    for place in range(low, high):
        value = hashes[place]
        bit = near_bit(value) & (64 * OWN_WORDS - 1)
        if (bench.own[bit >> 6] >> _U(bit & 63)) & _U(1) == _U(0):
            continue
        slot = _slot(bench, value, size, clock)
        if bench.stamps[slot] == clock:
            bench.places[num], bench.slots[num] = place, slot
            num += 1
            weight += bench.weights[slot] if bench.counts[slot] == 0 else 0
            bench.counts[slot] = 1
    needed = weights.total[item] * weights.percent
    if weight * 100 < needed:
        return False
    for index in range(num):
        bench.counts[bench.slots[index]] = 0
    width = window(end - begin)
    weight, oldest = _I(0), _I(0)
    for index in range(num):
        while bench.places[oldest] <= bench.places[index] - width:
            slot = bench.slots[oldest]
            bench.counts[slot] -= 1
            if bench.counts[slot] == 0:
                weight -= bench.weights[slot]
            oldest += 1
        slot = bench.slots[index]
        bench.counts[slot] += 1
        if bench.counts[slot] == 1:
            weight += bench.weights[slot]
            if weight * 100 >= needed:
                return True
    return False
