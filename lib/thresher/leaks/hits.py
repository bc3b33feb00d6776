"""Which n-grams of a sub-item a text has, place by place, and what they cover.

Every hit is compared token for token. The cost is linear in the texts, once for each, and in the
sub-items, once for each pair.

Shapes: C pairs, T tokens of all their sub-items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.keys import mixed, roll, same_gram, slot_after, slot_of
from thresher.leaks.tables import Stored, get_bit
from thresher.text.kernel import inlined, kernel

if TYPE_CHECKING:
    from thresher.leaks.scan import Pairs

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
_SPARE = 16


class Hits(NamedTuple):
    """Shared n-grams of pairs.

    Attributes:
        offsets: (C + 1,) int64: the tokens of pair c's sub-item lie between offsets c and c + 1.
        flags: (T,) uint8: whether the n-gram that begins at a token is in the text and counts.
    """

    offsets: Column
    flags: Column


def room_for(longest: int) -> Column:
    """Return a table for texts of up to `longest` tokens."""
    return np.zeros(2 * longest + _SPARE, np.int32)


@inlined
def _key(hashes: Any, start: Any, n: Any) -> Any:
    total = _U(0)
    for k in range(n):
        total = roll(total, hashes[start + k])
    return mixed(total)


@inlined
def _same(hashes: Any, left: Any, right: Any, n: Any) -> Any:
    for k in range(n):
        if hashes[left + k] != hashes[right + k]:
            return False
    return True


@kernel
def enter_grams(hashes: Column, begin: Any, end: Any, n: Any, slots: Column) -> tuple[Any, Any]:
    """Enter the n-grams of a text into a table; return the table's size and the different ones."""
    count = end - begin - n + 1
    if count <= 0:
        return _I(0), _I(0)
    size = _I(2 * count + _SPARE)
    slots[:size] = 0
    distinct = _I(0)
    for start in range(begin, end - n + 1):
        slot = slot_of(_key(hashes, start, n), size)
        while slots[slot] != 0 and not _same(hashes, begin + slots[slot] - 1, start, n):
            slot = slot_after(slot, size)
        if slots[slot] == 0:
            slots[slot] = start - begin + 1
            distinct += 1
    return size, distinct


@inlined
def find_gram(
    stored: Any, position: Any, n: Any, hashes: Any, begin: Any, slots: Any, size: Any
) -> Any:
    """Return the slot of a stored n-gram in the table of a text, or -1."""
    if size == 0:
        return _I(-1)
    total = _U(0)
    for k in range(n):
        total = roll(total, stored.term_hash[stored.terms[position + k]])
    slot = slot_of(mixed(total), size)
    while slots[slot] != 0:
        place = begin + slots[slot] - 1
        if same_gram(stored.terms, stored.term_hash, position, hashes, place, n):
            return slot
        slot = slot_after(slot, size)
    return _I(-1)


@kernel
def _find(
    hashes: Column,
    offsets: Column,
    segments: Column,
    items: Column,
    stored: Any,
    common: Column,
    n: Any,
    slots: Column,
    starts: Column,
    flags: Column,
) -> None:
    before, size = _I(-1), _I(0)
    for pair in range(items.shape[0]):
        segment, item = segments[pair], items[pair]
        if segment != before:
            before = segment
            size, _ = enter_grams(hashes, offsets[segment], offsets[segment + 1], n, slots)
        first = stored.offsets[item]
        for position in range(first, stored.offsets[item + 1] - n + 1):
            if get_bit(common, position) != 0:
                continue
            slot = find_gram(stored, position, n, hashes, offsets[segment], slots, size)
            flags[starts[pair] + position - first] = slot >= 0


def find_hits(
    stored: Stored, common: Column, hashes: Column, offsets: Column, pairs: Pairs, n: int
) -> Hits:
    """Find the n-grams of sub-items that texts have.

    Args:
        stored: The tokens of the sub-items.
        common: A bit for each of them: the n-gram that begins there does not count.
        hashes, offsets: The tokens of the texts.
        pairs: Best in the order of `scan`: a text is entered anew where the segment changes.
        n: Tokens of an n-gram.
    """
    lengths = (stored.offsets[pairs.items + 1] - stored.offsets[pairs.items]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flags = np.zeros(int(starts[-1]), np.uint8)
    longest = int(np.diff(offsets)[pairs.segments].max(initial=0))
    _find(
        hashes, offsets, pairs.segments, pairs.items, stored, common, n, room_for(longest),
        starts, flags,
    )  # fmt: skip
    return Hits(starts, flags)


@kernel
def _cover(offsets: Column, flags: Column, n: Any, tokens: Column, grams: Column) -> None:
    for pair in range(tokens.shape[0]):
        reach = offsets[pair]
        for place in range(offsets[pair], offsets[pair + 1]):
            if flags[place] != 0:
                tokens[pair] += place + n - max(reach, place)
                grams[pair] += 1
                reach = place + n


def cover(hits: Hits, n: int) -> tuple[Column, Column]:
    """(C,) tokens of each sub-item that lie in a shared n-gram, and (C,) shared n-grams."""
    count = len(hits.offsets) - 1
    tokens, grams = np.zeros(count, np.int64), np.zeros(count, np.int64)
    _cover(hits.offsets, hits.flags, n, tokens, grams)
    return tokens, grams
