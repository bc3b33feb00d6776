"""The same question with other numbers: n-grams of 8 tokens once runs of digits are one 0.

A token that begins or ends with a digit is folded: each run of its digits becomes one 0, its ASCII
letters lose their case, and what else is in it is left out. Questions with such tokens are looked
for by folded 8-grams that hold one to four of them (more are lists of numbers, which say nothing)
and that are not over-common among the items of their benchmark. What is found here is told apart
from what is found by the words themselves; it never counts as theirs.

Shapes: R texts, T tokens, F sub-items with numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.leaks import vocabulary as v
from thresher.leaks.hits import cover, find_hits
from thresher.leaks.items import FIELDS, Items
from thresher.leaks.keys import item_at, maybe, mixed, roll, same_gram, slot_after, tag_of
from thresher.leaks.keys import slot_of as slot_of_key
from thresher.leaks.numbers import BEGINS, ENDS, Told, tell_numbers
from thresher.leaks.scan import Pairs, frozen
from thresher.leaks.tables import Counting, Stored, Table, blocks_of, make_table
from thresher.signals.spans import spans
from thresher.text.kernel import kernel

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
N = 8
MOST_NUMBERS = 4
_QUESTION = FIELDS.index("question")
_FOLD = _U(0x9AE16A3B2F90404F)
_FOLDED = _U(1) << _U(63)


class Folded(NamedTuple):
    """Tokens once their digits are made the same."""

    hashes: Column  # (T,) uint64
    marks: Column  # (T,) uint8: whether a token was folded
    rows: Column  # (R,) uint8: whether a text has any


class Templates(NamedTuple):
    """Questions with numbers, ready to be looked up."""

    items: Column  # (F,) int64: which sub-item each is
    offsets: Column  # (F + 1,) int64
    terms: Column
    term_hash: Column
    blocks: Column
    common: Column  # bits: n-grams that do not count
    slots: Column
    postings: Column
    bloom: Column
    tags: Column

    @property
    def stored(self) -> Stored:
        """Return the tokens as kernels read them."""
        tokens = self.terms, self.term_hash, self.offsets, self.blocks
        return Stored(*tokens, len(self.items), np.uint64(0xFFFFFFFFFFFFFFFF))


@kernel
def _fold(
    data: Column,
    row_starts: Column,
    offsets: Column,
    starts: Column,
    stops: Column,
    told: Any,
    hashes: Column,
    marks: Column,
    rows: Column,
) -> None:
    row = _I(0)
    for hit in range(told.places.shape[0]):
        token = told.places[hit]
        if told.marks[hit] & (BEGINS | ENDS) == 0:
            continue
        while token >= offsets[row + 1]:
            row += 1
        base = row_starts[row]
        begin, end = base + starts[token], base + stops[token]
        total, digit = _FOLD, False
        for place in range(begin, end):
            byte = _U(data[place])
            if 48 <= byte <= 57:
                if digit:
                    continue
                byte, digit = _U(48), True
            elif 97 <= (byte | _U(32)) <= 122:
                byte, digit = byte | _U(32), False
            elif byte >= 128:
                digit = False
            else:
                continue
            total = roll(total, byte)
        hashes[token] = mixed(total) | _FOLDED
        marks[token] = rows[row] = 1


def fold(texts: pa.Array, tokens: Tokens, told: Told | None = None) -> Folded:
    """Fold the tokens of texts, given perhaps `tell_numbers` of them."""
    where = spans(texts)
    data = where.data if len(where.data) else np.zeros(1, np.uint8)
    told = tell_numbers(texts, tokens) if told is None else told
    found = Folded(
        tokens.hashes.copy(),
        np.zeros(len(tokens.hashes), np.uint8),
        np.zeros(len(tokens.offsets) - 1, np.uint8),
    )
    _fold(data, where.starts, tokens.offsets, tokens.starts, tokens.stops, told, *found)
    return found


@kernel
def _places(offsets: Column, marks: Column, common: Column, places: Column) -> Any:
    """Collect the places of n-grams that count; mark those that hold too many numbers."""
    count = 0
    for item in range(offsets.shape[0] - 1):
        for position in range(offsets[item], offsets[item + 1] - N + 1):
            numbers = 0
            for k in range(N):
                numbers += marks[position + k]
            if numbers > MOST_NUMBERS:
                common[position >> 3] |= 1 << (position & 7)
            else:
                places[count] = position << 2
                count += 1
    return count


def build_templates(
    texts: pa.Array, items: Items, common: tuple[int | None, int], benchmarks: Column
) -> Templates:
    """Make the look-up of the questions with numbers.

    Args:
        texts: Of all sub-items.
        items: The sub-items.
        common: Items of a benchmark with an n-gram that make it over-common, at most, and as a
            share; see `IndexOptions`.
        benchmarks: Those that are looked for.
    """
    folded = fold(texts, items.tokens)
    lengths = np.diff(items.tokens.offsets)
    wanted = (folded.rows > 0) & (lengths >= N) & (items.field == _QUESTION)
    wanted &= np.isin(items.bench, benchmarks)
    chosen, inside = np.flatnonzero(wanted), np.repeat(wanted, lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
    hashes, marks = folded.hashes[inside], folded.marks[inside]
    own = items.bench[chosen].astype(np.int32)
    words = v.find_vocabulary(hashes, offsets, own)
    groups = v.find_groups(words, offsets, own, items.uid[chosen])
    limits = np.empty(0, np.int64)
    if common[0] is not None:
        limits = np.minimum(common[0], np.maximum(groups.sizes // common[1], 3))
    blocks = blocks_of(offsets)
    mask = np.uint64(0xFFFFFFFFFFFFFFFF)
    stored = Stored(words.terms, words.term_hash, offsets, blocks, len(chosen), mask)
    bits = np.zeros((len(words.terms) >> 3) + 1, np.uint8)
    places = np.empty(len(words.terms), np.uint32)
    count = int(_places(offsets, marks, bits, places))
    seeded = np.zeros(len(chosen), np.uint8)
    counting = Counting(own, groups.twin, limits)
    table = make_table(stored, counting, places[:count], N, bits, seeded)
    arrays = chosen.astype(np.int64), offsets, words.terms, words.term_hash, blocks, bits, *table
    return Templates(*map(frozen, arrays))


@kernel
def _collect(folded: Any, offsets: Column, bloom: Column, places: Column, keys: Column) -> Any:
    """Collect the places of n-grams that hold a few numbers and pass the bloom; return how many."""
    hashes, marks = folded.hashes, folded.marks
    num = _I(0)
    for row in range(offsets.shape[0] - 1):
        begin, end = offsets[row], offsets[row + 1]
        if folded.rows[row] == 0 or end - begin < N:
            continue
        first, numbers = num, _I(0)
        for place in range(begin, begin + N - 1):
            numbers += marks[place]
        for place in range(begin, end - N + 1):
            numbers += marks[place + N - 1]
            places[num] = place
            num += _I(0 < numbers <= MOST_NUMBERS)
            numbers -= marks[place]
        held, num = num, first
        for hit in range(first, held):
            place, total = places[hit], _U(0)
            for k in range(N):
                total = roll(total, hashes[place + k])
            key = mixed(total)
            places[num], keys[num] = place, key
            num += _I(maybe(bloom, key))
    return num


@kernel
def _scan(
    hashes: Column,
    offsets: Column,
    places: Column,
    keys: Column,
    stored: Any,
    table: Any,
    hit: Any,
    rows: Column,
    items: Column,
    seen: Column,
) -> tuple[Any, Any]:
    """Find sub-items from `hit` on; stop where there is too little room for a text."""
    slots, tags, postings = table.slots, table.tags, table.postings
    size, count, row, first, first_hit = _I(slots.shape[0]), _I(0), _I(-1), _I(0), hit
    while hit < places.shape[0]:
        start, key = places[hit], keys[hit]
        if row < 0 or start >= offsets[row + 1]:
            row = np.searchsorted(offsets, start, side="right") - 1
            first, first_hit = count, hit
        hit += 1
        slot, tag = slot_of_key(key, size), tag_of(key)
        while tags[slot] != 0:
            if tags[slot] == tag and same_gram(
                stored.terms, stored.term_hash, _I(postings[_I(slots[slot]) - 1]) >> 3,
                hashes, start, N,
            ):  # fmt: skip
                break
            slot = slot_after(slot, size)
        if tags[slot] == 0:
            continue
        index, last = _I(slots[slot]) - 1, _I(0)
        while last == 0:
            posting = _I(postings[index])
            last = posting & 1
            index += 1
            item = item_at(posting >> 3, stored.blocks, stored.offsets)
            if seen[item] == row + 1:
                continue
            if count == rows.shape[0]:
                return first_hit, first
            seen[item] = row + 1
            rows[count], items[count] = row, item
            count += 1
    return hit, count


def find_templates(
    templates: Templates, texts: pa.Array, tokens: Tokens, told: Told | None = None
) -> tuple[Pairs, Column]:
    """Find questions by their words once digits are folded.

    Args:
        templates: The questions.
        texts, tokens: What is searched.
        told: `tell_numbers` of the tokens.

    Returns:
        Pairs (segment, sub-item), ascending, and (C,) tokens of the sub-item that shared n-grams
        cover.
    """
    if not len(templates.items):
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64)), np.zeros(0, np.int64)
    folded = fold(texts, tokens, told)
    stored = templates.stored
    table = Table(templates.slots, templates.postings, templates.bloom, templates.tags)
    size = len(tokens.hashes) + 1
    places, keys = np.empty(size, np.int64), np.empty(size, np.uint64)
    count = int(_collect(folded, tokens.offsets, templates.bloom, places, keys))
    places, keys = places[:count], keys[:count]
    hit, room = 0, max(1024, len(folded.rows))
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    while hit < len(places):
        rows, items = np.empty(room, np.int64), np.empty(room, np.int64)
        seen = np.zeros(len(templates.items), np.int32)
        hit, count = _scan(
            folded.hashes, tokens.offsets, places, keys, stored, table, hit, rows, items, seen
        )
        parts.append((rows[:count], items[:count]))
        room *= 2
    rows, items = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    order = np.lexsort((items, rows))
    pairs = Pairs(rows[order], items[order])
    hits = find_hits(stored, templates.common, folded.hashes, tokens.offsets, pairs, N)
    covered, _ = cover(hits, N)
    return Pairs(pairs.segments, templates.items[pairs.items]), covered
