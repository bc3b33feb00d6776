"""What a stretch of a text weighs of a sub-item at most, for 64 windows or stretches at once.

A lane stands for a window that begins in one of 64 chunks, or for a stretch of a long text. For
each token a bitmap says which lanes have it. A sub-item's heavy tokens are gone through, the
heaviest first; each takes its weight from the lanes that lack it, until none may miss more. Windows
that are left are looked at token by token.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.leaks.needs import (
    APART,
    HEAVY,
    HEAVY_END,
    LEAD,
    LOOSE,
    MISSING,
    NEVER,
    NUM_COLUMNS,
    OWN,
    PRESENT_WORDS,
    REACH,
    SECTION,
    SHORT_TEXT,
    SKIPS,
    UNIT,
    present_bit,
)
from thresher.leaks.weak import bit_at, enough, heaviest, set_bit, stored_hash, window
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    i32_at,
    i64_at,
    lower_where,
    set_i64,
    set_u64,
    trailing_zeros,
    u32_at,
    u64_at,
)

_U, _I = np.uint64, np.int64
CHUNK_BITS = 4
CHUNK = 1 << CHUNK_BITS  # tokens
LANES = 64
GROUP_BITS = CHUNK_BITS + 6  # of the tokens of a group: as many chunks as lanes
FINE = 4096  # tokens that a group tells apart
NUM_GROUPS = (SHORT_TEXT >> GROUP_BITS) + 1  # one behind the last, which is empty


@inlined
def need(at: Any, item: Any, column: Any) -> Any:
    """Return one of the figures of `Needs.records`."""
    return i32_at(at.records + item * (4 * NUM_COLUMNS), column)


@inlined
def _is_present(at: Any, bit: Any) -> Any:
    return bit_at(at.present, bit) != _U(0)


@inlined
def _fine_rows(at: Any, place: Any, token: Any) -> Any:
    """Return the address of what a group of a stretch says of a token, by a place of the group."""
    row = (place >> GROUP_BITS) * FINE + (present_bit(token) & (FINE - 1))
    return at.fine + (row << 3)


@kernel
def _fill_present(at: Any, start: Any, stop: Any) -> None:
    """Make the bitmap that of a stretch."""
    set_i64(at.present_at, 0, start + 1)
    for word in range(PRESENT_WORDS):
        set_u64(at.present, word, _U(0))
    for place in range(start, stop):
        set_bit(at.present, present_bit(u64_at(at.hashes, place)))


@kernel
def _fill_fine(at: Any, start: Any, stop: Any) -> None:
    """Make the bitmaps of chunks those of a stretch."""
    before = i64_at(at.fine_at, 0) - 1
    if before >= 0:
        for place in range(before, i64_at(at.fine_at, 1)):
            set_u64(_fine_rows(at, place - before, u64_at(at.hashes, place)), 0, _U(0))
    set_i64(at.fine_at, 0, start + 1)
    set_i64(at.fine_at, 1, stop)
    for place in range(start, stop):
        row = _fine_rows(at, place - start, u64_at(at.hashes, place))
        chunk = _U(((place - start) >> CHUNK_BITS) & (LANES - 1))
        set_u64(row, 0, u64_at(row, 0) | (_U(1) << chunk))


@kernel
def fill_coarse(at: Any, start: Any, end: Any) -> None:
    """Note which of LANES stretches from a place on have each token."""
    for row in range(64 * PRESENT_WORDS):
        set_u64(at.coarse, row, _U(0))
    for place in range(start, min(end, start + (LANES + 1) * SECTION)):
        row, section = present_bit(u64_at(at.hashes, place)), (place - start) // SECTION
        bits = _U(1) << _U(section) if section < LANES else _U(0)
        if section > 0:
            bits |= _U(1) << _U(section - 1)
        set_u64(at.coarse, row, u64_at(at.coarse, row) | bits)


@inlined
def first_lanes(count: Any) -> Any:
    """Return the bits of the first lanes."""
    return ~_U(0) if count >= LANES else (_U(1) << _U(count)) - _U(1)


@inlined
def _take_lanes(at: Any, missing: Any) -> None:
    """Let each lane miss half so many units."""
    both = _U(min(missing, UNIT) >> 1) * _U(0x0001000100010001)
    for word in range(LANES // 4):
        set_u64(at.lanes, word, both)


@kernel
def _stretches(at: Any, lead: Any, missing: Any, alive: Any) -> Any:
    """Return which of the stretches could have enough of one sub-item."""
    if missing < 0:
        return _U(0)
    _take_lanes(at, missing)
    for heavy in range(need(at, lead, HEAVY), need(at, lead, HEAVY_END)):
        token = u32_at(at.heavy, heavy)
        absent = alive & ~u64_at(at.coarse, token & 0xFFFF)
        if absent != _U(0):
            alive &= ~lower_where(at.lanes, absent, token >> 17)
            if alive == _U(0):
                break
    return alive


@inlined
def stretches(at: Any, lead: Any, all_of: Any) -> Any:
    """Return which of the stretches of `fill_coarse` could have enough of a sub-item, or one that
    it leads."""
    missing = need(at, lead, MISSING)
    if missing != APART:
        return _stretches(at, lead, missing, all_of)
    alive = _U(0)
    for led in range(i64_at(at.led_starts, lead), i64_at(at.led_starts, lead + 1)):
        item = i64_at(at.led_items, led)
        alive |= _stretches(at, item, need(at, item, OWN), all_of)
    return alive


@kernel
def _windows(at: Any, lead: Any, missing: Any, group: Any, wide: Any, alive: Any) -> Any:
    """Return at which chunks of a group windows of so many chunks begin that could have enough of a
    sub-item."""
    _take_lanes(at, missing)
    fine = at.fine + group * (8 * FINE)
    for heavy in range(need(at, lead, HEAVY), need(at, lead, HEAVY_END)):
        token = u32_at(at.heavy, heavy)
        row = token & (FINE - 1)
        low, high = u64_at(fine, row), u64_at(fine, row + FINE)
        if low | high != _U(0):
            span = _I(1)
            while 2 * span <= wide:
                low |= (low >> _U(span)) | (high << _U(LANES - span))
                high |= high >> _U(span)
                span *= 2
            if span < wide:
                rest = wide - span
                low |= (low >> _U(rest)) | (high << _U(LANES - rest))
        absent = alive & ~low
        if absent != _U(0):
            alive &= ~lower_where(at.lanes, absent, token >> 17)
            if alive == _U(0):
                break
    return alive


@kernel
def _in_stretch(at: Any, lead: Any, low: Any, high: Any) -> Any:
    """Tell, token by token, whether some window of a stretch has enough of a sub-item, or one that
    it leads: of the latter, at most what a window has of the former, and all that they have more.
    """
    begin, least, most = i64_at(at.offsets, lead), _I(0), i64_at(at.total, lead)
    if need(at, need(at, lead, LEAD), MISSING) == APART:
        width = window(i64_at(at.offsets, lead + 1) - begin)
        return enough(at, lead, i64_at(at.needed, lead), width, low, high)
    first, stop = i64_at(at.led_starts, lead), i64_at(at.led_starts, lead + 1)
    if stop - first > 1:
        least = _least_of(at, lead, first, stop)
        width = window(i64_at(at.offsets, lead + 1) - begin + need(at, lead, REACH))
        if least > 0:
            most = heaviest(at, lead, least, width, low, high)
            if most == 0:
                return False
    for led in range(first, stop):
        item = i64_at(at.led_items, led)
        needed = i64_at(at.needed, item)
        if most + i64_at(at.total, item) - i64_at(at.total, lead) < needed:
            continue
        width = window(i64_at(at.offsets, item + 1) - i64_at(at.offsets, item))
        if enough(at, item, needed, width, low, high):
            return True
    return False


@inlined
def _least_of(at: Any, lead: Any, first: Any, stop: Any) -> Any:
    """Return the weight of a sub-item that those which it leads cannot do without."""
    least = i64_at(at.total, lead)
    for led in range(first, stop):
        item = i64_at(at.led_items, led)
        more = i64_at(at.total, item) - i64_at(at.total, lead)
        least = min(least, i64_at(at.needed, item) - more)
    return least


@kernel
def _in_window(at: Any, lead: Any, missing: Any, start: Any, stop: Any, more: Any) -> Any:
    """Tell whether some window of a stretch has enough of a sub-item: first by the chunks that
    windows lie in, then, where these could have it, token by token.

    Args:
        more: Whether windows that begin in the second half are another stretch's.
    """
    if i64_at(at.fine_at, 0) != start + 1:
        _fill_fine(at, start, stop)
    length = i64_at(at.offsets, lead + 1) - i64_at(at.offsets, lead) + need(at, lead, REACH)
    wide = ((window(length) + CHUNK - 2) >> CHUNK_BITS) + 1
    num_windows = max(((stop - start - 1) >> CHUNK_BITS) + 2 - wide, _I(1))
    if more:
        num_windows = min(num_windows, _I(LANES))
    low, high = _I(-1), _I(-1)
    for first in range(0, num_windows, LANES):
        alive = first_lanes(num_windows - first)
        alive = _windows(at, lead, missing, first // LANES, wide, alive)
        while alive != _U(0):
            place = start + ((first + trailing_zeros(alive)) << CHUNK_BITS)
            if low >= 0 and place > high - wide * CHUNK + CHUNK:
                if _in_stretch(at, lead, low, min(high, stop)):
                    return True
                low = _I(-1)
            low = place if low < 0 else low
            high = place + wide * CHUNK
            alive &= alive - _U(1)
    return low >= 0 and _in_stretch(at, lead, low, min(high, stop))


@kernel
def _weighs(at: Any, item: Any, missing: Any, start: Any, stop: Any, more: Any) -> Any:
    """Tell whether some window of a stretch has enough of a sub-item, by its heavy tokens first."""
    left = missing
    for heavy in range(need(at, item, HEAVY), need(at, item, HEAVY_END)):
        if left < 0:
            break
        token = u32_at(at.heavy, heavy)
        if not _is_present(at, token & 0xFFFF):
            left -= token >> 16
    return left >= 0 and _in_window(at, item, missing, start, stop, more)


@inlined
def _stretch(at: Any, lead: Any) -> Any:
    """Return the tokens of a sub-item, or one that it leads, that are there in a row but for SKIPS
    others."""
    first, stop = i64_at(at.offsets, lead), i64_at(at.offsets, lead + 1)
    reach = need(at, lead, REACH)
    best, start, skipped = reach, first, _I(0)
    for position in range(first, stop):
        if not _is_present(at, present_bit(stored_hash(at, position))):
            skipped += 1
            while skipped > SKIPS:
                skipped -= _I(not _is_present(at, present_bit(stored_hash(at, start))))
                start += 1
        best = max(best, position + 1 - start)
    return max(best, stop - start + reach)


@kernel
def could(at: Any, lead: Any, start: Any, stop: Any, more: Any) -> Any:
    """Tell whether a stretch could have enough of a sub-item, or one that it leads."""
    missing, loose = need(at, lead, MISSING), need(at, lead, LOOSE)
    if missing >= NEVER:
        return True
    if missing < 0 and loose >= NEVER:
        return False
    if i64_at(at.present_at, 0) != start + 1:
        _fill_present(at, start, stop)
    if missing == APART:
        for led in range(i64_at(at.led_starts, lead), i64_at(at.led_starts, lead + 1)):
            item = i64_at(at.led_items, led)
            if _weighs(at, item, need(at, item, OWN), start, stop, more):
                return True
    elif _weighs(at, lead, missing, start, stop, more):
        return True
    return loose < NEVER and _stretch(at, lead) >= loose
