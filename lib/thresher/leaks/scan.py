"""One pass over the tokens of texts: which sub-items each text may contain.

A text and a sub-item are a candidate pair when one of these holds:

* they share an n-gram of the index that is not over-common in the sub-item's benchmark;
* the text contains the whole sub-item (of 3 tokens or more; a shorter one must be the whole text);
* the sub-item has 12 tokens or more, and two different pairs of its rare tokens follow each other
  within a window of the text, or a run of numbers within a window of the text (but for one inside
  it, where the sub-item has 8 or fewer) is the set of the sub-item's 3 to 12 numbers, and a window
  less than a window away from that place holds the floor's share of the sub-item's weight. Pairs
  and sets of numbers that are over-common, by the rule for n-grams, do not count;
* the last holds for an earlier sub-item of the same item that this one begins with.

Every hit is compared with the stored tokens. Nothing depends on other texts, or on the benchmarks
of other sub-items.

Shapes: R texts, T tokens, C candidate pairs, I sub-items.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.index import LEAST_WHOLE, Index
from thresher.leaks.items import Numbers
from thresher.leaks.keys import (
    GONE,
    item_at,
    maybe,
    mixed,
    pair_key,
    power,
    roll,
    same_gram,
    slot_after,
    slot_of,
)
from thresher.leaks.keys import REACH as _REACH
from thresher.leaks.number_scan import Sets, scan_numbers
from thresher.leaks.weak import SHORT_TEXT, enough, make_bench, possible, weights_of, window
from thresher.text.kernel import kernel

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
Pass = Callable[[int, int, "Found", Column], tuple[int, int]]
_U, _I, _GONE = np.uint64, np.int64, np.int64(GONE)


class Pairs(NamedTuple):
    """Candidate pairs in the order (segment, item), each once."""

    segments: Column  # (C,) int64
    items: Column  # (C,) int64


class Found(NamedTuple):
    """Where a pass writes."""

    rows: Column  # int64
    items: Column  # int64


@kernel
def _scan_grams(
    hashes: Column,
    offsets: Column,
    n: Any,
    oldest: Any,
    entire: Any,
    stored: Any,
    table: Any,
    row: Any,
    count: Any,
    found: Any,
    seen: Column,
) -> Any:
    """Find sub-items by n-grams of texts from `row` on.

    Args:
        oldest: BASE^n.
        entire: Whether the n-gram must be all of the text.
        seen: (I,) zeros where `row` was not reached before.

    Returns:
        (row, count) reached; short of the last text where `found` is too small for that text.
    """
    bloom, slots, postings = table.bloom, table.slots, table.postings
    size, mask = _I(slots.shape[0]), stored.mask
    while row < offsets.shape[0] - 1:
        begin, end = offsets[row], offsets[row + 1]
        first = count
        total = change = _U(0)
        if end - begin < n or (entire and end - begin != n):
            row += 1
            continue
        for place in range(begin, begin + n - 1):
            total = roll(total, hashes[place])
        for place in range(begin, end - n + 1):
            total = roll(total, hashes[place + n - 1] - change)
            change = hashes[place] * oldest
            key = mixed(total) & mask
            if not maybe(bloom, key):
                continue
            slot = slot_of(key, size)
            while slots[slot] != 0:
                posting = _I(slots[slot])
                if posting != _GONE and same_gram(
                    stored.terms, stored.term_hash, _I(postings[posting - 1]) >> 3, hashes, place, n
                ):
                    break
                slot = slot_after(slot, size)
            if slots[slot] == 0:
                continue
            index = _I(slots[slot]) - 1
            last = _I(0)
            while last == 0:
                posting = _I(postings[index])
                last = posting & 1
                index += 1
                position = posting >> 3
                item = item_at(position, stored.blocks, stored.offsets)
                if seen[item] == row + 1:
                    continue
                if (posting >> 1) & 3:  # all of the sub-item must follow
                    length = stored.offsets[item + 1] - position
                    if end - place < length or not same_gram(
                        stored.terms, stored.term_hash, position, hashes, place, length
                    ):
                        continue
                if count == found.rows.shape[0]:
                    return row, first
                seen[item] = row + 1
                found.rows[count], found.items[count] = row, item
                count += 1
        row += 1
    return row, count


@kernel
def _scan_pairs(
    hashes: Column,
    offsets: Column,
    stored: Any,
    table: Any,
    tokens: Column,
    weights: Any,
    bench: Any,
    state: Column,
    row: Any,
    count: Any,
    found: Any,
    seen: Column,
) -> Any:
    """Find sub-items by pairs of rare tokens.

    Args:
        state: (I, 4) zeros; of each sub-item the last pair: row + 1, place, which.
    """
    bloom, slots, postings = table.bloom, table.slots, table.postings
    size = _I(slots.shape[0])
    while row < offsets.shape[0] - 1:
        begin, end = offsets[row], offsets[row + 1]
        first = count
        bench.near_chunk[0] = -1
        marks = _I(0)  # a bit for each token before: whether it is of a pair
        for place in range(begin, end):
            marks = (marks << 1) & ((_I(1) << (_REACH + 1)) - 1)
            value = hashes[place]
            if not maybe(tokens, mixed(value)):
                continue
            before = marks
            marks |= 1
            if before == 0:
                continue
            for distance in range(1, _REACH + 1):
                if (before >> distance) & 1 == 0:
                    continue
                other = hashes[place - distance]
                key = pair_key(other, value) & stored.mask
                if other == value or not maybe(bloom, key):
                    continue
                slot = slot_of(key, size)
                while slots[slot] != 0:
                    if slots[slot] != _GONE:
                        posting = _I(postings[_I(slots[slot]) - 1])
                        a = stored.term_hash[stored.terms[posting >> 3]]
                        b = stored.term_hash[stored.terms[(posting >> 3) + ((posting >> 1) & 3)]]
                        if (a == value and b == other) or (a == other and b == value):
                            break
                    slot = slot_after(slot, size)
                if slots[slot] == 0:
                    continue
                start = _I(slots[slot]) - 1
                index = start
                last = _I(0)
                while last == 0:
                    posting = _I(postings[index])
                    last = posting & 1
                    index += 1
                    item = item_at(posting >> 3, stored.blocks, stored.offsets)
                    if abs(seen[item]) == row + 1:
                        continue
                    width = window(stored.offsets[item + 1] - stored.offsets[item])
                    before_row, before_place = state[item, 0], state[item, 1]
                    other_key = state[item, 2] != start
                    state[item, 0], state[item, 1], state[item, 2] = row + 1, place, start
                    follows = before_row == row + 1 and place - before_place <= width
                    follows = follows and other_key
                    if not follows:
                        continue
                    if not possible(stored, weights, bench, item, hashes, begin, end, place):
                        if end - begin <= SHORT_TEXT:  # nor will it be at another place
                            seen[item] = -(row + 1)
                        continue
                    low, high = max(begin, place - width + 1), min(end, place + width)
                    if not enough(stored, weights, bench, item, hashes, low, high):
                        if end - begin <= SHORT_TEXT and not enough(
                            stored, weights, bench, item, hashes, begin, end
                        ):
                            seen[item] = -(row + 1)
                        continue
                    if count == found.rows.shape[0]:
                        return row, first
                    seen[item] = row + 1
                    found.rows[count], found.items[count] = row, item
                    count += 1
        row += 1
    return row, count


def frozen(array: Column) -> Column:
    """Return a view that kernels take, whoever owns the array."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


def _run(index: Index, num_rows: int, scan_from: Pass) -> tuple[Column, Column]:
    """Run one pass to its end, with more room where it asks for it."""
    room, row = max(1024, num_rows), 0
    parts: list[Found] = []
    while True:
        found = Found(np.empty(room, np.int64), np.empty(room, np.int64))
        seen = np.zeros(index.num_items, np.int32)
        row, count = scan_from(row, 0, found, seen)
        parts.append(Found(found.rows[:count], found.items[:count]))
        if row == num_rows:
            break
        room *= 2
    return np.concatenate([p.rows for p in parts]), np.concatenate([p.items for p in parts])


def _with_led(index: Index, rows: Column, items: Column) -> tuple[Column, Column]:
    """Add the sub-items that a found one stands for."""
    starts = index["led_starts"][items]
    sizes = index["led_starts"][items + 1] - starts
    steps = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(rows, sizes), index["led_items"][np.repeat(starts, sizes) + steps]


def scan(index: Index, tokens: Tokens, numbers: Numbers | None = None) -> Pairs:
    """Find the candidate pairs of texts.

    Args:
        index: The items to look for.
        tokens: Of the texts, normalised as those of the items.
        numbers: Of the texts (`find_numbers`); without them, nothing is found by numbers alone.

    Returns:
        Pairs (segment, item), ascending; the segment is the text's row in `tokens`.
    """
    hashes, offsets = frozen(tokens.hashes), frozen(tokens.offsets)
    num_rows = len(offsets) - 1
    bench = make_bench(index)
    pair_weights = weights_of(index, index.pairs_floor)
    number_weights = weights_of(index, index.numbers_floor)
    passes: list[Pass] = []

    def grams(n: int, entire: bool) -> Pass:
        table = index.table(f"gram{n}")

        def run(row: int, count: int, found: Found, seen: Column) -> tuple[int, int]:
            return _scan_grams(  # type: ignore[no-any-return]
                hashes, offsets, n, power(n), entire,
                index.stored, table, row, count, found, seen,
            )  # fmt: skip

        return run

    def pairs(row: int, count: int, found: Found, seen: Column) -> tuple[int, int]:
        state = np.zeros((index.num_items, 4), np.int64)
        return _scan_pairs(  # type: ignore[no-any-return]
            hashes, offsets, index.stored, index.table("pair"), index["pair_tokens"],
            pair_weights, bench, state, row, count, found, seen,
        )  # fmt: skip

    def sets(row: int, count: int, found: Found, seen: Column) -> tuple[int, int]:
        assert numbers is not None
        names = ("set_keys", "set_starts", "set_items", "set_sizes", "set_bloom")
        table = Sets(*(index[n] for n in (*names, "number_offsets", "number_keys")))
        own = Numbers(*(frozen(column) for column in numbers))
        return scan_numbers(  # type: ignore[no-any-return]
            hashes, offsets, own, table, index.stored, number_weights, bench,
            row, count, found, seen,
        )  # fmt: skip

    for n in index.ngrams:
        if len(index[f"gram{n}_postings"]):
            passes.append(grams(n, False))
    for n in index.whole_lengths:
        passes.append(grams(n, n < LEAST_WHOLE))
    weak: list[Pass] = [pairs] if len(index["pair_postings"]) else []
    if numbers is not None and len(index["set_keys"]):
        weak.append(sets)
    found = [_run(index, num_rows, one) for one in passes]
    found += [_with_led(index, *_run(index, num_rows, one)) for one in weak]
    if not found:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    codes = np.concatenate([rows * index.num_items + items for rows, items in found])
    rows, items = np.divmod(np.unique(codes), max(index.num_items, 1))
    return Pairs(rows, items)
