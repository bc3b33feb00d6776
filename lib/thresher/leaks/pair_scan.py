"""The part of the scan that finds sub-items by pairs of their rare tokens.

Shapes: T tokens, I sub-items.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.gram_scan import STRETCH, add_led
from thresher.leaks.keys import (
    REACH,
    item_at,
    maybe,
    mixed,
    slot_after,
    slot_of,
    spread,
    tag_of,
    token_bit,
)
from thresher.leaks.weak import SHORT_TEXT, enough, possible, window
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64


class Rare(NamedTuple):
    """What is looked for, and scratch.

    Attributes:
        table: From pairs to sub-items.
        tokens: A bitmap of the tokens that pairs are made of.
        weights: What a window must weigh.
        latest: (I, 3) int64 the last pair of each sub-item: row + 1 (negative where no window of
            the text is heavy enough), its place, which.
        places: (STRETCH + 1,) int64 of rare tokens.
        spreads: (STRETCH + 1,) uint64 their hashes, as they go into keys.
        ends, befores: (REACH * STRETCH + 1,) int64 both places of pairs that passed the bloom.
        keys: (REACH * STRETCH + 1,) uint64 of these.
    """

    table: Any
    tokens: Column
    weights: Any
    latest: Column
    places: Column
    spreads: Column
    ends: Column
    befores: Column
    keys: Column


def make_rare(table: Any, tokens: Column, weights: Any, num_items: int) -> Rare:
    """Allocate scratch for one thread."""
    pairs = REACH * STRETCH + 1
    return Rare(
        table,
        tokens,
        weights,
        np.zeros((num_items, 3), np.int64),
        np.empty(STRETCH + 1, np.int64),
        np.empty(STRETCH + 1, np.uint64),
        np.empty(pairs, np.int64),
        np.empty(pairs, np.int64),
        np.empty(pairs, np.uint64),
    )


@kernel
def _collect(hashes: Column, low: Any, first: Any, stop: Any, mask: Any, rare: Any) -> Any:
    """Collect the pairs that end in a stretch and pass the bloom; return how many.

    Of one place, the nearest partner comes first.
    """
    places, spreads, bloom = rare.places, rare.spreads, rare.table.bloom
    num = _I(0)
    for place in range(low, stop):
        value = hashes[place]
        places[num], spreads[num] = place, spread(value)
        num += _I(token_bit(rare.tokens, value))
    count = _I(0)
    for own in range(1, num):
        place = places[own]
        if place < first:
            continue
        for other in range(own - 1, max(-1, own - 1 - REACH), -1):
            if place - places[other] > REACH:
                break
            key = mixed(spreads[other] + spreads[own]) & mask
            rare.ends[count], rare.befores[count], rare.keys[count] = place, places[other], key
            count += _I(maybe(bloom, key))
    return count


@inlined
def _find(hashes: Any, place: Any, before: Any, key: Any, stored: Any, table: Any) -> Any:
    """Return where the postings of a pair begin, or -1."""
    slots, tags, postings = table.slots, table.tags, table.postings
    size, tag = _I(slots.shape[0]), tag_of(key)
    slot = slot_of(key, size)
    value, other = hashes[place], hashes[before]
    while tags[slot] != 0:
        if tags[slot] == tag:
            start = _I(slots[slot]) - 1
            entry = _I(postings[start]) >> 1
            a = stored.term_hash[stored.terms[entry >> 2]]
            b = stored.term_hash[stored.terms[(entry >> 2) + (entry & 3)]]
            if (a == value and b == other) or (a == other and b == value):
                return start
        slot = slot_after(slot, size)
    return _I(-1)


@kernel
def scan_pairs(
    hashes: Column, begin: Any, end: Any,
    stored: Any, grams: Any, rare: Any, bench: Any, row: Any, count: Any, found: Any,
) -> Any:  # fmt: skip
    """Add the sub-items that pairs of a text lead to; return the new count, or -1."""
    postings, latest, weights = rare.table.postings, rare.latest, rare.weights
    for first in range(begin, end, STRETCH - REACH):
        stop = min(first + STRETCH - REACH, end)
        num = _collect(hashes, max(begin, first - REACH), first, stop, stored.mask, rare)
        for hit in range(num):
            place, before = rare.ends[hit], rare.befores[hit]
            if hashes[place] == hashes[before]:
                continue
            start = _find(hashes, place, before, rare.keys[hit], stored, rare.table)
            if start < 0:
                continue
            index, last = start, _I(0)
            while last == 0:
                posting = _I(postings[index])
                last = posting & 1
                index += 1
                item = item_at(posting >> 3, stored.blocks, stored.offsets)
                if found.seen[item] == row + 1 or latest[item, 0] == -(row + 1):
                    continue
                width = window(stored.offsets[item + 1] - stored.offsets[item])
                follows = latest[item, 0] == row + 1 and place - latest[item, 1] <= width
                follows = follows and latest[item, 2] != start
                latest[item, 0], latest[item, 1], latest[item, 2] = row + 1, place, start
                if not follows:
                    continue
                if not possible(stored, weights, bench, item, hashes, begin, end, place):
                    if end - begin <= SHORT_TEXT:  # nor will it be at another place
                        latest[item, 0] = -(row + 1)
                    continue
                low, high = max(begin, place - width + 1), min(end, place + width)
                if not enough(stored, weights, bench, item, hashes, low, high):
                    if end - begin <= SHORT_TEXT and not enough(
                        stored, weights, bench, item, hashes, begin, end
                    ):
                        latest[item, 0] = -(row + 1)
                    continue
                count = add_led(grams, found, row, item, count)
                if count < 0:
                    return count
    return count
