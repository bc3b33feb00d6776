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

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.gram_scan import Found, frozen, grams_of, make_hits, scan_grams
from thresher.leaks.index import Index
from thresher.leaks.items import Numbers, no_numbers
from thresher.leaks.number_scan import Sets, scan_numbers
from thresher.leaks.pair_scan import make_rare, scan_pairs
from thresher.leaks.weak import make_bench, weights_of
from thresher.text.kernel import kernel

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

__all__ = ["Pairs", "frozen", "scan"]

Column = np.ndarray[Any, Any]
_I = np.int64


class Pairs(NamedTuple):
    """Candidate pairs in the order (segment, item), each once."""

    segments: Column  # (C,) int64
    items: Column  # (C,) int64


@kernel
def _scan(
    hashes: Column, offsets: Column, numbers: Any, stored: Any, grams: Any, rare: Any, sets: Any,
    by: Any, hits: Any, bench: Any, row: Any, found: Any,
) -> Any:  # fmt: skip
    """Find sub-items of texts from `row` on.

    Args:
        by: Whether to look for n-grams, for pairs, for numbers.

    Returns:
        (row, count) reached; short of the last text where `found` is too small for that text.
    """
    count = _I(0)
    while row < offsets.shape[0] - 1:
        begin, end = offsets[row], offsets[row + 1]
        first = count
        bench.near_chunk[0] = -1
        if by[0]:
            count = scan_grams(hashes, begin, end, stored, grams, hits, row, count, found)
        if by[1] and count >= 0:
            count = scan_pairs(hashes, begin, end, stored, grams, rare, bench, row, count, found)
        if by[2] and count >= 0:
            count = scan_numbers(
                hashes, begin, end, numbers, sets, stored, grams, bench, row, count, found
            )
        if count < 0:
            return row, first
        row += 1
    return row, count


def _postings(index: Index, n: int) -> int:
    return len(index[f"gram{n}_postings"])


def _sets(index: Index) -> Sets:
    names = ("set_keys", "set_starts", "set_items", "set_sizes", "set_bloom", "set_members")
    columns: list[Any] = [index[name] for name in (*names, "number_offsets", "number_keys")]
    rejected = np.zeros(index.num_items, np.int32)
    weights = weights_of(index, index.numbers_floor)
    return Sets._make([*columns, weights, rejected])


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
    num_rows, grams = len(offsets) - 1, grams_of(index)
    by = (
        any(_postings(index, n) for n in (*index.ngrams, *index.whole_lengths)),
        len(index["pair_postings"]) > 0,
        numbers is not None and len(index["set_keys"]) > 0,
    )
    own = Numbers(*(frozen(column) for column in numbers or no_numbers(num_rows)))
    weights = weights_of(index, index.pairs_floor)
    room, row = max(1024, num_rows), 0
    parts: list[Pairs] = []
    while True:
        rare = make_rare(index.table("pair"), index["pair_tokens"], weights, index.num_items)
        found = Found(
            np.empty(room, np.int64), np.empty(room, np.int64), np.zeros(index.num_items, np.int32)
        )
        row, count = _scan(
            hashes, offsets, own, index.stored, grams, rare, _sets(index), by,
            make_hits(), make_bench(index), row, found,
        )  # fmt: skip
        parts.append(Pairs(found.rows[:count], found.items[:count]))
        if row == num_rows:
            break
        room *= 2
    rows, items = map(np.concatenate, zip(*parts, strict=True))
    codes = np.sort(rows * index.num_items + items)
    return Pairs(*np.divmod(codes, max(index.num_items, 1)))
