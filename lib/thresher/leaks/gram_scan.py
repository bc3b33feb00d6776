"""The part of the scan that finds sub-items by n-grams, and whole ones.

Most places of a text fall through a sieve: a bitmap, small enough for a core's own cache, of all
runs of three tokens in entries. The shortest n of the index, whose table has nearly all keys, is
looked for where all its runs are in the bitmap. The other tables are small: longer n-grams of which
every shorter one is over-common, and whole sub-items that nothing else finds. They are looked into
only where a text has the first tokens of one of their entries. Places that pass a bloom are
collected before any table is read, so that the reads, most of which miss the processor's caches, do
not wait for each other.

Shapes: R texts, T tokens, I sub-items, H hits, G tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.keys import (
    maybe,
    mixed,
    roll,
    same_gram,
    slot_after,
    slot_of,
    tag_of,
)
from thresher.leaks.screen import is_kept, keep, touch
from thresher.leaks.sieve import TRIPLE, in_a_row, sift
from thresher.leaks.tables import LEAST_WHOLE
from thresher.leaks.weak import stored_hash
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import (
    i32_at,
    i64_at,
    set_i64,
    set_u32,
    u8_at,
    u32_at,
    u64_at,
)

if TYPE_CHECKING:
    from thresher.leaks.index import Index

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64


class GramHits(NamedTuple):
    """N-grams that a block shares with sub-items, by place.

    Attributes:
        places: (H,) int64 first tokens, ascending.
        starts: (H,) int64 where their postings begin.
        tables: (H,) uint8 in which table.
        lengths: (G,) int64 tokens of the n-grams or sub-items of each table.
        postings: Of each table.
    """

    places: Column
    starts: Column
    tables: Column
    lengths: Column
    postings: tuple[Column, ...]


def frozen(array: Column) -> Column:
    """Return a view that kernels take, whoever owns the array."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


@kernel
def _collect(
    hashes: Column, n: Any, mask: Any, bloom: Column, num: Any, places: Column, keys: Column
) -> Any:
    """Keep the places whose n-gram passes the bloom; return how many."""
    left = _I(0)
    for hit in range(num):
        place, total = places[hit], _U(0)
        for k in range(place, place + n):
            total = roll(total, hashes[k])
        key = mixed(total) & mask
        places[left], keys[left] = place, key
        left += _I(maybe(bloom, key))
    return left


@kernel
def _narrow(
    hashes: Column, n: Any, stored: Any, table: Any, num: Any, places: Column, keys: Column
) -> Any:
    """Keep the hits that are in the table; keys become where postings begin. Return how many.

    Each step is a loop of its own, so that reads of different hits overlap.
    """
    slots, tags, postings, size = table.slots, table.tags, table.postings, _I(table.slots.shape[0])
    terms, term_hash = stored.terms, stored.term_hash
    left = _I(0)
    for hit in range(num):
        key, place = keys[hit], places[hit]
        slot, tag = slot_of(key, size), tag_of(key)
        while tags[slot] != 0 and tags[slot] != tag:
            slot = slot_after(slot, size)
        places[left], keys[left] = place, _U(slot)
        left += _I(tags[slot] != 0)
    kept = _I(0)
    for hit in range(left):
        place, slot = places[hit], _I(keys[hit])
        tag = tags[slot]
        while tags[slot] != 0:
            if tags[slot] == tag:
                first = _I(postings[_I(slots[slot]) - 1]) >> 3
                if same_gram(terms, term_hash, first, hashes, place, n):
                    break
            slot = slot_after(slot, size)
        places[kept], keys[kept] = place, _U(slots[slot]) - _U(1)
        kept += _I(tags[slot] != 0)
    return kept


@kernel
def _look_for(
    hashes: Column, stored: Any, table: Any, n: Any, places: Column, found: Column, starts: Column
) -> Any:  # fmt: skip
    """Find the n-grams at some places in a small table; return how many there are."""
    slots, tags, postings, size = table.slots, table.tags, table.postings, _I(table.slots.shape[0])
    num = _I(0)
    for place in places:
        if place + n > hashes.shape[0]:
            continue
        total = _U(0)
        for k in range(n):
            total = roll(total, hashes[place + k])
        key = mixed(total) & stored.mask
        if not maybe(table.bloom, key):
            continue
        slot, tag = slot_of(key, size), tag_of(key)
        while tags[slot] != 0:
            if tags[slot] == tag:
                first = _I(postings[_I(slots[slot]) - 1]) >> 3
                if same_gram(stored.terms, stored.term_hash, first, hashes, place, n):
                    found[num], starts[num] = place, _I(slots[slot]) - 1
                    num += 1
                    break
            slot = slot_after(slot, size)
    return num


def find_grams(index: Index, hashes: Column, offsets: Column) -> GramHits:
    """Find all n-grams of a block, and whole sub-items, whichever texts they are of.

    Args:
        index: The items.
        hashes: (T,) uint64 tokens.
        offsets: (R + 1,) int64 where the texts begin.
    """
    n, stored = index.ngrams[0], index.stored
    others = (*index.ngrams[1:], *index.whole_lengths)
    table = index.table(f"gram{n}")
    postings = [table.postings, *(index[f"gram{other}_postings"] for other in others)]
    triples, openings = sift(hashes, index["triples"], index["openings"], n)
    room = len(hashes) + 1
    places, keys = np.empty(room, np.int64), np.empty(room, np.uint64)
    num = int(in_a_row(triples, n - TRIPLE + 1, places))
    num = int(_collect(hashes, n, stored.mask, table.bloom, num, places, keys))
    num = int(_narrow(hashes, n, stored, table, num, places, keys))
    found = [(places[:num], keys[:num].view(np.int64))]
    if any(map(len, postings[1:])):
        opened = np.empty(room, np.int64)
        opened = opened[: int(in_a_row(openings, 1, opened))]
        for own in others:
            # What is shorter counts only as a whole text.
            at = opened if own >= LEAST_WHOLE else offsets[:-1][np.diff(offsets) == own]
            mine = np.empty(len(at), np.int64), np.empty(len(at), np.int64)
            num = int(_look_for(hashes, stored, index.table(f"gram{own}"), own, at, *mine))
            found.append((mine[0][:num], mine[1][:num]))
    tables = np.repeat(np.arange(len(found)), [len(one[0]) for one in found]).astype(np.uint8)
    places, starts = (np.concatenate([one[part] for one in found]) for part in (0, 1))
    if any(len(one[0]) for one in found[1:]):
        order = np.argsort(places, kind="stable")
        places, starts, tables = places[order], starts[order], tables[order]
    return GramHits(places, starts, tables, np.array([n, *others], np.int64), tuple(postings))


@inlined
def _add(at: Any, row: Any, item: Any, count: Any) -> None:
    set_i64(at.rows, count, row)
    set_i64(at.items, count, item)


@inlined
def add_led(at: Any, row: Any, item: Any, count: Any) -> Any:
    """Add a sub-item and all that it leads; return the new count, or -1 without room."""
    start, stop = i64_at(at.led_starts, item), i64_at(at.led_starts, item + 1)
    if count + 1 + stop - start > at.room:
        return _I(-1)
    if abs(i32_at(at.seen, item)) != row + 1:
        _add(at, row, item, count)
        count += 1
    set_u32(at.seen, item, row + 1)
    for index in range(start, stop):
        led = i64_at(at.led_items, index)
        if abs(i32_at(at.seen, led)) != row + 1:
            _add(at, row, led, count)
            count += 1
            set_u32(at.seen, led, row + 1)
    return count


@inlined
def stored_item(at: Any, position: Any) -> Any:
    """Return the sub-item that a stored token belongs to."""
    item = u32_at(at.blocks, position >> 5)
    while i64_at(at.offsets, item + 1) <= position:
        item += 1
    return item


@inlined
def _follows(at: Any, position: Any, place: Any, length: Any) -> Any:
    """Tell whether stored tokens are those of a text."""
    for k in range(length):
        if stored_hash(at, position + k) != u64_at(at.hashes, place + k):
            return False
    return True


@kernel
def enter_gram(at: Any, begin: Any, end: Any, row: Any, hit: Any, count: Any) -> Any:
    """Add the sub-items that have an n-gram of a text; return the new count, or -1."""
    place, table = i64_at(at.hit_places, hit), u8_at(at.hit_tables, hit)
    n, postings = i64_at(at.table_lengths, table), i64_at(at.table_postings, table)
    if place + n > end:
        return count
    index, last = i64_at(at.hit_starts, hit), _I(0)
    while last == 0:
        posting = u32_at(postings, index)
        last = posting & 1
        index += 1
        position = posting >> 3
        item = stored_item(at, position)
        whole = (posting >> 1) & 3 != 0
        if whole:  # all of the sub-item must follow
            length = i64_at(at.offsets, item + 1) - position
            if end - place < length or not _follows(at, position, place, length):
                continue
        if at.screened != 0 and not is_kept(at, item, row):
            if table == 0 and not whole:
                touch(at, begin, end, place, item, position, n, row)
            else:
                keep(at, item, row)
        if abs(i32_at(at.seen, item)) == row + 1:
            continue
        if not whole:
            count = add_led(at, row, item, count)
            if count < 0:
                return count
            continue
        if count == at.room:
            return _I(-1)
        _add(at, row, item, count)
        set_u32(at.seen, item, -row - 1)
        count += 1
    return count
