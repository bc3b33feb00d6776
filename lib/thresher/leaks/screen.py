"""Which sub-items that an n-gram led to are worth a closer look: bounds that a scan keeps.

While a text is scanned, what its shared n-grams could amount to is bounded from above, for a
sub-item and all that it leads at once: how many tokens they cover, how long the run and the span
around each is, and what the text's tokens weigh. Where that is less than `thresher.leaks.needs`
says for all sub-items of an item, the item is dropped; of an item that is kept, all sub-items are
that share an n-gram with the text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.leaks.needs import (
    GROUP,
    HEAVY,
    HEAVY_END,
    LEAD,
    LOOSE,
    MISSING,
    NEVER,
    NUM_COLUMNS,
    PRESENT_WORDS,
    REACH,
    RUN_TOUCHES,
    SECTION,
    SHORT_TEXT,
    SKIPS,
    SPAN,
    TOUCHES,
    present_bit,
)
from thresher.leaks.weak import bit_at, enough, set_bit, stored_hash, window
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i32_at, i64_at, set_i64, set_u32, set_u64, u32_at, u64_at

_U, _I = np.uint64, np.int64
CHUNK_BITS = 6
CHUNK, CHUNK_WORDS = 1 << CHUNK_BITS, 32  # tokens, and words of their bitmap
NUM_CHUNKS = SHORT_TEXT // CHUNK
# Of a sub-item's state: int32 row + 1 of the text that the next two are of; int32 whether a run was
# found; uint64 places of n-grams, a bit each, or each few; int64 the stretch that was last weighed:
# 2 row + 3 where it was heavy enough, 2 row + 2 where not; in a long text -1 - its first token.
TOUCHED, RAN, PLACES, JUDGED, STATE_BYTES = 0, 1, 1, 2, 24


@inlined
def need(at: Any, item: Any, column: Any) -> Any:
    """Return one of the figures of `Needs.records`."""
    return i32_at(at.records + item * (4 * NUM_COLUMNS), column)


@inlined
def _is_present(at: Any, bit: Any) -> Any:
    return bit_at(at.present, bit) != _U(0)


@inlined
def _bits_of(mask: Any) -> Any:
    """Count the bits of 64."""
    mask = mask - ((mask >> _U(1)) & _U(0x5555555555555555))
    mask = (mask & _U(0x3333333333333333)) + ((mask >> _U(2)) & _U(0x3333333333333333))
    mask = (mask + (mask >> _U(4))) & _U(0x0F0F0F0F0F0F0F0F)
    return _I((mask * _U(0x0101010101010101)) >> _U(56))


@inlined
def is_kept(at: Any, item: Any, row: Any) -> Any:
    """Tell whether the item of a sub-item is kept."""
    return i32_at(at.kept, need(at, item, GROUP)) == row + 1


@inlined
def keep(at: Any, item: Any, row: Any) -> None:
    """Keep the item of a sub-item."""
    set_u32(at.kept, need(at, item, GROUP), row + 1)


@kernel
def touch(
    at: Any, begin: Any, end: Any, place: Any, item: Any, position: Any, n: Any, row: Any
) -> None:
    """Note that a text has the shortest n-gram of a sub-item; keep the item if that may mean more.

    Args:
        place, position: Where the n-gram is in the texts, and in the stored tokens.
    """
    lead = need(at, item, LEAD)
    state = at.states + lead * STATE_BYTES
    if i32_at(state, TOUCHED) != row + 1:
        set_u32(state, TOUCHED, row + 1)
        set_u32(state, RAN, _I(0))
        set_u64(state, PLACES, _U(0))
    first, stop = i64_at(at.offsets, item), i64_at(at.offsets, item + 1)
    places = u64_at(state, PLACES) | (_U(1) << _U((position - first) & 63))
    set_u64(state, PLACES, places)
    reach = need(at, lead, REACH)
    longest = i64_at(at.offsets, lead + 1) - i64_at(at.offsets, lead) + reach
    count = _bits_of(places) * ((longest + 63) >> 6)
    shift = place - position
    low, high = max(first, begin - shift), min(stop, end - shift)
    beyond = reach if item == lead else _I(0)
    row_of_ends = _I(SKIPS + 1) << 3
    forwards = _I(1)
    right = position + n + _extend(at, position + n, low, high, shift, forwards, at.ends)
    left = position - _extend(at, position - 1, low, high, shift, -forwards, at.ends + row_of_ends)
    if right - left == stop - first:
        keep(at, item, row)
        return
    if right - left + (beyond if right == stop else 0) >= at.run:
        set_u32(state, RAN, _I(1))
    needed = need(at, lead, TOUCHES)
    if i32_at(state, RAN) != 0:
        needed = min(needed, need(at, lead, RUN_TOUCHES))
    found = count >= needed
    least = need(at, lead, SPAN)
    if stop - first + beyond >= least:
        for before in range(SKIPS + 1):
            ahead = i64_at(at.ends, SKIPS - before)
            if beyond > 0 and high == stop and position + n + ahead + SKIPS >= stop:
                ahead += SKIPS + beyond
            found = found or i64_at(at.ends, SKIPS + 1 + before) + n + ahead >= least
    if found:
        keep(at, item, row)


@inlined
def _extend(at: Any, start: Any, low: Any, high: Any, shift: Any, step: Any, ends: Any) -> Any:
    """Fill how far a sub-item's tokens from `start` on, up to `low` or `high`, are those of a text
    `shift` further, allowing 0 to SKIPS others; return how far without."""
    skipped, reached, offset = _I(0), _I(0), _I(0)
    set_i64(ends, 0, reached)
    while low <= start + step * offset < high:
        position = start + step * offset
        offset += 1
        if stored_hash(at, position) == u64_at(at.hashes, position + shift):
            reached = offset
            set_i64(ends, skipped, reached)
        else:
            skipped += 1
            if skipped > SKIPS:
                break
            set_i64(ends, skipped, reached)
    for left in range(skipped + 1, SKIPS + 1):
        set_i64(ends, left, reached)
    return i64_at(ends, 0)


@kernel
def fill_present(at: Any, start: Any, stop: Any) -> None:
    """Make the bitmaps those of a stretch and its chunks."""
    set_i64(at.present_at, 0, start + 1)
    for word in range(PRESENT_WORDS):
        set_u64(at.present, word, _U(0))
    for word in range((((stop - start - 1) >> CHUNK_BITS) + 1) * CHUNK_WORDS):
        set_u64(at.chunks, word, _U(0))
    for place in range(start, stop):
        bit = present_bit(u64_at(at.hashes, place))
        set_bit(at.present, bit)
        chunk = (place - start) >> CHUNK_BITS
        set_bit(at.chunks, chunk * (64 * CHUNK_WORDS) + (bit & (64 * CHUNK_WORDS - 1)))


@inlined
def _in_chunks(at: Any, first: Any, stop: Any, bit: Any) -> Any:
    """Tell whether a token may be in some of a stretch's chunks."""
    bit = bit & (64 * CHUNK_WORDS - 1)
    word, found = bit >> 6, _U(0)
    for chunk in range(first, stop):
        found |= u64_at(at.chunks, chunk * CHUNK_WORDS + word)
    return (found >> _U(bit & 63)) & _U(1) != _U(0)


@kernel
def _in_stretch(at: Any, lead: Any, low: Any, high: Any) -> Any:
    """Tell, token by token, whether some window of a stretch has enough of a sub-item, or one that
    it leads."""
    for led in range(i64_at(at.led_starts, lead), i64_at(at.led_starts, lead + 1)):
        item = i64_at(at.led_items, led)
        width = window(i64_at(at.offsets, item + 1) - i64_at(at.offsets, item))
        if enough(at, item, i64_at(at.needed, item), width, low, high):
            return True
    return False


@kernel
def _in_window(at: Any, lead: Any, missing: Any, start: Any, stop: Any, more: Any) -> Any:
    """Tell whether some window of a stretch has enough of a sub-item: first by the chunks that
    windows lie in, then, where these could have it, token by token.

    Args:
        more: Whether windows that begin in the second half are another stretch's.
    """
    length = i64_at(at.offsets, lead + 1) - i64_at(at.offsets, lead) + need(at, lead, REACH)
    wide = ((window(length) + CHUNK - 2) >> CHUNK_BITS) + 1
    num_chunks = ((stop - start - 1) >> CHUNK_BITS) + 1
    num_windows = max(num_chunks - wide + 1, _I(1))
    if more:
        num_windows = min(num_windows, _I(SECTION >> CHUNK_BITS))
    begin, end = need(at, lead, HEAVY), need(at, lead, HEAVY_END)
    low, high = _I(-1), _I(-1)
    for first in range(num_windows):
        last, left = min(first + wide, num_chunks), missing
        for heavy in range(begin, end):
            token = u32_at(at.heavy, heavy)
            if not _in_chunks(at, first, last, token & 0xFFFF):
                left -= token >> 16
                if left < 0:
                    break
        if left >= 0:
            low = start + first * CHUNK if low < 0 else low
            high = min(stop, start + last * CHUNK)
        elif low >= 0:
            if _in_stretch(at, lead, low, high):
                return True
            low = _I(-1)
    return low >= 0 and _in_stretch(at, lead, low, high)


@inlined
def _could(at: Any, lead: Any, start: Any, stop: Any, more: Any) -> Any:
    """Tell whether a stretch could have enough of a sub-item, or one that it leads."""
    missing, loose = need(at, lead, MISSING), need(at, lead, LOOSE)
    if missing >= NEVER:
        return True
    if missing < 0 and loose >= NEVER:
        return False
    if i64_at(at.present_at, 0) != start + 1:
        fill_present(at, start, stop)
    left = missing
    for heavy in range(need(at, lead, HEAVY), need(at, lead, HEAVY_END)):
        if left < 0:
            break
        token = u32_at(at.heavy, heavy)
        if not _is_present(at, token & 0xFFFF):
            left -= token >> 16
    return (left >= 0 and _in_window(at, lead, missing, start, stop, more)) or (
        loose < NEVER and _stretch(at, lead) >= loose
    )


@kernel
def could_be(at: Any, item: Any, begin: Any, end: Any, row: Any) -> Any:
    """Tell whether a text that one bitmap holds could have enough of a sub-item; True for others,
    where nothing is screened, and where the item is kept."""
    if at.screened == 0 or end - begin > SHORT_TEXT or is_kept(at, item, row):
        return True
    lead = need(at, item, LEAD)
    state = at.states + lead * STATE_BYTES
    known = i64_at(state, JUDGED)
    if known >> 1 != row + 1:
        known = 2 * row + 2 + _I(_could(at, lead, begin, end, False))
        set_i64(state, JUDGED, known)
    return known & 1 != 0


@kernel
def settle(at: Any, begin: Any, end: Any, row: Any, first: Any, stop: Any) -> None:
    """Weigh the sub-items that n-grams of a text led to, pairs `first` to `stop`; keep the items of
    those that some stretch could have enough of."""
    if end - begin <= SHORT_TEXT:
        for pair in range(first, stop):
            item = i64_at(at.items, pair)
            if not is_kept(at, item, row) and could_be(at, item, begin, end, row):
                keep(at, item, row)
        return
    last = end - SECTION
    for start in range(begin, last, SECTION):
        for pair in range(first, stop):
            lead = need(at, i64_at(at.items, pair), LEAD)
            state, stretch = at.states + lead * STATE_BYTES, -1 - start - at.first_token
            if is_kept(at, lead, row) or i64_at(state, JUDGED) == stretch:
                continue
            set_i64(state, JUDGED, stretch)
            if _could(at, lead, start, min(end, start + 2 * SECTION), start + SECTION < last):
                keep(at, lead, row)


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
