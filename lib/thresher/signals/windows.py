"""Repeated character 10-grams: how much of a text its most frequent ones take.

Two passes over the hashes of all windows: the first finds, with one bit a hash, those that may
occur twice; only these are counted, in a table.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from thresher.signals.counters import (
    INDEX,
    next_generation,
    seek,
    table_mask,
)
from thresher.text.digests import hash_bytes
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    fold,
    i32_at,
    i64_at,
    set_i64,
    set_u8,
    set_u32,
    set_u64,
    trailing_zeros,
    u8_at,
    u16_at,
    u64_at,
)

WINDOW = 10
_HIGH = np.uint64(0x8080808080808080)
BITS_A_WINDOW = 16  # 5 % of the windows share a bit; 8 take longer in the table, 32 in the cache
_U, _I = np.uint64, np.int64
_CHARACTERS = INDEX["CHARACTERS"]
_CHARACTER_GRAMS = INDEX["CHARACTER_GRAMS"]
_REPEATED_CHARACTERS = INDEX["REPEATED_CHARACTERS"]
_LEFT, _RIGHT = _U(0xA0761D6478BD642F), _U(0xE7037ED1A0B428DB)


@inlined
def _hash_bytes(text: Any, position: Any) -> Any:
    """Return the hash of 10 bytes."""
    last = _U(u16_at(text + position + 8, 0))
    return fold(u64_at(text + position, 0) ^ _LEFT, last ^ _RIGHT)


@inlined
def _window_hash(text: Any, begin: Any, end: Any, keep: Any) -> Any:
    """Return the hash of a window; of 10 bytes, it is that of `_hash_bytes`."""
    size = end - begin
    if size <= 16:
        last = u64_at(text + begin, 1) & u64_at(keep + 16 - size, 1)
        return fold(u64_at(text + begin, 0) ^ _LEFT, last ^ _RIGHT)
    return hash_bytes(text + begin, size)[0]


@inlined
def _following(text: Any, position: Any, length: Any) -> Any:
    """Return where the next character begins."""
    lead = u8_at(text, position)
    return min(position + 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0), length)


@inlined
def _enter(room: Any, twice: Any, shift: Any, hashed: Any) -> Any:
    """Set a hash's bit; where it was set, set that of the second bitmap."""
    place = _I(hashed >> shift)
    byte, one = place >> 3, _I(1) << (place & 7)
    seen = u8_at(room.filter, byte)
    set_u8(twice, byte, u8_at(twice, byte) | seen & one)
    set_u8(room.filter, byte, seen | one)
    return (seen & one) != 0


@inlined
def _flagged(twice: Any, shift: Any, hashed: Any) -> Any:
    """Return 1 where the second bitmap has a hash's bit."""
    place = _I(hashed >> shift)
    return (u8_at(twice, place >> 3) >> (place & 7)) & 1


@inlined
def _count(room: Any, mask: Any, generation: Any, hashed: Any, distinct: Any) -> Any:
    """Count a window; return how many distinct ones there are now."""
    at, number = seek(room.slots, mask, generation, hashed, _I(hashed >> _U(4)))
    if number >= 0:
        set_u32(room.tally, number, i32_at(room.tally, number) + 1)
        return distinct
    set_u64(room.slots, 2 * at, hashed)
    set_u64(room.slots, 2 * at + 1, _U(generation) << _U(32) | _U(distinct))
    set_u32(room.tally, distinct, 1)
    return distinct + 1


@inlined
def _next_foreign(text: Any, position: Any, length: Any) -> Any:
    """Return the first byte from `position` on that is not ASCII, or where the text ends."""
    while position < length:
        high = u64_at(text + position, 0) & _HIGH
        if high:
            return min(position + (trailing_zeros(high) >> 3), length)
        position += 8
    return length


@kernel
def pass_over(room: Any, length: Any, count: Any, shift: Any, twice: Any, collect: Any) -> Any:
    """Go through all windows; those without foreign characters in a tight loop.

    Args:
        room: Scratch, with the row.
        length: Its bytes.
        count: Its windows.
        shift: What makes a hash the number of a bit.
        twice: Address of the second bitmap.
        collect: 0 to set the windows' bits, 1 to list those whose bit is set in the second bitmap.

    Returns:
        How many had their bit set before, or how many are listed.
    """
    text, found, begin, end, foreign, left = room.text, _I(0), _I(0), _I(-1), _I(-1), count
    while left > 0:
        if foreign < begin:
            foreign = _next_foreign(text, begin, length)
        plain = min(foreign - begin - WINDOW + 1, left)
        if plain > 0:
            if collect:
                for position in range(begin, begin + plain):
                    set_u32(room.positions, found, position)
                    set_u32(room.fresh, found, position + WINDOW)
                    found += _flagged(twice, shift, _hash_bytes(text, position))
            else:
                for position in range(begin, begin + plain):
                    found += _enter(room, twice, shift, _hash_bytes(text, position))
            begin += plain
            left -= plain
            end = _I(-1)
            continue
        if end < 0:
            end = begin
            for _ in range(WINDOW):
                end = _following(text, end, length)
        hashed = _window_hash(text, begin, end, room.keep)
        if collect:
            set_u32(room.positions, found, begin)
            set_u32(room.fresh, found, end)
            found += _flagged(twice, shift, hashed)
        else:
            found += _enter(room, twice, shift, hashed)
        begin, end = _following(text, begin, length), _following(text, end, length)
        left -= 1
    return found


@kernel
def count_windows(room: Any, length: Any, count: Any) -> Any:
    """Count the windows that may occur twice; return how many distinct ones there are."""
    bits = _I(9)
    while (1 << bits) < BITS_A_WINDOW * count:
        bits += 1
    shift = _U(64 - bits)
    twice = room.filter + (1 << bits >> 3)
    for index in range(1 << bits >> 5):
        set_u64(room.filter, index, _U(0))
    again = pass_over(room, length, count, shift, twice, 0)
    if again == 0:
        return _I(0)
    found = pass_over(room, length, count, shift, twice, 1)
    generation, mask = next_generation(room), table_mask(min(2 * again, count))
    distinct = _I(0)
    for index in range(found):
        begin, end = i32_at(room.positions, index), i32_at(room.fresh, index)
        hashed = _window_hash(room.text, begin, end, room.keep)
        distinct = _count(room, mask, generation, hashed, distinct)
    return distinct


@kernel
def repeat_characters(room: Any, length: Any, tally: Any) -> None:
    """Count the windows, and those that the most frequent distinct ones take.

    As Data-Juicer has it: of D distinct windows, the sqrt(D) most frequent count, as far as they
    are repeated.
    """
    count = i64_at(tally, _CHARACTERS) - WINDOW + 1
    if count < 1:
        return
    set_i64(tally, _CHARACTER_GRAMS, count)
    distinct = count_windows(room, length, count)
    repeated, places, most = _I(0), _I(0), _I(0)
    for number in range(distinct):
        times = i32_at(room.tally, number)
        if times > 1:
            repeated += 1
            places += times
            most = max(most, times)
    if repeated == 0:
        return
    wanted = min(_I(sqrt(repeated + count - places)), repeated)
    for times in range(most + 1):
        set_u32(room.positions, times, 0)
    for number in range(distinct):
        times = i32_at(room.tally, number)
        set_u32(room.positions, times, i32_at(room.positions, times) + 1)
    found = _I(0)
    while wanted > 0:
        taken = min(wanted, i32_at(room.positions, most))
        found += taken * most
        wanted -= taken
        most -= 1
    set_i64(tally, _REPEATED_CHARACTERS, found)
