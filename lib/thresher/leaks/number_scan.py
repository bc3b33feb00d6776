"""The part of the scan that finds sub-items by their numbers.

Shapes: N numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.leaks.gram_scan import add_led
from thresher.leaks.index import LEAST_NUMBERS, MOST_NUMBERS
from thresher.leaks.keys import mixed
from thresher.leaks.screen import could_be, is_kept
from thresher.leaks.weak import SHORT_TEXT, enough, needed_of, possible, window
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i32_at, i64_at, set_i64, set_u32, u8_at, u32_at, u64_at

MOST_SKIPPED = 8  # numbers of a sub-item, one further number being inside
_U, _I = np.uint64, np.int64


@kernel
def _same_set(at: Any, item: Any, begin: Any, end: Any, left_out: Any) -> Any:
    """Tell whether numbers of a text, all but one place, are those of a sub-item."""
    own, stop = i64_at(at.number_offsets, item), i64_at(at.number_offsets, item + 1)
    while own < stop:
        value, last = u64_at(at.number_keys, own), own + 1
        while last < stop and u64_at(at.number_keys, last) == value:
            last += 1
        there = _I(0)
        for place in range(begin, end):
            there += _I(place != left_out and u64_at(at.number_values, place) == value)
        if there != last - own:
            return False
        own = last
    return True


@kernel
def _look_up(
    at: Any, begin: Any, end: Any, initial: Any, final: Any, left_out: Any, key: Any, row: Any,
    again: Any, count: Any,
) -> Any:  # fmt: skip
    """Add the sub-items with these numbers; return the new count, or -1 without room."""
    num = final + 1 - initial - _I(left_out >= 0)
    low, above = _I(0), at.num_sets
    while low < above:
        middle = (low + above) >> 1
        if u64_at(at.set_keys, middle) < key:
            low = middle + 1
        else:
            above = middle
    if low == at.num_sets or u64_at(at.set_keys, low) != key:
        return count
    place = begin + i64_at(at.number_places, final)
    wide = i64_at(at.number_places, final) - i64_at(at.number_places, initial)
    floor = at.numbers_floor
    for index in range(i64_at(at.set_starts, low), i64_at(at.set_starts, low + 1)):
        item = u32_at(at.set_items, index)
        state = i32_at(at.rejected, item)
        if state == row + 1 or (state == -row - 1) != again or i32_at(at.seen, item) == row + 1:
            continue
        if again and not is_kept(at, item, row):
            continue
        if i64_at(at.number_offsets, item + 1) - i64_at(at.number_offsets, item) != num:
            continue
        width = window(i64_at(at.offsets, item + 1) - i64_at(at.offsets, item))
        if wide >= width or not _same_set(at, item, initial, final + 1, left_out):
            continue
        if not could_be(at, item, begin, end, row):
            set_u32(at.rejected, item, -row - 1)
            set_i64(at.screened_out, 0, row + 1)
            continue
        if not possible(at, item, floor, begin, end, place):
            if end - begin <= SHORT_TEXT:
                set_u32(at.rejected, item, row + 1)
            continue
        first, stop = max(begin, place - width + 1), min(end, place + width)
        needed = needed_of(at, item, floor)
        if not enough(at, item, needed, width, first, stop):
            if end - begin <= SHORT_TEXT and not enough(at, item, needed, width, begin, end):
                set_u32(at.rejected, item, row + 1)
            continue
        count = add_led(at, row, item, count)
        if count < 0:
            return count
    return count


@inlined
def _maybe_set(at: Any, key: Any) -> Any:
    """Tell whether a set of numbers may be a sub-item's."""
    word = u64_at(at.set_bloom, _I(((key >> _U(32)) * _U(at.set_bloom_words)) >> _U(32)))
    return (word >> (key & _U(63))) & (word >> ((key >> _U(6)) & _U(63))) & _U(1) != _U(0)


@inlined
def _is_member(at: Any, value: Any) -> Any:
    """Tell whether any set may have a number."""
    bit = (value >> _U(20)) & (_U(at.set_member_words) * _U(64) - _U(1))
    return (u64_at(at.set_members, _I(bit >> _U(6))) >> (bit & _U(63))) & _U(1) != _U(0)


@kernel
def enter_numbers(at: Any, begin: Any, end: Any, row: Any, again: Any, count: Any) -> Any:
    """Add the sub-items that numbers of a text lead to; return the new count, or -1.

    Args:
        again: Whether to look at those alone that were screened out and are kept after all.

    A run of numbers ends with two of a set, and at most one inside it is of none: a second number
    that no set has ends all longer runs.
    """
    nothing = _I(-1)  # a constant argument would be compiled for alone
    text = row - at.first_row
    start, stop = i64_at(at.number_starts, text), i64_at(at.number_starts, text + 1)
    for final in range(start + LEAST_NUMBERS - 1, stop):
        value = u64_at(at.number_values, final)
        if not _is_member(at, value):
            continue
        total = mixed(value)
        foreign: Any = _I(-1)  # the one number inside the run that no set has
        for initial in range(final - 1, max(start, final - MOST_NUMBERS + 1) - 1, -1):
            value = u64_at(at.number_values, initial)
            total += mixed(value)
            size = final + 1 - initial
            if not _is_member(at, value):
                if foreign >= 0:
                    break
                foreign = initial
                continue
            key = mixed(total + _U(size)) & at.mask
            if foreign < 0 and u8_at(at.set_sizes, size) and _maybe_set(at, key):
                count = _look_up(at, begin, end, initial, final, nothing, key, row, again, count)
                if count < 0:
                    return count
            if size > MOST_SKIPPED + 1 or not u8_at(at.set_sizes, size - 1):
                continue
            low: Any = initial + 1
            high: Any = final
            if foreign >= 0:
                low, high = foreign, foreign + 1
            for left_out in range(low, high):
                rest = total - mixed(u64_at(at.number_values, left_out))
                key = mixed(rest + _U(size - 1)) & at.mask
                if not _maybe_set(at, key):
                    continue  # a call costs more than this
                count = _look_up(at, begin, end, initial, final, left_out, key, row, again, count)
                if count < 0:
                    return count
    return count
