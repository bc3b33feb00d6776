"""The part of the scan that finds sub-items by pairs of their rare tokens.

Shapes: T tokens, P pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.gram_scan import add_led
from thresher.leaks.keys import (
    REACH,
    maybe,
    mixed,
    slot_after,
    slot_of,
    spread,
    tag_of,
    token_bit,
)
from thresher.leaks.screen import could_be, is_kept
from thresher.leaks.weak import SHORT_TEXT, enough, needed_of, possible, window
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i32_at, i64_at, set_i64, set_u32, u32_at

if TYPE_CHECKING:
    from thresher.leaks.index import Index

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
NEAR = 2048  # tokens of a stretch; a window of an item of 1,275 is as long
MARKS, SEVERAL = 2048, 0xFFFFFFFF


class PairHits(NamedTuple):
    """Pairs of rare tokens that a block shares with sub-items.

    Attributes:
        ends: (P,) int64 `place << 2 | distance`: the second token and how far before it the first
            is; ascending, of one place the nearest first.
        starts: (P,) int64 where their postings begin.
    """

    ends: Column
    starts: Column


@kernel
def _rare(hashes: Column, tokens: Column, places: Column, spreads: Column) -> Any:
    """Collect the tokens that pairs are made of, behind REACH others that are near none; return
    how many."""
    for index in range(REACH):
        places[index], spreads[index] = -REACH - 1, _U(0)
    num = _I(REACH)
    for place in range(hashes.shape[0]):
        value = hashes[place]
        places[num], spreads[num] = place, spread(value)
        num += _I(token_bit(tokens, value))
    return num


@kernel
def _collect(
    places: Column, spreads: Column, mask: Any, bloom: Column, first: Any, ends: Column,
    keys: Column,
) -> Any:  # fmt: skip
    """Collect the pairs that pass the bloom, up to where room ends.

    Returns:
        Where to go on, and how many there are.
    """
    count, own = _I(0), first
    while own < places.shape[0] and count + REACH < ends.shape[0]:
        place, value = places[own], spreads[own]
        for before in range(1, REACH + 1):  # without a branch: none could be foreseen
            distance = place - places[own - before]
            key = mixed(spreads[own - before] + value) & mask
            ends[count], keys[count] = place << 2 | distance, key
            count += _I(maybe(bloom, key) & (distance <= REACH))
        own += 1
    return own, count


@kernel
def _narrow(hashes: Column, stored: Any, table: Any, num: Any, ends: Column, keys: Column) -> Any:
    """Keep the pairs that are in the table; keys become where postings begin. Return how many."""
    slots, tags, postings, size = table.slots, table.tags, table.postings, _I(table.slots.shape[0])
    terms, term_hash = stored.terms, stored.term_hash
    left = _I(0)
    for hit in range(num):
        key, end = keys[hit], ends[hit]
        slot, tag = slot_of(key, size), tag_of(key)
        while tags[slot] != 0 and tags[slot] != tag:
            slot = slot_after(slot, size)
        ends[left], keys[left] = end, _U(slot)
        left += _I(tags[slot] != 0)
    kept = _I(0)
    for hit in range(left):
        end, slot = ends[hit], _I(keys[hit])
        tag, place = tags[slot], end >> 2
        value, other = hashes[place], hashes[place - (end & 3)]
        while tags[slot] != 0:
            if tags[slot] == tag:
                entry = _I(postings[_I(slots[slot]) - 1]) >> 1
                a = term_hash[terms[entry >> 2]]
                b = term_hash[terms[(entry >> 2) + (entry & 3)]]
                if (a == value and b == other) or (a == other and b == value):
                    break
            slot = slot_after(slot, size)
        ends[kept], keys[kept] = end, _U(slots[slot]) - _U(1)
        kept += _I(tags[slot] != 0 and value != other)
    return kept


def find_pairs(index: Index, hashes: Column) -> PairHits:
    """Find all pairs of rare tokens of a block, whichever texts they are of."""
    table, stored = index.table("pair"), index.stored
    nothing = np.zeros(0, np.int64)
    if not len(table.postings) or not len(hashes):
        return PairHits(nothing, nothing)
    room = len(hashes) + REACH + 1
    places, spreads = np.empty(room, np.int64), np.empty(room, np.uint64)
    num = int(_rare(hashes, index["pair_tokens"], places, spreads))
    places, spreads = places[:num], spreads[:num]
    room = num + REACH + 1
    ends, keys = np.empty(room, np.int64), np.empty(room, np.uint64)
    found, own = [(nothing, nothing)], REACH
    while own < num:
        own, count = _collect(places, spreads, stored.mask, table.bloom, own, ends, keys)
        count = int(_narrow(hashes, stored, table, count, ends, keys))
        found.append((ends[:count].copy(), keys[:count].view(np.int64).copy()))
    return PairHits(*(np.concatenate([one[part] for one in found]) for part in (0, 1)))


@inlined
def _mark(at: Any, hit: Any) -> None:
    """Mark a pair for each sub-item that has it."""
    stretch = (i64_at(at.pair_ends, hit) >> 2) // NEAR
    index, last = i64_at(at.pair_starts, hit), _I(0)
    marks = at.pair_marks + (stretch % 3) * (4 * MARKS)
    mark = index + 1
    while last == 0:
        last = u32_at(at.pair_postings, index) & 1
        slot = u32_at(at.pair_items, index) & (MARKS - 1)
        index += 1
        known = u32_at(marks, slot)
        set_u32(marks, slot, mark if known == 0 or known == mark else _I(SEVERAL))


@inlined
def _unmark(at: Any, hit: Any) -> None:
    index, last = i64_at(at.pair_starts, hit), _I(0)
    marks = at.pair_marks + ((i64_at(at.pair_ends, hit) >> 2) // NEAR % 3) * (4 * MARKS)
    while last == 0:
        last = u32_at(at.pair_postings, index) & 1
        set_u32(marks, u32_at(at.pair_items, index) & (MARKS - 1), _I(0))
        index += 1


@inlined
def _marked_once(at: Any, item: Any) -> Any:
    """Tell whether the stretches around a place have one pair of a sub-item only."""
    slot, marks = item & (MARKS - 1), at.pair_marks
    a, b, c = u32_at(marks, slot), u32_at(marks, MARKS + slot), u32_at(marks, 2 * MARKS + slot)
    most = max(a, b, c)
    once = (a == 0 or a == most) and (b == 0 or b == most) and (c == 0 or c == most)
    return once and most != SEVERAL


@kernel
def _enter(at: Any, begin: Any, end: Any, row: Any, hit: Any, again: Any, count: Any) -> Any:
    """Add the sub-items that a pair of a text leads to; return the new count, or -1."""
    code, start = i64_at(at.pair_ends, hit), i64_at(at.pair_starts, hit)
    place = code >> 2
    if place - (code & 3) < begin:
        return count
    index, last = start, _I(0)
    while last == 0:
        last = u32_at(at.pair_postings, index) & 1
        item = u32_at(at.pair_items, index)
        index += 1
        if at.near_enough != 0 and _marked_once(at, item):
            continue
        latest = at.latest + (item << 4)
        known = i32_at(latest, 0)
        if again:
            out = i32_at(latest, 3)
            if abs(out) != row + 1 or not is_kept(at, item, row):
                continue
            if out > 0:
                set_u32(latest, 3, -row - 1)
                known = _I(0)
        if known == -(row + 1) or i32_at(at.seen, item) == row + 1:
            continue
        width = window(i64_at(at.offsets, item + 1) - i64_at(at.offsets, item))
        follows = known == row + 1 and place - begin - i32_at(latest, 1) <= width
        follows = follows and u32_at(latest, 2) != start
        set_u32(latest, 0, row + 1)
        set_u32(latest, 1, place - begin)
        set_u32(latest, 2, start)
        if not follows:
            continue
        if not could_be(at, item, begin, end, row):
            set_u32(latest, 0, -row - 1)
            set_u32(latest, 3, row + 1)
            set_i64(at.screened_out, 0, row + 1)
            continue
        if not possible(at, item, at.pairs_floor, begin, end, place):
            if end - begin <= SHORT_TEXT:  # nor will it be at another place
                set_u32(latest, 0, -row - 1)
            continue
        low, high = max(begin, place - width + 1), min(end, place + width)
        needed = needed_of(at, item, at.pairs_floor)
        if not enough(at, item, needed, width, low, high):
            if end - begin <= SHORT_TEXT and not enough(at, item, needed, width, begin, end):
                set_u32(latest, 0, -row - 1)
            continue
        count = add_led(at, row, item, count)
        if count < 0:
            return count
    return count


@kernel
def enter_pairs(at: Any, begin: Any, end: Any, row: Any, hit: Any, again: Any, count: Any) -> Any:
    """Add the sub-items that pairs of a text, from one on, lead to.

    A sub-item needs two different ones within a window: where the stretch around a place has one
    pair of it only, it is not looked at.

    Args:
        again: Whether to look at those alone that were screened out and are kept after all.

    Returns:
        The first pair of the next text; the new count, or -1.
    """
    first, ahead, stretch = hit, hit, _I(-1)
    while hit < at.num_pairs and i64_at(at.pair_ends, hit) >> 2 < end and count >= 0:
        own = (i64_at(at.pair_ends, hit) >> 2) // NEAR
        if own != stretch:
            for old in range(own + 1 if stretch >= 0 else own + 2, own + 2):
                for slot in range(MARKS if stretch >= 0 else 0):
                    set_u32(at.pair_marks, old % 3 * MARKS + slot, _I(0))
            stretch = own
            stop = min(end, (own + 2) * NEAR)
            while ahead < at.num_pairs and i64_at(at.pair_ends, ahead) >> 2 < stop:
                _mark(at, ahead)
                ahead += 1
        count = _enter(at, begin, end, row, hit, again, count)
        hit += 1
    while first < ahead:
        _unmark(at, first)
        first += 1
    return hit, count
