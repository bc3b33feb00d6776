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

from thresher.leaks.gram_scan import enter_gram, find_grams, frozen
from thresher.leaks.index import Index
from thresher.leaks.items import Numbers, no_numbers
from thresher.leaks.needs import needs_of
from thresher.leaks.number_scan import enter_numbers
from thresher.leaks.pair_scan import enter_pairs, find_pairs
from thresher.leaks.screen import is_kept, keep, settle
from thresher.leaks.seeking import make_seeking, take_scratch
from thresher.text.kernel import inlined, kernel
from thresher.text.machine import i64_at, set_i64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thresher.leaks.presets import Preset
    from thresher.leaks.tokens import Tokens

__all__ = ["Pairs", "frozen", "scan"]

Column = np.ndarray[Any, Any]
_I = np.int64


class Pairs(NamedTuple):
    """Candidate pairs in the order (segment, item), each once."""

    segments: Column  # (C,) int64
    items: Column  # (C,) int64


@inlined
def _kept(at: Any, row: Any, first: Any, count: Any) -> Any:
    """Leave out the pairs of a text whose item is not kept; return the new count."""
    left = first
    for pair in range(first, count):
        item = i64_at(at.items, pair)
        set_i64(at.rows, left, row)
        set_i64(at.items, left, item)
        left += _I(is_kept(at, item, row))
    return left


@kernel
def _weak(at: Any, begin: Any, end: Any, row: Any, pair: Any, again: Any, count: Any) -> Any:
    """Add what pairs, from one on, and numbers of a text lead to; keep these items.

    Returns:
        The first pair of the next text; the new count, or -1.
    """
    first = count
    if count >= 0:
        pair, count = enter_pairs(at, begin, end, row, pair, again, count)
    if at.num_sets > 0 and count >= 0:
        count = enter_numbers(at, begin, end, row, again, count)
    if at.screened != 0:
        for new in range(first, count):
            keep(at, i64_at(at.items, new), row)
    return pair, count


@kernel
def _scan(at: Any, text: Any, num_texts: Any, gram: Any, pair: Any, other: Any) -> Any:
    """Find sub-items of texts from `text` on, whose first hits are `gram`, `pair` and `other`.

    Returns:
        (text, count) reached; short of the last text where there is too little room for that text.
    """
    count, once, again = _I(0), False, True
    while text < num_texts:
        begin, end, row = i64_at(at.texts, text), i64_at(at.texts, text + 1), text + at.first_row
        first, first_pair = count, pair
        set_i64(at.near_chunk, 0, _I(-1))
        while at.screened != 0 and other < at.num_others and i64_at(at.other_rows, other) == text:
            keep(at, i64_at(at.other_items, other), row)
            other += 1
        while gram < at.num_grams and i64_at(at.hit_places, gram) < end and count >= 0:
            count = enter_gram(at, begin, end, row, gram, count)
            gram += 1
        if count >= 0:
            if at.screened != 0 and count > first:
                settle(at, begin, end, row, first, count)
            pair, count = _weak(at, begin, end, row, pair, once, count)
        if count > first and i64_at(at.screened_out, 0) == row + 1:
            pair, count = _weak(at, begin, end, row, first_pair, again, count)
        if count < 0:
            return text, first
        if at.screened != 0 and count > first:
            count = _kept(at, row, first, count)
        text += 1
    return text, count


def scan(
    index: Index,
    tokens: Tokens,
    numbers: Numbers | None = None,
    presets: Sequence[Preset] | None = None,
    others: Pairs | None = None,
) -> Pairs:
    """Find the candidate pairs of texts.

    Args:
        index: The items to look for.
        tokens: Of the texts, normalised as those of the items.
        numbers: Of the texts (`find_numbers`); without them, nothing is found by numbers alone.
        presets: The rules, by benchmark: pairs of an item and a text of which they could say
            nothing are left out. Without them, none are.
        others: Pairs that were found in other ways, and count: their items are not left out.

    Returns:
        Pairs (segment, item), ascending; the segment is the text's row in `tokens`.
    """
    hashes, offsets = frozen(tokens.hashes), frozen(tokens.offsets)
    num_rows = len(offsets) - 1
    own = numbers or no_numbers(num_rows)
    needs = None if presets is None else needs_of(index, presets)
    grams, pairs = find_grams(index, hashes, offsets), find_pairs(index, hashes)
    wanted = np.zeros((2, 0), np.int64) if others is None else np.stack(others)
    wanted = wanted[:, np.argsort(wanted[0], kind="stable")]
    room, row = max(1 << 16, 8 * num_rows), 0
    parts: list[Pairs] = []
    while True:
        scratch = take_scratch(index, needs, num_rows)
        at, held = make_seeking(
            index, needs, scratch, hashes, offsets, own, grams, pairs, wanted, room
        )
        begin = offsets[row] if row < num_rows else 0
        gram, pair = np.searchsorted(grams.places, begin), np.searchsorted(pairs.ends, begin << 2)
        other = np.searchsorted(wanted[0], row)
        row, count = _scan(at, row, num_rows, int(gram), int(pair), int(other))
        index.spare.append(scratch)
        rows, items = held["rows"][:count] - at.first_row, held["items"][:count].copy()
        parts.append(Pairs(rows, items))
        if row == num_rows:
            break
        room *= 2
    rows, items = map(np.concatenate, zip(*parts, strict=True))
    codes = np.sort(rows * index.num_items + items)
    return Pairs(*np.divmod(codes, max(index.num_items, 1)))
