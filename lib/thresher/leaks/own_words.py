"""What a sub-item has of its own, and how much of that a text has.

A run of the shortest n-gram's tokens that another item of the benchmark has too is not the
sub-item's own: the instruction of a family of questions, a stem that three of them share. What is
left tells which item it is. Copies of an item, or of its beginning, are no other items.

Shapes: C pairs, L tokens of a sub-item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.keys import GONE, item_at, mixed, roll, slot_after, slot_of
from thresher.leaks.scan import frozen
from thresher.leaks.tables import get_bit
from thresher.text.kernel import inlined, kernel

if TYPE_CHECKING:
    from thresher.leaks.index import Index
    from thresher.leaks.scan import Pairs
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_U, _I, _GONE = np.uint64, np.int64, np.int64(GONE)


class Own(NamedTuple):
    """Figures of pairs, (C,) int64.

    Attributes:
        tokens: Tokens of the sub-item outside of runs that other items have.
        weight: Weight of the words that stand only there, each once.
        found: Weight of those of them that the window has.
    """

    tokens: Column
    weight: Column
    found: Column


class _Owners(NamedTuple):
    """Whose each sub-item is."""

    bench: Column
    uid: Column


@inlined
def _of_another(stored: Any, table: Any, owners: Any, item: Any, start: Any, n: Any) -> Any:
    """Tell whether another item has the n-gram at a place of a sub-item."""
    total = _U(0)
    for k in range(n):
        total = roll(total, stored.term_hash[stored.terms[start + k]])
    key = mixed(total) & stored.mask
    slots, postings = table.slots, table.postings
    size = _I(slots.shape[0])
    slot = slot_of(key, size)
    while slots[slot] != 0:
        if slots[slot] != _GONE:
            held = _I(postings[_I(slots[slot]) - 1]) >> 3
            same = True
            for k in range(n):
                a, b = stored.terms[held + k], stored.terms[start + k]
                same = same and stored.term_hash[a] == stored.term_hash[b]
            if same:
                break
        slot = slot_after(slot, size)
    if slots[slot] == 0:
        return False
    index = _I(slots[slot]) - 1
    last = _I(0)
    while last == 0:
        posting = _I(postings[index])
        last = posting & 1
        index += 1
        other = item_at(posting >> 3, stored.blocks, stored.offsets)
        if owners.bench[other] != owners.bench[item] or owners.uid[other] == owners.uid[item]:
            continue
        own, its = stored.offsets[item], stored.offsets[other]
        for k in range(min(stored.offsets[item + 1] - own, stored.offsets[other + 1] - its)):
            if stored.terms[own + k] != stored.terms[its + k]:
                return True
    return False


@kernel
def _own_terms(
    stored: Any, table: Any, common: Column, owners: Any, item: Any, n: Any, shared: Column,
    terms: Column,
) -> Any:  # fmt: skip
    """Collect the terms that stand only outside of runs that other items have, each once.

    Returns:
        How many terms, and how many tokens outside of such runs.
    """
    begin, num = stored.offsets[item], stored.offsets[item + 1] - stored.offsets[item]
    shared[:num] = 0
    for i in range(num - n + 1):
        if get_bit(common, begin + i) or _of_another(stored, table, owners, item, begin + i, n):
            shared[i : i + n] = 1
    count, tokens = _I(0), _I(0)
    for i in range(num):
        if shared[i]:
            continue
        tokens += 1
        term = stored.terms[begin + i]
        again = False
        for k in range(num):
            again = again or (stored.terms[begin + k] == term and (k < i or shared[k] != 0))
        if not again:
            terms[count] = term
            count += 1
    return count, tokens


@kernel
def _measure(
    hashes: Column,
    offsets: Column,
    pairs: Any,
    order: Column,
    firsts: Column,
    lasts: Column,
    stored: Any,
    table: Any,
    common: Column,
    owners: Any,
    idf: Column,
    n: Any,
    scratch: Any,
    own: Any,
) -> None:
    """Measure pairs in an order in which those of a sub-item follow each other."""
    shared, terms = scratch
    before, count, tokens = _I(-1), _I(0), _I(0)
    for pair in order:
        item, segment = pairs.items[pair], pairs.segments[pair]
        if item != before:
            before = item
            count, tokens = _own_terms(stored, table, common, owners, item, n, shared, terms)
        own.tokens[pair] = tokens
        low, high = offsets[segment] + firsts[pair], offsets[segment] + lasts[pair] + 1
        for at in range(count):
            term = terms[at]
            own.weight[pair] += idf[term]
            value = stored.term_hash[term]
            for place in range(low, high):
                if hashes[place] == value:
                    own.found[pair] += idf[term]
                    break


def find_own(index: Index, tokens: Tokens, pairs: Pairs, firsts: Column, lasts: Column) -> Own:
    """Measure pairs.

    Args:
        index: The items.
        tokens: Of the texts.
        pairs: (C,) texts and sub-items.
        firsts, lasts: (C,) the window: first and last token within the text.
    """
    n = index.ngrams[0]
    own = Own(*(np.zeros(len(firsts), np.int64) for _ in Own._fields))
    longest = int(index.lengths.max(initial=1))
    _measure(
        frozen(tokens.hashes),
        frozen(tokens.offsets),
        type(pairs)(*(frozen(column) for column in pairs)),
        frozen(np.argsort(pairs.items, kind="stable")),
        frozen(firsts),
        frozen(lasts),
        index.stored,
        index.table(f"gram{n}"),
        index[f"common{n}"],
        _Owners(index["bench"], index["uid"]),
        index["idf"],
        n,
        (np.empty(longest, np.uint8), np.empty(longest, np.int64)),
        own,
    )
    return own
