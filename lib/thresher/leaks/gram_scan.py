"""The part of the scan that finds sub-items by n-grams, and whole ones.

The shortest n of the index, whose table has nearly all keys, is looked for at every place of a
text. The other tables are small: longer n-grams of which every shorter one is over-common, and
whole sub-items that nothing else finds. They are looked into only where a text has the first tokens
of one of their entries. Places that pass a bloom are collected before any table is read, so that
the reads, most of which miss the processor's caches, do not wait for each other.

Shapes: T tokens, I sub-items, G tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.keys import (
    item_at,
    maybe,
    mixed,
    power,
    roll,
    same_gram,
    slot_after,
    slot_of,
    tag_of,
)
from thresher.leaks.tables import LEAST_WHOLE, NO_TABLE, Table
from thresher.text.kernel import inlined, kernel

if TYPE_CHECKING:
    from thresher.leaks.index import Index

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
STRETCH = 1024  # tokens of which the places that pass a bloom are collected


class Grams(NamedTuple):
    """What is looked for.

    Attributes:
        n: Tokens of the n-grams that are looked for at every place.
        table: Of these.
        others: The G small tables, one behind the other.
        bounds: (G + 1, 4) int64 where each begins: slots, postings, bloom, tags.
        lengths: (G,) int64 tokens of their n-grams or sub-items.
        openings: A bloom of their entries' first tokens.
        oldest, oldest_opening: BASE^n, BASE^LEAST_WHOLE.
        led_starts, led_items: (I + 1,) and (I,) int64 sub-items that each sub-item leads.
    """

    n: int
    table: Any
    others: Any
    bounds: Column
    lengths: Column
    openings: Column
    oldest: Any
    oldest_opening: Any
    led_starts: Column
    led_items: Column


class Hits(NamedTuple):
    """Scratch: places that passed a bloom."""

    places: Column  # (STRETCH,) int64
    keys: Column  # (STRETCH,) uint64
    slots: Column  # (STRETCH,) int64: where their tags are
    positions: Column  # (STRETCH,) int64: in the stored tokens


class Found(NamedTuple):
    """Candidate pairs as they are found, and which sub-items a text has been found to have.

    `seen` of a sub-item is row + 1 where it was found with all that it leads, -(row + 1) where it
    was found alone.
    """

    rows: Column  # int64
    items: Column  # int64
    seen: Column  # (I,) int32


def frozen(array: Column) -> Column:
    """Return a view that kernels take, whoever owns the array."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


def make_hits() -> Hits:
    """Allocate scratch."""
    places, slots, positions = (np.empty(STRETCH, np.int64) for _ in range(3))
    return Hits(places, np.empty(STRETCH, np.uint64), slots, positions)


def grams_of(index: Index) -> Grams:
    """Return what of an index is looked for."""
    n = index.ngrams[0]
    lengths = [*index.ngrams[1:], *index.whole_lengths]
    tables = [index.table(f"gram{other}") for other in lengths]
    sizes = [[len(part) for part in table] for table in tables]
    bounds = np.zeros((len(tables) + 1, len(Table._fields)), np.int64)
    bounds[1:] = np.cumsum(np.array(sizes, np.int64).reshape(-1, len(Table._fields)), axis=0)
    parts = zip(*(tables or [NO_TABLE]), strict=True)
    return Grams(
        n,
        index.table(f"gram{n}"),
        Table(*(frozen(np.concatenate(part)) for part in parts)),
        bounds,
        np.array(lengths, np.int64),
        index["opening_bloom"],
        power(n),
        power(LEAST_WHOLE),
        index["led_starts"],
        index["led_items"],
    )


@inlined
def _other(grams: Any, which: Any) -> Any:
    """Return one of the small tables."""
    all_of, bounds = grams.others, grams.bounds
    return Table(
        all_of.slots[bounds[which, 0] : bounds[which + 1, 0]],
        all_of.postings[bounds[which, 1] : bounds[which + 1, 1]],
        all_of.bloom[bounds[which, 2] : bounds[which + 1, 2]],
        all_of.tags[bounds[which, 3] : bounds[which + 1, 3]],
    )


@inlined
def add_led(grams: Any, found: Any, row: Any, item: Any, count: Any) -> Any:
    """Add a sub-item and all that it leads; return the new count, or -1 without room."""
    start, stop = grams.led_starts[item], grams.led_starts[item + 1]
    if count + 1 + stop - start > found.rows.shape[0]:
        return _I(-1)
    seen = found.seen
    if abs(seen[item]) != row + 1:
        found.rows[count], found.items[count] = row, item
        count += 1
    seen[item] = row + 1
    for at in range(start, stop):
        led = grams.led_items[at]
        if abs(seen[led]) != row + 1:
            found.rows[count], found.items[count] = row, led
            count += 1
            seen[led] = row + 1
    return count


@inlined
def _tagged(tags: Any, key: Any) -> Any:
    """Return the first slot with the tag of a key, from where the key's search begins, or -1."""
    size, tag = _I(tags.shape[0]), tag_of(key)
    slot = slot_of(key, size)
    while tags[slot] != 0:
        if tags[slot] == tag:
            return slot
        slot = slot_after(slot, size)
    return _I(-1)


@kernel
def _enter(
    hashes: Column, end: Any, place: Any, slot: Any, n: Any,
    stored: Any, grams: Any, table: Any, row: Any, count: Any, found: Any,
) -> Any:  # fmt: skip
    """Add the sub-items that have the n-gram at a place; return the new count, or -1.

    Args:
        slot: The first with the tag of the n-gram's key.
    """
    slots, tags, postings = table.slots, table.tags, table.postings
    size, tag = _I(slots.shape[0]), tags[slot]
    while tags[slot] != 0:
        if tags[slot] == tag:
            first = _I(postings[_I(slots[slot]) - 1]) >> 3
            if same_gram(stored.terms, stored.term_hash, first, hashes, place, n):
                break
        slot = slot_after(slot, size)
    if tags[slot] == 0:
        return count
    index = _I(slots[slot]) - 1
    last = _I(0)
    while last == 0:
        posting = _I(postings[index])
        last = posting & 1
        index += 1
        position = posting >> 3
        item = item_at(position, stored.blocks, stored.offsets)
        if abs(found.seen[item]) == row + 1:
            continue
        if (posting >> 1) & 3:  # all of the sub-item must follow
            length = stored.offsets[item + 1] - position
            if end - place < length or not same_gram(
                stored.terms, stored.term_hash, position, hashes, place, length
            ):
                continue
            if count == found.rows.shape[0]:
                return _I(-1)
            found.seen[item] = -(row + 1)
            found.rows[count], found.items[count] = row, item
            count += 1
        else:
            count = add_led(grams, found, row, item, count)
            if count < 0:
                return count
    return count


@inlined
def _gram_key(hashes: Any, place: Any, n: Any, mask: Any) -> Any:
    total = _U(0)
    for k in range(n):
        total = roll(total, hashes[place + k])
    return mixed(total) & mask


@kernel
def _collect(
    hashes: Column, first: Any, stop: Any, n: Any, mask: Any, oldest: Any, bloom: Column, hits: Any
) -> Any:
    """Collect places from `first` to `stop` whose n-gram passes the bloom; return how many."""
    num = _I(0)
    total = _U(0)
    for place in range(first, first + n - 1):
        total = roll(total, hashes[place])
    change = _U(0)
    for place in range(first, stop):
        total = roll(total, hashes[place + n - 1] - change)
        change = hashes[place] * oldest
        key = mixed(total) & mask
        hits.places[num], hits.keys[num] = place, key
        num += _I(maybe(bloom, key))
    return num


@kernel
def _narrow(hashes: Column, stored: Any, table: Any, num: Any, hits: Any) -> Any:
    """Keep the hits whose tag is in the table with the first token, or more than one; return how
    many. Each step is a loop of its own, so that reads of different hits overlap."""
    slots, postings, size = table.slots, table.postings, _I(table.slots.shape[0])
    left = _I(0)
    for hit in range(num):
        slot = _tagged(table.tags, hits.keys[hit])
        hits.places[left], hits.keys[left], hits.slots[left] = (
            hits.places[hit],
            hits.keys[hit],
            slot,
        )
        left += _I(slot >= 0)
    for hit in range(left):
        hits.positions[hit] = _I(postings[_I(slots[hits.slots[hit]]) - 1]) >> 3
    for hit in range(left):
        hits.positions[hit] = _I(stored.terms[hits.positions[hit]])
    kept = _I(0)
    for hit in range(left):
        slot = hits.slots[hit]
        same = stored.term_hash[hits.positions[hit]] == hashes[hits.places[hit]]
        alone = table.tags[slot_after(slot, size)] == 0
        hits.places[kept], hits.slots[kept] = hits.places[hit], slot
        kept += _I(same or not alone)
    return kept


@kernel
def scan_grams(
    hashes: Column, begin: Any, end: Any,
    stored: Any, grams: Any, hits: Any, row: Any, count: Any, found: Any,
) -> Any:  # fmt: skip
    """Add the sub-items that n-grams of a text lead to; return the new count, or -1."""
    lengths, mask = grams.lengths, stored.mask
    n, table = grams.n, grams.table
    length = end - begin
    if length < LEAST_WHOLE:
        for which in range(lengths.shape[0]):
            if lengths[which] == length:
                slot = _tagged(_other(grams, which).tags, _gram_key(hashes, begin, length, mask))
                if slot >= 0:
                    count = _enter(
                        hashes, end, begin, slot, length,
                        stored, grams, _other(grams, which), row, count, found,
                    )  # fmt: skip
        return count
    for first in range(begin, end, STRETCH):
        stop = min(first + STRETCH, end - n + 1)
        num = 0
        if stop > first:
            num = _collect(hashes, first, stop, n, mask, grams.oldest, table.bloom, hits)
            num = _narrow(hashes, stored, table, num, hits)
        for hit in range(num):
            count = _enter(
                hashes, end, hits.places[hit], hits.slots[hit], n,
                stored, grams, table, row, count, found,
            )  # fmt: skip
            if count < 0:
                return count
        if lengths.shape[0] == 0:
            continue
        stop = min(first + STRETCH, end - LEAST_WHOLE + 1)
        num = 0
        if stop > first:
            num = _collect(
                hashes, first, stop, _I(LEAST_WHOLE), mask,
                grams.oldest_opening, grams.openings, hits,
            )  # fmt: skip
        for hit in range(num):
            place = hits.places[hit]
            for which in range(lengths.shape[0]):
                own = lengths[which]
                if own < LEAST_WHOLE or place + own > end:
                    continue
                key, other = _gram_key(hashes, place, own, mask), _other(grams, which)
                slot = _tagged(other.tags, key) if maybe(other.bloom, key) else _I(-1)
                if slot < 0:
                    continue
                count = _enter(
                    hashes, end, place, slot, own,
                    stored, grams, other, row, count, found,
                )  # fmt: skip
                if count < 0:
                    return count
    return count
