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

from thresher.leaks.lanes import LANES, could, fill_coarse, first_lanes, need, stretches
from thresher.leaks.needs import (
    GROUP,
    LEAD,
    LOOSE,
    MISSING,
    NEVER,
    REACH,
    RUN_TOUCHES,
    SECTION,
    SHORT_TEXT,
    SKIPS,
    SPAN,
    TOUCHES,
)
from thresher.leaks.weak import stored_hash
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    i32_at,
    i64_at,
    set_i64,
    set_u32,
    set_u64,
    trailing_zeros,
    u64_at,
)

_U, _I = np.uint64, np.int64
# Of a sub-item's state: int32 row + 1 of the text that the next two are of; int32 whether a run was
# found; uint64 places of n-grams, a bit each, or each few; int64 the stretch that was last weighed:
# 2 row + 3 where it was heavy enough, 2 row + 2 where not; in a long text -1 - its first token;
# uint64 stretches of a long text that could have enough of it.
TOUCHED, RAN, PLACES, JUDGED, WHERE, STATE_BYTES = 0, 1, 1, 2, 3, 32


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
def could_be(at: Any, item: Any, begin: Any, end: Any, row: Any) -> Any:
    """Tell whether a text that one bitmap holds could have enough of a sub-item; True for others,
    where nothing is screened, and where the item is kept."""
    if at.screened == 0 or end - begin > SHORT_TEXT or is_kept(at, item, row):
        return True
    lead = need(at, item, LEAD)
    state = at.states + lead * STATE_BYTES
    known = i64_at(state, JUDGED)
    if known >> 1 != row + 1:
        known = 2 * row + 2 + _I(could(at, lead, begin, end, False))
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
    for start in range(begin, end - SECTION, LANES * SECTION):
        _settle_stretches(at, start, end, row, first, stop)


@kernel
def _settle_stretches(at: Any, start: Any, end: Any, row: Any, first: Any, stop: Any) -> None:
    """Settle by the next LANES stretches of a long text: first by which of them have each token,
    then one by one. `rows` of the pairs hold the sub-items that are left."""
    last = end - SECTION
    all_of = first_lanes((last - start + SECTION - 1) // SECTION)
    fill_coarse(at, start, end)
    num, some, mark = _I(0), _U(0), -1 - start - at.first_token
    for pair in range(first, stop):
        lead = need(at, i64_at(at.items, pair), LEAD)
        state = at.states + lead * STATE_BYTES
        if is_kept(at, lead, row) or i64_at(state, JUDGED) == mark:
            continue
        set_i64(state, JUDGED, mark)
        alive = all_of
        if need(at, lead, MISSING) >= NEVER:
            keep(at, lead, row)
            continue
        if need(at, lead, LOOSE) >= NEVER:
            alive = stretches(at, lead, all_of)
        if alive != _U(0):
            set_u64(state, WHERE, alive)
            set_i64(at.rows, first + num, lead)
            num, some = num + 1, some | alive
    while some != _U(0):
        lane = trailing_zeros(some)
        low = start + lane * SECTION
        for index in range(first, first + num):
            lead = i64_at(at.rows, index)
            alive = u64_at(at.states + lead * STATE_BYTES, WHERE)
            if (alive >> _U(lane)) & _U(1) == _U(0) or is_kept(at, lead, row):
                continue
            if could(at, lead, low, min(end, low + 2 * SECTION), low + SECTION < last):
                keep(at, lead, row)
        some &= some - _U(1)
