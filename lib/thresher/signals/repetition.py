"""Repeated n-grams of the words of a text, from 2 to 10.

An n-gram can only be repeated where the (n - 1)-grams at its first two words are; so each n looks
at what n - 1 left over, and few positions are left after three steps. A group number stands for
an n-gram: that of its first n - 1 words and its last word make the key of the next table.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.signals.counters import INDEX, next_generation, seek, table_mask
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i32_at, set_i64, set_u8, set_u32, set_u64, u8_at

DCLM, DATATROVE, DOLMA, RPV2, NEMO = range(5)
_U, _I = np.uint64, np.int64
_TOP, _REPEATED, _GRAMS = INDEX["TOP"], INDEX["REPEATED"], INDEX["GRAMS"]
_REPEATED_WORDS = INDEX["REPEATED_WORDS"]
_GOLDEN, _BASE = _U(0x9E3779B97F4A7C15), _U(0xD6E8FEB86659FD93)


@inlined
def _chars(room: Any, begin: Any, end: Any) -> Any:
    """Return the characters of the words from `begin` to `end`."""
    return i32_at(room.sums, end) - i32_at(room.sums, begin)


@kernel
def extend(room: Any, count: Any, size: Any) -> Any:
    """Turn the places of repeated (size - 1)-grams into those of repeated `size`-grams.

    Returns:
        How many places are left in `positions` and `groups`; `tally` counts each group.
    """
    generation = next_generation(room)
    stamp = _U(generation) << _U(32)
    mask = table_mask(count)
    found, distinct = _I(0), _I(0)
    for index in range(count - 1):
        position = i32_at(room.positions, index)
        if i32_at(room.positions, index + 1) != position + 1:
            continue
        last = i32_at(room.ids, position + size - 1)
        key = _U(i32_at(room.groups, index)) << _U(32) | _U(last)
        at, number = seek(room.slots, mask, generation, key, _I((key * _GOLDEN) >> _U(33)))
        if number < 0:
            number = distinct
            distinct += 1
            set_u64(room.slots, 2 * at, key)
            set_u64(room.slots, 2 * at + 1, stamp | _U(number))
            set_u32(room.tally, number, 1)
        else:
            set_u32(room.tally, number, i32_at(room.tally, number) + 1)
        set_u32(room.positions, found, position)
        set_u32(room.fresh, found, number)
        found += 1
    left = _I(0)
    for index in range(found):
        number = i32_at(room.fresh, index)
        set_u32(room.positions, left, i32_at(room.positions, index))
        set_u32(room.groups, left, number)
        left += i32_at(room.tally, number) > 1
    return left


@kernel
def top_gram(room: Any, left: Any, size: Any, longest: Any) -> Any:
    """Return (times, first word) of the most frequent n-gram: the longest or the first of equals.

    (1, 0) where none is repeated.
    """
    times, place, chars = _I(1), _I(0), _I(0)
    for index in range(left):
        count = i32_at(room.tally, i32_at(room.groups, index))
        position = i32_at(room.positions, index)
        length = _chars(room, position, position + size)
        if count > times or (longest and count == times and length > chars):
            times, place, chars = _I(count), _I(position), length
    return times, place


@kernel
def spread(room: Any, left: Any, size: Any) -> Any:
    """Return the characters of the words inside repeated n-grams, each word once."""
    found, covered = _I(0), _I(0)
    for index in range(left):
        position = i32_at(room.positions, index)
        found += _chars(room, max(position, covered), position + size)
        covered = position + size
    return found


@kernel
def greedy(room: Any, left: Any, size: Any) -> Any:
    """Return the characters of n-grams met before, going on behind each: datatrove's."""
    found, following = _I(0), _I(0)
    for index in range(left):
        position, group = i32_at(room.positions, index), i32_at(room.groups, index)
        if position < following:
            continue
        if i32_at(room.tally, group) < 0:
            found += _chars(room, position, position + size)
            following = position + size
        else:
            set_u32(room.tally, group, -1)
    return found


@kernel
def later_copies(room: Any, left: Any, size: Any) -> Any:
    """Return characters and spaces of second and later copies, overlaps once: NeMo's."""
    found, last = _I(0), _I(-size)
    for index in range(left):
        position, group = i32_at(room.positions, index), i32_at(room.groups, index)
        if i32_at(room.tally, group) < 0:
            overlap = max(size - (position - last), 0)
            found += _chars(room, position + overlap, position + size)
            found += min(size - overlap, size - 1)
            last = position
        else:
            set_u32(room.tally, group, -1)
    return found


@kernel
def all_copies(room: Any, left: Any, size: Any, num_words: Any) -> Any:
    """Return the characters of the repeated n-grams and of all n-grams: Dolma's."""
    found, total = _I(0), _I(0)
    for index in range(left):
        position = i32_at(room.positions, index)
        found += _chars(room, position, position + size)
    for position in range(num_words - size + 1):
        total += _chars(room, position, position + size)
    return found, total


@kernel
def occurrences(text: Any, length: Any, phrase: Any, size: Any) -> Any:
    """Count how often a phrase is in a text, without overlaps; in linear time."""
    if size == 0 or size > length:
        return _I(0)
    wanted, rolling, power = _U(0), _U(0), _U(1)
    for index in range(size):
        wanted = wanted * _BASE + _U(u8_at(phrase, index))
        rolling = rolling * _BASE + _U(u8_at(text, index))
        power *= _BASE
    found, begin, free = _I(0), _I(0), _I(0)
    while True:
        if rolling == wanted and begin >= free:
            same = True
            for index in range(size):
                same &= u8_at(text, begin + index) == u8_at(phrase, index)
            if same:
                found += 1
                free = begin + size
        if begin + size >= length:
            return found
        leaving = power * _U(u8_at(text, begin))
        rolling = rolling * _BASE + _U(u8_at(text, begin + size)) - leaving
        begin += 1


@kernel
def removable(room: Any, length: Any, place: Any, size: Any) -> Any:
    """Return the characters that deleting an n-gram, joined by spaces, takes from the text."""
    written = _I(0)
    for word in range(place, place + size):
        for index in range(i32_at(room.begins, word), i32_at(room.ends, word)):
            set_u8(room.buffer, written, u8_at(room.text, index))
            written += 1
        set_u8(room.buffer, written, 32)
        written += 1
    times = occurrences(room.text, length, room.buffer, written - 1)
    return times * (_chars(room, place, place + size) + size - 1)


@kernel
def repeat_words(room: Any, length: Any, num_words: Any, flavor: Any, tally: Any) -> None:
    """Count repeated n-grams of words, as the flavor has it."""
    left = _I(0)
    for word in range(num_words):
        number = i32_at(room.ids, word)
        set_u32(room.positions, left, word)
        set_u32(room.groups, left, number)
        left += i32_at(room.counts, number) > 1
    for size in range(2, 11):
        if left:
            left = extend(room, left, size)
        if size <= 4:
            times, place = top_gram(room, left, size, flavor == DCLM)
            chars = _chars(room, place, place + size) if num_words >= size else _I(0)
            found = _I(0)
            if num_words < size:
                found = _I(-1) if flavor == NEMO else _I(0)
            elif flavor == NEMO:
                found = removable(room, length, place, size)
            elif flavor == DATATROVE:
                found = times * (chars + size - 1)
            elif flavor == DOLMA or times > 1:
                found = times * chars
            set_i64(tally, _TOP + size - 2, found)
            continue
        found, total = _I(0), _I(0)
        if num_words < size:
            found = _I(-1) if flavor == NEMO else _I(0)
        elif flavor == DATATROVE:
            found = greedy(room, left, size)
        elif flavor == NEMO:
            found = later_copies(room, left, size)
        elif flavor == DOLMA:
            found, total = all_copies(room, left, size, num_words)
        else:
            found = spread(room, left, size)
        set_i64(tally, _REPEATED + size - 5, found)
        set_i64(tally, _GRAMS + size - 5, total)
    set_i64(tally, _REPEATED_WORDS, left)
