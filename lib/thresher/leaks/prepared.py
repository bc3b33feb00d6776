"""A text made ready for comparison with many sub-items: its tokens, their places, its n-grams.

Linear in the text for each n; look-ups then cost what the sub-item costs. Tokens that none of the
sub-items has are no part of it, so that most of a long text costs a look at a bitmap each.

Shapes: m tokens of the text, V distinct tokens of the index, G lengths of n-grams.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.keys import mixed, roll, room, set_token_bit, slot_of, token_bit
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
WANTED_WORDS = 512


class Prepared(NamedTuple):
    """Scratch for texts of at most m tokens."""

    wanted: Column  # (WANTED_WORDS,) uint64: a bitmap of the sub-items' tokens
    tokens: Column  # (m,) int32: places among the index's tokens, -1 for others
    distinct: Column  # (m,) int32: the tokens that occur
    order: Column  # (m,) int32: places, those of one token together, ascending
    ends: Column  # (V,) int32: where in `order` the places of each token end
    stamps: Column  # (V,) int32: for which text `ends` and `counts` hold
    counts: Column  # (V,) int32: places of each token
    slots: Column  # (G, ...) int32: tables from n-gram to first place + 1
    following_gram: Column  # (m,) int32: the next place of the same shortest n-gram, -1 for none
    hashes: Column  # (m,) uint64


def make_prepared(longest: int, num_tokens: int, num_grams: int) -> Prepared:
    """Allocate scratch for texts of `longest` tokens."""
    return Prepared(
        np.empty(WANTED_WORDS, np.uint64),
        np.empty(longest, np.int32),
        np.empty(longest, np.int32),
        np.empty(longest, np.int32),
        np.empty(num_tokens, np.int32),
        np.zeros(num_tokens, np.int32),
        np.empty(num_tokens, np.int32),
        np.empty((num_grams, room(longest, 2.0)), np.int32),
        np.empty(longest, np.int32),
        np.empty(longest, np.uint64),
    )


@inlined
def _gram_key(hashes: Any, start: Any, n: Any, mask: Any) -> Any:
    total = _U(0)
    for k in range(n):
        total = roll(total, hashes[start + k])
    return mixed(total) & mask


@inlined
def _same(left: Any, i: Any, right: Any, j: Any, n: Any) -> Any:
    for k in range(n):
        if left[i + k] != right[j + k]:
            return False
    return True


@inlined
def _want(stored: Any, segments: Any, items: Any, pair: Any, text: Any) -> None:
    """Fill the bitmap with the tokens of the sub-items that a pair's text is compared with."""
    text.wanted[:] = _U(0)
    segment = segments[pair]
    while pair < items.shape[0] and segments[pair] == segment:
        for position in range(stored.offsets[items[pair]], stored.offsets[items[pair] + 1]):
            set_token_bit(text.wanted, stored.term_hash[stored.terms[position]])
        pair += 1


@kernel
def prepare(
    hashes: Column,
    offsets: Column,
    segments: Column,
    items: Column,
    pair: Any,
    stored: Any,
    known: Any,
    stamp: Any,
    text: Any,
) -> Any:
    """Make the text of a pair ready for all pairs with it that follow; return the size of its
    tables.

    Args:
        hashes, offsets: Tokens of all texts.
        segments, items: Of the pairs.
        pair: The first of its text.
        stored, known: The index, see `thresher.leaks.evidence`.
        stamp: Another one for each text.
        text: Scratch.
    """
    token_hash, token_slots, ngrams = known.token_hash, known.token_slots, known.ngrams
    begin, end = offsets[segments[pair]], offsets[segments[pair] + 1]
    mask, tokens, wanted = stored.mask, text.tokens, text.wanted
    text.stamps[-1] = stamp
    _want(stored, segments, items, pair, text)
    num_slots = _I(token_slots.shape[0])
    length = end - begin
    size = _I(16)
    while size < 2 * length:
        size *= 2
    for grams in range(ngrams.shape[0]):
        text.slots[grams, :size] = 0
    num_distinct, total = _I(0), _I(0)
    for place in range(length):
        value = hashes[begin + place]
        text.hashes[place] = value
        if token_bit(wanted, value) == _U(0):
            tokens[place] = -1
            continue
        slot = slot_of(value, num_slots)
        while token_slots[slot] != 0 and token_hash[token_slots[slot] - 1] != value:
            slot = (slot + 1) & (num_slots - 1)
        token = _I(token_slots[slot]) - 1
        tokens[place] = token
        if token < 0:
            continue
        if text.stamps[token] != stamp:
            text.stamps[token], text.counts[token] = stamp, 0
            text.distinct[num_distinct] = token
            num_distinct += 1
        text.counts[token] += 1
    for index in range(num_distinct):
        token = text.distinct[index]
        text.ends[token] = total
        total += text.counts[token]
    for place in range(length):
        token = tokens[place]
        if token >= 0:
            text.order[text.ends[token]] = place
            text.ends[token] += 1
    for grams in range(ngrams.shape[0]):
        n = ngrams[grams]
        run = 0
        for place in range(length - 1, -1, -1):
            run = run + 1 if tokens[place] >= 0 else 0
            if run < n:
                continue
            slot = slot_of(_gram_key(text.hashes, place, n, mask), size)
            while text.slots[grams, slot] != 0 and not _same(
                tokens, place, tokens, text.slots[grams, slot] - 1, n
            ):
                slot = (slot + 1) & (size - 1)
            if grams == 0:
                text.following_gram[place] = text.slots[grams, slot] - 1
            text.slots[grams, slot] = place + 1
    return size


@inlined
def first_place(
    text: Any, size: Any, grams: Any, n: Any, mask: Any, tokens: Any, hashes: Any, start: Any
) -> Any:
    """Return the first place in the text of an n-gram of other tokens, or -1."""
    slot = slot_of(_gram_key(hashes, start, n, mask), size)
    while text.slots[grams, slot] != 0:
        place = _I(text.slots[grams, slot]) - 1
        if _same(tokens, start, text.tokens, place, n):
            return place
        slot = (slot + 1) & (size - 1)
    return _I(-1)
