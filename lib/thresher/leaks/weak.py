"""The weight that a stretch of text has in common with a sub-item, decided early.

Only distinct tokens count, each with its weight. A window is 1.6 L + 8 tokens for a sub-item of L.

Shapes: T tokens of the text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.leaks.keys import slot_of
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i64_at, set_i64, set_u64, u8_at, u32_at, u64_at

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
CHUNK_BITS = 8
CHUNK = 1 << CHUNK_BITS  # tokens; a bitmap is of a chunk and the ones before and behind it
NEAR_WORDS = 128
OWN_WORDS = 16
SHORT_TEXT = 512  # tokens; the bitmap of such a text is of all of it


def window_of(length: Any) -> Any:
    """Return the tokens of the window of a sub-item of `length` tokens: 1.6 L + 8."""
    return length + (3 * length) // 5 + 8


window = inlined(window_of)


@inlined
def near_bit(value: Any) -> Any:
    """Return a token's place in a bitmap of NEAR_WORDS words."""
    return _I((value >> _U(20)) & _U(64 * NEAR_WORDS - 1))


@inlined
def stored_hash(at: Any, position: Any) -> Any:
    """Return the hash of a stored token."""
    return u64_at(at.term_hash, u32_at(at.terms, position))


@inlined
def bit_at(bits: Any, bit: Any) -> Any:
    """Return one of packed bits, 64 a word."""
    return (u64_at(bits, bit >> 6) >> _U(bit & 63)) & _U(1)


@inlined
def set_bit(bits: Any, bit: Any) -> None:
    """Set one of packed bits, 64 a word."""
    set_u64(bits, bit >> 6, u64_at(bits, bit >> 6) | (_U(1) << _U(bit & 63)))


@inlined
def needed_of(at: Any, item: Any, floor: Any) -> Any:
    """Return so many percent of a sub-item's weight."""
    return (i64_at(at.total, item) * floor + 99) // 100


@kernel
def possible(at: Any, item: Any, floor: Any, begin: Any, end: Any, place: Any) -> Any:
    """Tell whether the tokens near a place could have a share of the sub-item's weight.

    The bitmap lasts for a chunk of one text, whichever sub-items are asked for.
    """
    first, stop = i64_at(at.offsets, item), i64_at(at.offsets, item + 1)
    low, high, chunk = begin, end, _I(0)
    if end - begin > SHORT_TEXT:
        if window(stop - first) > CHUNK:
            return True
        chunk = place >> CHUNK_BITS
        low, high = max(begin, (chunk - 1) << CHUNK_BITS), min(end, (chunk + 2) << CHUNK_BITS)
    if i64_at(at.near_chunk, 0) != chunk:
        set_i64(at.near_chunk, 0, chunk)
        for word in range(NEAR_WORDS):
            set_u64(at.near, word, _U(0))
        for near in range(low, high):
            set_bit(at.near, near_bit(u64_at(at.hashes, near)))
    total = i64_at(at.total, item)
    missing = (100 * total - total * floor) // 100  # may be
    for position in range(first, stop):
        if (u8_at(at.fresh, position >> 3) >> (position & 7)) & 1 == 0:
            continue
        term = u32_at(at.terms, position)
        if bit_at(at.near, near_bit(u64_at(at.term_hash, term))) == _U(0):
            missing -= i64_at(at.idf, term)
            if missing < 0:
                return False
    return True


@inlined
def _slot(at: Any, value: Any, size: Any, clock: Any) -> Any:
    """Return where a token of the sub-item is in the table, or could be."""
    slot = slot_of(value, size)
    while i64_at(at.own_stamps, slot) == clock and u64_at(at.own_hashes, slot) != value:
        slot = (slot + 1) & (size - 1)
    return slot


@inlined
def _take(at: Any, begin: Any, end: Any, size: Any) -> Any:
    """Enter a sub-item's tokens into the table and the bitmap."""
    clock = i64_at(at.clock, 0) + 1
    set_i64(at.clock, 0, clock)
    for word in range(OWN_WORDS):
        set_u64(at.own_bits, word, _U(0))
    for position in range(begin, end):
        term = u32_at(at.terms, position)
        value = u64_at(at.term_hash, term)
        slot = _slot(at, value, size, clock)
        if i64_at(at.own_stamps, slot) != clock:
            set_i64(at.own_stamps, slot, clock)
            set_u64(at.own_hashes, slot, value)
            set_i64(at.own_counts, slot, _I(0))
            set_i64(at.own_weights, slot, i64_at(at.idf, term))
            set_bit(at.own_bits, near_bit(value) & (64 * OWN_WORDS - 1))
    return clock


@kernel
def heaviest(at: Any, item: Any, needed: Any, width: Any, low: Any, high: Any) -> Any:
    """Return the most of a sub-item's weight that a window within [low, high) has, 0 where none has
    as much as is needed.

    First the tokens of the stretch that the sub-item has are collected; most stretches have too few
    of them for any window.
    """
    begin, end = i64_at(at.offsets, item), i64_at(at.offsets, item + 1)
    size = _I(4)
    while size < 2 * (end - begin):
        size *= 2
    clock = _take(at, begin, end, size)
    num, weight = _I(0), _I(0)
    for place in range(low, high):
        value = u64_at(at.hashes, place)
        if bit_at(at.own_bits, near_bit(value) & (64 * OWN_WORDS - 1)) == _U(0):
            continue
        slot = _slot(at, value, size, clock)
        if i64_at(at.own_stamps, slot) == clock:
            set_i64(at.near_places, num, place)
            set_i64(at.near_slots, num, slot)
            num += 1
            if i64_at(at.own_counts, slot) == 0:
                weight += i64_at(at.own_weights, slot)
                set_i64(at.own_counts, slot, _I(1))
    if weight < needed:
        return _I(0)
    for index in range(num):
        set_i64(at.own_counts, i64_at(at.near_slots, index), _I(0))
    weight, oldest, most = _I(0), _I(0), _I(0)
    for index in range(num):
        while i64_at(at.near_places, oldest) <= i64_at(at.near_places, index) - width:
            slot = i64_at(at.near_slots, oldest)
            left = i64_at(at.own_counts, slot) - 1
            set_i64(at.own_counts, slot, left)
            if left == 0:
                weight -= i64_at(at.own_weights, slot)
            oldest += 1
        slot = i64_at(at.near_slots, index)
        more = i64_at(at.own_counts, slot) + 1
        set_i64(at.own_counts, slot, more)
        if more == 1:
            weight += i64_at(at.own_weights, slot)
            most = max(most, weight)
    return most if most >= needed else _I(0)


@inlined
def enough(at: Any, item: Any, needed: Any, width: Any, low: Any, high: Any) -> Any:
    """Tell whether a window within [low, high) has so much of the sub-item's weight."""
    return heaviest(at, item, needed, width, low, high) > 0
