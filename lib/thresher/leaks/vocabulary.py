"""The vocabulary of an index: terms, their frequency and their weight.

A term is a token of one benchmark: frequencies and weights belong to the benchmark, so another
benchmark cannot change them. The weight is the smoothed idf, ln(1 + N / df) in units of 2^-20, N
being the benchmark's items and df those that have the token in any of their sub-items.

Shapes: I sub-items, T tokens, K terms, V distinct token hashes, G items (distinct bench and uid).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.keys import mixed, roll, room, slot_of
from thresher.text.kernel import kernel

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
SCALE = 1 << 20
RARE_ITEMS, RARE_EVERY = 3, 20  # a token of at most 3 items, or of one in 20, is rare
PAIR_EVERY = 50  # pairs are made of tokens of at most 3 items, or of one in 50


class Vocabulary(NamedTuple):
    """Terms in the order of their first appearance."""

    terms: Column  # (T,) uint32: the term of each stored token
    term_hash: Column  # (K,) uint64
    term_token: Column  # (K,) uint32: place of its hash among token_hash
    term_bench: Column  # (K,) int32
    token_hash: Column  # (V,) uint64, ascending
    token_slots: Column  # uint32: a table from hash to place + 1


class Groups(NamedTuple):
    """Which sub-items are one item, and which items have one text."""

    order: Column  # (I,) int64: sub-items by benchmark and uid
    group: Column  # (I,) int64: the item of each sub-item, 0 to G - 1
    twin: Column  # (I,) int64: the first item that has a sub-item of exactly this text
    sizes: Column  # (benches,) int64: items of each benchmark


@kernel
def _find_terms(
    hashes: Column,
    offsets: Column,
    bench: Column,
    item: Any,
    slots: Column,
    term_hash: Column,
    term_bench: Column,
    count: Any,
    terms: Column,
) -> Any:
    """Number the tokens of sub-items from `item` on; stop where the table could overflow."""
    size = _I(slots.shape[0])
    while item < offsets.shape[0] - 1:
        begin, end = offsets[item], offsets[item + 1]
        if 2 * (count + end - begin) > size:
            break
        salt = _U(bench[item] + 1) * _U(0x9FB21C651E98DF25)
        for position in range(begin, end):
            value = hashes[position]
            slot = slot_of(value ^ salt, size)
            while slots[slot] != 0:
                term = _I(slots[slot]) - 1
                if term_hash[term] == value and term_bench[term] == bench[item]:
                    break
                slot = (slot + 1) & (size - 1)
            if slots[slot] == 0:
                term_hash[count] = value
                term_bench[count] = bench[item]
                count += 1
                slots[slot] = count
            terms[position] = slots[slot] - 1
        item += 1
    return item, count


@kernel
def _enter_terms(term_hash: Column, term_bench: Column, count: Any, slots: Column) -> None:
    size = _I(slots.shape[0])
    for term in range(count):
        salt = _U(term_bench[term] + 1) * _U(0x9FB21C651E98DF25)
        slot = slot_of(term_hash[term] ^ salt, size)
        while slots[slot] != 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = term + 1


@kernel
def _enter_tokens(token_hash: Column, slots: Column) -> None:
    size = _I(slots.shape[0])
    for token in range(token_hash.shape[0]):
        slot = slot_of(token_hash[token], size)
        while slots[slot] != 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = token + 1


def find_vocabulary(hashes: Column, offsets: Column, bench: Column) -> Vocabulary:
    """Number the tokens of sub-items."""
    num_items, item, count = len(bench), 0, 0
    terms = np.empty(len(hashes), np.uint32)
    size = 1 << 16
    term_hash, term_bench = np.empty(0, np.uint64), np.empty(0, np.int32)
    while True:
        slots = np.zeros(size, np.uint32)
        term_hash = np.concatenate([term_hash, np.empty(size // 2 - len(term_hash), np.uint64)])
        term_bench = np.concatenate([term_bench, np.empty(size // 2 - len(term_bench), np.int32)])
        _enter_terms(term_hash, term_bench, count, slots)
        item, count = _find_terms(
            hashes, offsets, bench, item, slots, term_hash, term_bench, count, terms
        )
        if item == num_items:
            break
        size = room(count + int(offsets[item + 1] - offsets[item]), 4.0)
    term_hash, term_bench = term_hash[:count].copy(), term_bench[:count].copy()
    token_hash, places = np.unique(term_hash, return_inverse=True)
    token_slots = np.zeros(room(len(token_hash), 2.0), np.uint32)
    _enter_tokens(token_hash, token_slots)
    return Vocabulary(
        terms, term_hash, places.astype(np.uint32), term_bench, token_hash, token_slots
    )


@kernel
def _sequence_hashes(terms: Column, term_hash: Column, offsets: Column, found: Column) -> None:
    for item in range(found.shape[0]):
        total = _U(offsets[item + 1] - offsets[item])
        for position in range(offsets[item], offsets[item + 1]):
            total = mixed(roll(total, term_hash[terms[position]]))
        found[item] = total


def find_groups(vocabulary: Vocabulary, offsets: Column, bench: Column, uid: Column) -> Groups:
    """Group sub-items by item and by text; sub-items without tokens are of no benchmark."""
    num_items = len(bench)
    sequence = np.empty(num_items, np.uint64)
    _sequence_hashes(vocabulary.terms, vocabulary.term_hash, offsets, sequence)
    order = np.lexsort((uid, bench))
    change = np.ones(num_items, bool)
    change[1:] = (np.diff(bench[order]) != 0) | (np.diff(uid[order]) != 0)
    group = np.empty(num_items, np.int64)
    group[order] = np.cumsum(change) - 1
    by_text = np.lexsort((group, sequence, bench))
    new = np.ones(num_items, bool)
    new[1:] = (np.diff(bench[by_text]) != 0) | (sequence[by_text][1:] != sequence[by_text][:-1])
    twin = np.empty(num_items, np.int64)
    starts = np.flatnonzero(new)
    twin[by_text] = np.repeat(group[by_text[starts]], np.diff([*starts, num_items]))
    filled = np.diff(offsets)[order] > 0
    numbers = np.unique(group[order][filled], return_index=True)[1]
    sizes = np.bincount(bench[order][filled][numbers], minlength=int(bench.max(initial=-1)) + 1)
    return Groups(order, group, twin, sizes.astype(np.int64))


@kernel
def _count_items(
    order: Column, offsets: Column, group: Column, terms: Column, last: Column, found: Column
) -> None:
    for item in order:
        for position in range(offsets[item], offsets[item + 1]):
            term = terms[position]
            if last[term] != group[item] + 1:
                last[term] = group[item] + 1
                found[term] += 1


def document_frequencies(vocabulary: Vocabulary, groups: Groups, offsets: Column) -> Column:
    """(K,) items of its benchmark that have each term."""
    found = np.zeros(len(vocabulary.term_hash), np.int64)
    last = np.zeros(len(found), np.int64)
    _count_items(groups.order, offsets, groups.group, vocabulary.terms, last, found)
    return found


def weights(frequencies: Column, sizes: Column) -> Column:
    """(K,) int64 smoothed idf of terms with `frequencies` in benchmarks of `sizes` items."""
    distinct, places = np.unique(sizes << 32 | frequencies, return_inverse=True)
    both = zip((distinct >> 32).tolist(), (distinct & 0xFFFFFFFF).tolist(), strict=True)
    idf = [round(math.log(1 + size / count) * SCALE) for size, count in both]
    found: Column = np.array(idf, np.int64)[places]
    return found


def rare(frequencies: Column, sizes: Column, every: int = RARE_EVERY) -> Column:
    """(K,) bool: terms that few items of their benchmark have."""
    few: Column = (frequencies <= RARE_ITEMS) | (frequencies * every <= sizes)
    return few


@kernel
def _lead(
    order: Column, group: Column, offsets: Column, terms: Column, least: Any, found: Column
) -> None:
    start = 0
    for at in range(order.shape[0]):
        item = order[at]
        found[item] = item
        if group[item] != group[order[start]]:
            start = at
        length = offsets[item + 1] - offsets[item]
        for before in range(start, at):
            other = order[before]
            own = offsets[other + 1] - offsets[other]
            if found[other] != other or own < least or own > length:
                continue
            same = True
            for k in range(own):
                if terms[offsets[other] + k] != terms[offsets[item] + k]:
                    same = False
                    break
            if same:
                found[item] = other
                break


def leads(vocabulary: Vocabulary, groups: Groups, offsets: Column, least: int) -> Column:
    """(I,) the sub-item that stands for each: an earlier one of its item that it begins with.

    Only sub-items of `least` tokens stand for others; what nothing stands for leads itself.
    """
    found = np.empty(len(groups.order), np.int64)
    _lead(groups.order, groups.group, offsets, vocabulary.terms, least, found)
    return found
