"""MinHash: texts of about a sub-item's size that share many of its runs of three tokens.

Signatures are those of `dedup`, over runs of 3 tokens; texts and sub-items meet when one band of
their signatures is equal. Bands are cut so that of pairs with Jaccard similarity 0.5 at least 99 %
meet; more similar ones meet more often. Whoever meets is then compared token for token, so a sketch
never decides. A text of more than four times the sub-item's tokens, or of less than a quarter, is
left to the other rules: containment in a long text is what they are for.

Shapes: R texts, T tokens, F sub-items, B bands, C pairs.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.hits import enter_grams, find_gram, room_for
from thresher.leaks.keys import mark, maybe, mixed, roll, room
from thresher.leaks.scan import Pairs, frozen
from thresher.leaks.tables import BITS_PER_KEY, Stored
from thresher.text.kernel import kernel
from thresher.transforms.bands import band_keys, choose_bands
from thresher.transforms.minhash import EMPTY_MINIMUM, Permutations, permutations

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
N = 3
TUNED_TO, RECALL, LEAST_TOKENS, SIZES = 0.5, 0.99, 8, 4
BANDING = choose_bands(TUNED_TO, RECALL)


class Sketches(NamedTuple):
    """Bands of sub-items, ready to be looked up."""

    keys: Column  # (K,) uint64, ascending: of all bands, the band's number is part of a key
    starts: Column  # (K + 1,) int64 into items
    items: Column  # int64
    lengths: Column  # (2,) int64: tokens of the shortest and the longest
    bloom: Column  # uint64


class Shared(NamedTuple):
    """Runs of three tokens, each counted once."""

    both: Column  # (C,) int64: of the sub-item and the text
    item: Column  # (C,) int64
    text: Column  # (C,) int64


@cache
def _drawn() -> Permutations:
    return permutations(BANDING.permutations)


@kernel
def _sign(
    hashes: Column, offsets: Column, rows: Column, a: Column, b: Column, minima: Column
) -> None:
    for at in range(rows.shape[0]):
        row = rows[at]
        own = minima[at]
        for start in range(offsets[row], offsets[row + 1] - N + 1):
            total = _U(0)
            for k in range(N):
                total = roll(total, hashes[start + k])
            x = np.uint32(mixed(total) >> _U(32))
            x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B))
            x = np.uint32((x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35))
            x = np.uint32(x ^ (x >> np.uint32(16)))
            for k in range(a.shape[0]):
                own[k] = min(own[k], np.uint32(a[k] * x + b[k]))


def sign(tokens: Tokens, rows: Column) -> Column:
    """Return the signatures of some texts, as `thresher.transforms.minhash.signature` has them."""
    drawn = _drawn()
    minima = np.full((len(rows), len(drawn.a)), EMPTY_MINIMUM, np.uint32)
    _sign(tokens.hashes, tokens.offsets, rows.astype(np.int64), drawn.a, drawn.b, minima)
    return minima


@kernel
def _enter(keys: Column, bloom: Column) -> None:
    for key in keys:
        mark(bloom, key)


def build_sketches(tokens: Tokens, chosen: Column) -> Sketches:
    """Sketch sub-items.

    Args:
        tokens: Of all sub-items.
        chosen: (I,) bool, which to look for; those of fewer than 8 tokens are not.
    """
    lengths = np.diff(tokens.offsets)
    items = np.flatnonzero(chosen & (lengths >= LEAST_TOKENS))
    bands = band_keys(sign(tokens, items), BANDING.bands, BANDING.rows)
    owners = np.repeat(items, BANDING.bands).astype(np.int64)
    order = np.lexsort((owners, bands.ravel()))
    keys, starts = np.unique(bands.ravel()[order], return_index=True)
    bloom = np.zeros(room(len(keys), float(BITS_PER_KEY), 64) // 64, np.uint64)
    _enter(keys, bloom)
    own = lengths[items]
    ends = (own.min(initial=np.iinfo(np.int64).max), own.max(initial=0))
    firsts = np.append(starts, len(owners)).astype(np.int64)
    arrays = keys, firsts, owners[order], np.array(ends, np.int64), bloom
    return Sketches(*map(frozen, arrays))


@kernel
def _meet(bands: Column, sketches: Any, found: Column, counting: Any) -> Any:
    """Write (text, place in `items`) for every band that is known; return how many there are."""
    count = 0
    for row in range(bands.shape[0]):
        for band in range(bands.shape[1]):
            key = bands[row, band]
            if not maybe(sketches.bloom, key):
                continue
            place = np.searchsorted(sketches.keys, key)
            if place == sketches.keys.shape[0] or sketches.keys[place] != key:
                continue
            for at in range(sketches.starts[place], sketches.starts[place + 1]):
                if not counting:
                    found[count, 0], found[count, 1] = row, sketches.items[at]
                count += 1
    return count


def find_similar(
    sketches: Sketches, stored: Stored, num_items: int, tokens: Tokens
) -> tuple[Pairs, Shared]:
    """Find the sub-items that texts are similar to, and compare them.

    Returns:
        Pairs (segment, sub-item), ascending, and what they share.
    """
    lengths = np.diff(tokens.offsets)
    shortest, longest = sketches.lengths.tolist()
    rows = np.flatnonzero((lengths * SIZES >= shortest) & (lengths <= longest * SIZES))
    rows = rows[lengths[rows] >= N]
    bands = band_keys(sign(tokens, rows), BANDING.bands, BANDING.rows)
    found = np.empty((int(_meet(bands, sketches, np.empty((0, 2), np.int64), True)), 2), np.int64)
    _meet(bands, sketches, found, False)
    codes = np.unique(rows[found[:, 0]] * max(num_items, 1) + found[:, 1])
    segments, items = np.divmod(codes, max(num_items, 1))
    own = stored.offsets[items + 1] - stored.offsets[items]
    near = (lengths[segments] <= SIZES * own) & (own <= SIZES * lengths[segments])
    pairs = Pairs(segments[near], items[near])
    return pairs, compare(stored, tokens, pairs)


@kernel
def _compare(
    hashes: Column,
    offsets: Column,
    segments: Column,
    items: Column,
    stored: Any,
    slots: Column,
    marks: Column,
    own_slots: Column,
    own: Column,
    both: Column,
    of_item: Column,
    of_text: Column,
) -> None:
    before, size, distinct = _I(-1), _I(0), _I(0)
    for pair in range(items.shape[0]):
        segment, item = segments[pair], items[pair]
        if segment != before:
            before = segment
            size, distinct = enter_grams(hashes, offsets[segment], offsets[segment + 1], N, slots)
            marks[:size] = -1
        of_text[pair] = distinct
        begin, end = stored.offsets[item], stored.offsets[item + 1]
        for position in range(begin, end - N + 1):
            slot = find_gram(stored, position, N, hashes, offsets[segment], slots, size)
            if slot >= 0 and marks[slot] != pair:
                marks[slot] = pair
                both[pair] += 1
        for k in range(end - begin):
            own[k] = stored.term_hash[stored.terms[begin + k]]
        _, of_item[pair] = enter_grams(own, _I(0), end - begin, N, own_slots)


def compare(stored: Stored, tokens: Tokens, pairs: Pairs) -> Shared:
    """Count the different runs of three tokens that pairs share."""
    lengths = stored.offsets[pairs.items + 1] - stored.offsets[pairs.items]
    texts = np.diff(tokens.offsets)[pairs.segments]
    slots, longest = room_for(int(texts.max(initial=0))), int(lengths.max(initial=0))
    counts = Shared(*(np.zeros(len(pairs.items), np.int64) for _ in Shared._fields))
    _compare(
        tokens.hashes, tokens.offsets, pairs.segments, pairs.items, stored, slots,
        np.empty(len(slots), np.int64), room_for(longest), np.empty(longest, np.uint64), *counts,
    )  # fmt: skip
    return counts
