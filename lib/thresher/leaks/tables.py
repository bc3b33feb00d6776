"""Tables from n-grams, whole items and pairs of rare tokens to where they stand in the items.

An n-gram is over-common in a benchmark when more than `limit` of its items, each text counted once,
have it, or when it lies within an allowed sequence; then that benchmark's entries are left out and
marked in `common`. Of the longer n only the n-grams are entered in which every shorter one is
over-common: the others are found by the shorter. What a sub-item has in common with the one that
leads it is entered for the leader only: who shares an n-gram with that shares it with both.

Shapes: I sub-items, T tokens, E entries.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.keys import (
    GONE,
    item_at,
    mark,
    mixed,
    pair_key,
    roll,
    slot_after,
    slot_of,
    tag_of,
)
from thresher.text.kernel import allocating, inlined, kernel

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
_GONE = _I(GONE)
PAIR = 0  # as n: entries are pairs
LEAST_WHOLE = 3  # tokens; a shorter sub-item is found only where it is a whole text
LEAST_WEAK = 12  # tokens of a sub-item that is looked for by rare tokens and numbers
BITS_PER_KEY = 10  # 3 % of other keys pass
SLOTS = 13  # for ten keys


class Stored(NamedTuple):
    """The stored tokens, as kernels read them; sub-items beyond `num_items` are allowed texts."""

    terms: Column  # (T,) uint32
    term_hash: Column  # (K,) uint64
    offsets: Column  # (items and allowed texts + 1,) int64
    blocks: Column  # (T / 32,) uint32: sub-item of every 32nd token
    num_items: int
    mask: np.uint64  # of a key: all ones, fewer bits in tests


class Counting(NamedTuple):
    """What tells an over-common n-gram."""

    bench: Column  # (I,) int32
    twin: Column  # (I,) int64
    limits: Column  # (benches,) int64


class Table(NamedTuple):
    """See `thresher.leaks.keys`."""

    slots: Column
    postings: Column
    bloom: Column
    tags: Column = np.empty(0, np.uint8)


NO_TABLE = Table(
    np.zeros(16, np.uint32), np.empty(0, np.uint32), np.zeros(1, np.uint64), np.zeros(16, np.uint8)
)


def blocks_of(offsets: Column) -> Column:
    """(T / 32,) uint32 sub-item of every 32nd token."""
    starts = np.arange(0, max(int(offsets[-1]), 1), 32)
    found: Column = (np.searchsorted(offsets, starts, "right") - 1).astype(np.uint32)
    return found


@inlined
def get_bit(bits: Any, position: Any) -> Any:
    """Return one bit of packed bits."""
    return (bits[position >> 3] >> (position & 7)) & 1


@kernel
def _places(
    offsets: Column, n: Any, shorter: Any, common: Column, found: Column, counting: Any
) -> Any:
    """Collect the places of n-grams in which every shorter one is over-common."""
    count = 0
    for item in range(offsets.shape[0] - 1):
        for position in range(offsets[item], offsets[item + 1] - n + 1):
            eligible = True
            if shorter > 0:
                for k in range(n - shorter + 1):
                    if get_bit(common, position + k) == 0:
                        eligible = False
                        break
            if eligible:
                if not counting:
                    found[count] = position << 2
                count += 1
    return count


@inlined
def _key(stored: Any, entry: Any, n: Any) -> Any:
    position, distance = _I(entry) >> 2, _I(entry) & 3
    terms, term_hash = stored.terms, stored.term_hash
    if n == PAIR:
        a = term_hash[terms[position]]
        return pair_key(a, term_hash[terms[position + distance]]) & stored.mask
    total = _U(0)
    for k in range(n):
        total = roll(total, term_hash[terms[position + k]])
    return mixed(total) & stored.mask


@inlined
def _equal(stored: Any, left: Any, right: Any, n: Any) -> Any:
    """Tell whether two entries have one key, by their tokens."""
    terms, term_hash = stored.terms, stored.term_hash
    p, q, distance = _I(left) >> 2, _I(right) >> 2, _I(left) & 3
    if n == PAIR:
        a, b = term_hash[terms[p]], term_hash[terms[p + distance]]
        c, d = term_hash[terms[q]], term_hash[terms[q + (_I(right) & 3)]]
        return (a == c and b == d) or (a == d and b == c)
    for k in range(n):
        if term_hash[terms[p + k]] != term_hash[terms[q + k]]:
            return False
    return True


@kernel
def _enter(
    stored: Any, entries: Column, n: Any, slots: Column, tags: Column, following: Column
) -> None:
    """Chain entries of one key; from the last on, so that chains run forwards."""
    size = _I(slots.shape[0])
    for index in range(entries.shape[0] - 1, -1, -1):
        entry = entries[index]
        key = _key(stored, entry, n)
        slot, tag = slot_of(key, size), tag_of(key)
        while tags[slot] != 0 and (
            tags[slot] != tag or not _equal(stored, entries[slots[slot] - 1], entry, n)
        ):
            slot = slot_after(slot, size)
        following[index] = slots[slot]
        slots[slot], tags[slot] = index + 1, tag


@allocating
def _settle(
    stored: Any,
    counting: Any,
    shared: Column,
    entries: Column,
    n: Any,
    slots: Column,
    following: Column,
    postings: Column,
    common: Column,
    seeded: Column,
) -> Any:
    """Turn chains into postings, without the over-common and what leaders have; return numbers of
    postings and keys."""
    limits = counting.limits
    no_limits = limits.shape[0] == 0
    counts = np.zeros(limits.shape[0], np.int64)
    counted = np.full(limits.shape[0], -1, np.int64)
    seen = np.full(stored.num_items, -1, np.int64)
    least = 1 << 60
    for limit in limits:
        least = min(least, limit)
    end, keys = 0, 0
    for slot in range(slots.shape[0]):
        if slots[slot] == 0:
            continue
        members, allowed = 0, False
        index = _I(slots[slot])
        while index > 0:
            position = _I(entries[index - 1]) >> 2
            allowed |= position >= stored.offsets[stored.num_items]
            members += 1
            index = _I(following[index - 1])
        counting_needed = not no_limits and not allowed and members > least
        index = _I(slots[slot])
        while counting_needed and index > 0:
            item = item_at(_I(entries[index - 1]) >> 2, stored.blocks, stored.offsets)
            home = counting.bench[item]
            if counted[home] != slot:
                counted[home], counts[home] = slot, 0
            if seen[counting.twin[item]] != slot:
                seen[counting.twin[item]] = slot
                counts[home] += 1
            index = _I(following[index - 1])
        start = end
        index = _I(slots[slot])
        while index > 0:
            entry = _I(entries[index - 1])
            index = _I(following[index - 1])
            position = entry >> 2
            if position >= stored.offsets[stored.num_items]:
                common[position >> 3] |= 1 << (position & 7)
                continue
            item = item_at(position, stored.blocks, stored.offsets)
            if allowed or (
                counting_needed and counts[counting.bench[item]] > limits[counting.bench[item]]
            ):
                common[position >> 3] |= 1 << (position & 7)
                continue
            seeded[item] = 1
            if shared[item] == 0 or position - stored.offsets[item] + n > shared[item]:
                postings[end] = entry << 1
                end += 1
        if end > start:
            postings[end - 1] |= 1
            slots[slot] = start + 1
            keys += 1
        else:
            slots[slot] = _GONE
    return end, keys


@kernel
def _pack(stored: Any, old: Column, postings: Column, n: Any, table: Any) -> None:
    """Enter the keys that are left into a table of their size, and into the bloom."""
    slots, tags, bloom = table.slots, table.tags, table.bloom
    size = _I(slots.shape[0])
    for start in old:
        if start == 0 or start == _GONE:
            continue
        key = _key(stored, postings[start - 1] >> 1, n)
        mark(bloom, key)
        slot = slot_of(key, size)
        while tags[slot] != 0:
            slot = slot_after(slot, size)
        slots[slot], tags[slot] = start, tag_of(key)


def make_table(
    stored: Stored,
    counting: Counting,
    entries: Column,
    n: int,
    common: Column,
    seeded: Column,
    shared: Column | None = None,
) -> Table:
    """Make the table of entries, in ascending order; mark over-common ones and seeded sub-items.

    Args:
        shared: (I,) int64 first tokens of each sub-item that are entered for its leader.
    """
    if shared is None:
        shared = np.zeros(stored.num_items, np.int64)
    size = len(entries) * SLOTS // 10 + 16
    slots, tags = np.zeros(size, np.uint32), np.zeros(size, np.uint8)
    following = np.empty(len(entries), np.uint32)
    _enter(stored, entries, n, slots, tags, following)
    del tags
    postings = np.empty(len(entries), np.uint32)
    end, keys = _settle(
        stored, counting, shared, entries, n, slots, following, postings, common, seeded
    )
    del following
    if end < len(entries):
        postings = postings[:end].copy()
    size = keys * SLOTS // 10 + 16
    bloom = np.zeros(keys * BITS_PER_KEY // 64 + 1, np.uint64)
    table = Table(np.zeros(size, np.uint32), postings, bloom, np.zeros(size, np.uint8))
    _pack(stored, slots, postings, n, table)
    return table


def gram_table(
    stored: Stored,
    counting: Counting,
    shared: Column,
    n: int,
    shorter: tuple[int, Column] | None,
    common: Column,
    seeded: Column,
) -> Table:
    """Make the table of n-grams; `shorter` is the next shorter n and what is over-common of it."""
    m, over = shorter or (0, common)
    nothing = np.empty(0, np.uint32)
    places = np.empty(int(_places(stored.offsets, n, m, over, nothing, True)), np.uint32)
    _places(stored.offsets, n, m, over, places, False)
    return make_table(stored, counting, places, n, common, seeded, shared)


@inlined
def _wanted(length: Any) -> Any:
    """Return how many pairs a sub-item is looked for by."""
    return 10 + length // 5 if length >= LEAST_WEAK else 0


@allocating
def _pairs(
    stored: Any, leading: Column, rare: Column, idf: Column, reach: Any, entries: Column
) -> Any:
    """Collect the pairs of rare tokens of leading sub-items that weigh most."""
    terms, offsets = stored.terms, stored.offsets
    longest = 0
    for i in range(stored.num_items):
        longest = max(longest, offsets[i + 1] - offsets[i])
    ranked = np.empty(reach * longest + 1, np.int64)
    count = 0
    for item in range(stored.num_items):
        begin, end = offsets[item], offsets[item + 1]
        wanted = _wanted(end - begin) if leading[item] else 0
        num = 0
        for position in range(begin, end if wanted > 0 else begin):
            a = terms[position]
            if not rare[a]:
                continue
            for distance in range(1, min(reach, end - 1 - position) + 1):
                b = terms[position + distance]
                if rare[b] and a != b:
                    code = ((position - begin) << 2) | distance
                    ranked[num] = ((_I(1) << 26) - idf[a] - idf[b]) << 34 | code
                    num += 1
        ranked[:num].sort()
        first = count
        for rank in range(num):
            if count - first == wanted:
                break
            code = ranked[rank] & ((_I(1) << 34) - 1)
            entry = (begin << 2) + code
            known = False
            before = rank - 1
            while before >= 0 and ranked[before] >> 34 == ranked[rank] >> 34 and not known:
                other = (begin << 2) + (ranked[before] & ((_I(1) << 34) - 1))
                known = _equal(stored, other, entry, PAIR)
                before -= 1
            if not known:
                entries[count] = entry
                count += 1
        for chosen in range(first + 1, count):  # few, and numba takes a second a type to sort
            entry, at = entries[chosen], chosen
            while at > first and entries[at - 1] > entry:
                entries[at] = entries[at - 1]
                at -= 1
            entries[at] = entry
    return count


def pair_table(
    stored: Stored, counting: Counting, leading: Column, rare: Column, idf: Column, reach: int
) -> Table:
    """Make the table of pairs of rare tokens: of each leading sub-item the 10 + L / 5 heaviest.

    A pair that is of more items than the limit is left out, as over-common n-grams are.
    """
    lengths = np.diff(stored.offsets[: stored.num_items + 1])
    room_needed = int((10 + lengths[lengths >= LEAST_WEAK] // 5).sum())
    entries = np.empty(room_needed, np.uint32)
    count = int(_pairs(stored, leading, rare, idf, reach, entries))
    common = np.zeros((len(stored.terms) >> 3) + 1, np.uint8)  # of no use for pairs
    seeded = np.zeros(stored.num_items, np.uint8)
    return make_table(stored, counting, entries[:count], PAIR, common, seeded)


def with_wholes(
    stored: Stored, counting: Counting, n: int, table: Table | None, chosen: Column
) -> Table:
    """Add sub-items to the table of n-grams, to be found only where all of them follows."""
    entries = (stored.offsets[chosen] << 2 | 1).astype(np.uint32)
    if table is not None:
        entries = np.sort(np.concatenate([table.postings >> 1, entries]))
    no_limits = Counting(counting.bench, counting.twin, np.empty(0, np.int64))
    common = np.zeros((len(stored.terms) >> 3) + 1, np.uint8)
    unused = np.zeros(stored.num_items, np.uint8)
    return make_table(stored, no_limits, entries, n, common, unused)
