"""How much of a sub-item a text contains, and where: figures of candidate pairs, as integers.

The cost is linear in the candidates' texts, and for each pair in the sub-item and the places that
share its n-grams and rare tokens; nothing is cut short, whatever the text holds.

Shapes: C pairs, G lengths of n-grams, R texts, N numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.figures import (
    OWN_WORDS,
    SKIPS,
    STRETCH,
    Own,
    add_own,
    common_subsequence,
    compare_numbers,
    find_span,
    find_window,
)
from thresher.leaks.index import Index
from thresher.leaks.items import Numbers, no_numbers
from thresher.leaks.keys import same_gram
from thresher.leaks.prepared import first_place, make_prepared, prepare
from thresher.leaks.scan import Pairs, frozen
from thresher.leaks.tables import get_bit
from thresher.leaks.weak import window, window_of
from thresher.text.kernel import kernel

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_I = np.int64
LEAST_ORDERED = 13  # tokens of a sub-item whose order of words is compared


class Evidence(NamedTuple):
    """Figures of pairs; places count tokens from the text's first, -1 where there is none.

    Attributes:
        ngrams: The lengths n of the index.
        length: (C,) tokens L of the sub-item.
        covered: (C, G) tokens of the sub-item that lie in an n-gram that the text has.
        distinctive: (C, G) the same, of n-grams that are not over-common.
        shared: (C, G) places of the sub-item whose n-gram the text has.
        exact: (C,) bool: all of the sub-item is there.
        longest: (C,) tokens of the longest span, up to 4 inside being others; it holds a shared
            n-gram of the shortest n, or is the whole sub-item.
        span_first, span_last: (C,) first and last place of that span.
        weight: (C,) weight of the sub-item's distinct tokens in the window of 1.6 L + 8 tokens
            that has most, in units of 2^-20.
        total_weight: (C,) weight of all of them.
        first, last: (C,) first and last token of the sub-item in that window.
        lcs: (C,) longest common subsequence with the window that ends at `last`; 0 for L < 13.
        numbers: (C,) numbers of the sub-item.
        numbers_equal: (C,) of them in the best run of numbers less than a window from `first` and
            `last`.
        numbers_extra: (C,) others in that run.
    """

    ngrams: tuple[int, ...]
    length: Column
    covered: Column
    distinctive: Column
    shared: Column
    exact: Column
    longest: Column
    span_first: Column
    span_last: Column
    weight: Column
    total_weight: Column
    first: Column
    last: Column
    lcs: Column
    numbers: Column
    numbers_equal: Column
    numbers_extra: Column

    def of(self, column: str, n: int) -> Column:
        """(C,) `covered`, `distinctive` or `shared` for one n of the index."""
        found: Column = getattr(self, column)[:, self.ngrams.index(n)]
        return found

    def num_grams(self, n: int) -> Column:
        """(C,) n-grams of the sub-item."""
        count: Column = np.maximum(self.length - n + 1, 0)
        return count


class Known(NamedTuple):
    """What kernels need of an index."""

    term_token: Column
    idf: Column
    token_hash: Column
    token_slots: Column
    ngrams: Column
    number_offsets: Column
    number_keys: Column


class _Outputs(NamedTuple):
    covered: Column
    distinctive: Column
    shared: Column
    plain: Column  # (C, 10) int64, in the order of `_PLAIN`


_PLAIN = (
    "exact", "longest", "span_first", "span_last", "weight", "first", "last", "lcs",
    "numbers_equal", "numbers_extra",
)  # fmt: skip


def known_of(index: Index) -> Known:
    """Return what kernels need of an index."""
    return Known(
        index["term_token"],
        index["idf"],
        index["token_hash"],
        index["token_slots"],
        frozen(np.array(index.ngrams, np.int64)),
        index["number_offsets"],
        index["number_keys"],
    )


@kernel
def take(stored: Any, known: Any, own: Any, item: Any, stamp: Any) -> Any:
    """Fill the scratch of a sub-item; return its distinct tokens."""
    begin, end = stored.offsets[item], stored.offsets[item + 1]
    num_distinct = 0
    own.bits[:] = np.uint64(0)
    for i in range(end - begin):
        term = stored.terms[begin + i]
        token = known.term_token[term]
        own.tokens[i], own.hashes[i] = token, stored.term_hash[term]
        if own.stamps[token] != stamp:
            own.stamps[token], own.local[token] = stamp, num_distinct
            own.distinct[num_distinct] = token
            add_own(own, token)
            own.weights[num_distinct] = known.idf[term]
            num_distinct += 1
    return num_distinct


@kernel
def _cover(
    stored: Any, known: Any, common: Any, own: Any, num: Any, begin: Any, text: Any, size: Any,
    outputs: Any, pair: Any,
) -> None:  # fmt: skip
    """Count the tokens that shared n-grams cover; keep the places of the shortest."""
    for grams in range(known.ngrams.shape[0]):
        n = known.ngrams[grams]
        covered, distinctive, shared = 0, 0, 0
        reach, own_reach = 0, 0
        for i in range(num - n + 1):
            place = first_place(text, size, grams, n, stored.mask, own.tokens, own.hashes, i)
            if grams == 0:
                own.places[i] = place
            if place < 0:
                continue
            shared += 1
            covered += i + n - max(reach, i)
            reach = i + n
            if get_bit(common[grams], begin + i) == 0:
                distinctive += i + n - max(own_reach, i)
                own_reach = i + n
        outputs.covered[pair, grams] = covered
        outputs.distinctive[pair, grams] = distinctive
        outputs.shared[pair, grams] = shared


@kernel
def _measure(
    hashes: Column,
    offsets: Column,
    segments: Column,
    items: Column,
    numbers: Any,
    stored: Any,
    known: Any,
    common: Any,
    text: Any,
    own: Any,
    outputs: Any,
) -> None:
    before, size, length, stamp = _I(-1), _I(0), _I(0), _I(0)
    for pair in range(items.shape[0]):
        segment, item = segments[pair], items[pair]
        if segment != before:
            before, stamp = segment, stamp + 1
            length = offsets[segment + 1] - offsets[segment]
            size = prepare(hashes, offsets, segments, items, _I(pair), stored, known, stamp, text)
        begin, num = stored.offsets[item], stored.offsets[item + 1] - stored.offsets[item]
        plain = outputs.plain[pair]
        plain[2] = plain[3] = plain[5] = plain[6] = -1
        if num == 0:
            continue
        mark = pair + 1
        num_distinct = take(stored, known, own, item, mark)
        _cover(stored, known, common, own, num, begin, text, size, outputs, pair)
        exact, longest, place = find_span(own, num, text, length, known.ngrams[0])
        plain[0], plain[1] = exact, longest
        if longest > 0:
            plain[2], plain[3] = place, place + longest - 1
        width = window(num)
        weight, first, last = find_window(own, num_distinct, mark, text, length, width, _I(1))
        plain[4], plain[5], plain[6] = weight, first, last
        if last < 0:
            continue
        low = max(_I(0), last - width + 1)
        if num >= LEAST_ORDERED:
            plain[7] = common_subsequence(own, num, num_distinct, mark, text, low, last + 1)
        keys = known.number_keys[known.number_offsets[item] : known.number_offsets[item + 1]]
        if keys.shape[0] > 0:
            plain[8], plain[9] = compare_numbers(
                own, keys, numbers.places, numbers.keys, numbers.offsets[segment],
                numbers.offsets[segment + 1], low, first + width,
            )  # fmt: skip


def evidence(
    index: Index, tokens: Tokens, pairs: Pairs, numbers: Numbers | None = None
) -> Evidence:
    """Measure candidate pairs.

    Args:
        index: The items.
        tokens: Of the texts, as they were scanned.
        pairs: Best in the order of `scan`: a text is made ready anew where the segment changes.
        numbers: Of the texts.
    """
    count, num_grams = len(pairs.items), len(index.ngrams)
    found = numbers or no_numbers(len(tokens.offsets) - 1)
    texts = np.diff(tokens.offsets)[pairs.segments]
    lengths = index.lengths[pairs.items]
    longest, longest_item = int(texts.max(initial=1)), int(lengths.max(initial=1))
    num_numbers = np.diff(index["number_offsets"])[pairs.items]
    text = make_prepared(longest, len(index["token_hash"]) + 1, num_grams)
    own = make_own(longest, longest_item, len(index["token_hash"]), int(num_numbers.max(initial=1)))
    covered, distinctive, shared = (np.zeros((count, num_grams), np.int64) for _ in range(3))
    plain_columns = np.zeros((count, len(_PLAIN)), np.int64)
    outputs = _Outputs(covered, distinctive, shared, plain_columns)
    _measure(
        frozen(tokens.hashes),
        frozen(tokens.offsets),
        frozen(pairs.segments),
        frozen(pairs.items),
        Numbers(*(frozen(column) for column in found)),
        index.stored,
        known_of(index),
        tuple(index[f"common{n}"] for n in index.ngrams),
        text,
        own,
        outputs,
    )
    plain = {name: outputs.plain[:, at].copy() for at, name in enumerate(_PLAIN)}
    plain["exact"] = plain["exact"] > 0
    return Evidence(
        ngrams=index.ngrams,
        length=lengths,
        covered=outputs.covered,
        distinctive=outputs.distinctive,
        shared=outputs.shared,
        total_weight=index["total"][pairs.items],
        numbers=num_numbers,
        **plain,
    )


def make_own(longest: int, longest_item: int, num_tokens: int, num_numbers: int) -> Own:
    """Allocate scratch for sub-items of `longest_item` tokens and texts of `longest`."""
    words = (longest_item + 63) // 64
    stretch = STRETCH * window_of(longest_item) + 1
    return Own(
        np.empty(longest_item, np.int32),
        np.empty(longest_item, np.uint64),
        np.empty(longest_item, np.int32),
        np.empty(num_tokens, np.int32),
        np.zeros(num_tokens, np.int32),
        np.empty(OWN_WORDS, np.uint64),
        np.empty(longest_item, np.int32),
        np.empty(longest_item, np.int64),
        np.empty(longest_item, np.int64),
        np.empty(stretch, np.int32),
        np.empty(stretch, np.int32),
        np.empty(longest_item * words, np.uint64),
        np.empty(words, np.uint64),
        np.empty(2 * window_of(longest_item), np.int32),
        np.empty(num_numbers, np.int64),
        np.zeros(longest // window_of(1) + 3, np.int64),
        np.empty((2, SKIPS + 1), np.int64),
    )


@kernel
def _occurs(
    hashes: Column,
    offsets: Column,
    segments: Column,
    items: Column,
    lows: Column,
    highs: Column,
    stored: Any,
    found: Column,
) -> None:
    for pair in range(items.shape[0]):
        begin, end = offsets[segments[pair]], offsets[segments[pair] + 1]
        position = stored.offsets[items[pair]]
        length = stored.offsets[items[pair] + 1] - position
        found[pair] = -1
        low, high = begin + max(_I(0), lows[pair]), min(end, begin + highs[pair])
        for place in range(low, high - length + 1 if length > 0 else low):
            if same_gram(stored.terms, stored.term_hash, position, hashes, place, length):
                found[pair] = place - begin
                break


def occurs(index: Index, tokens: Tokens, pairs: Pairs, lows: Column, highs: Column) -> Column:
    """(C,) first place of a whole sub-item between two places of a text, or -1.

    For answers, which are looked for only near a match or in one reply.
    """
    found = np.empty(len(pairs.items), np.int64)
    _occurs(
        frozen(tokens.hashes),
        frozen(tokens.offsets),
        frozen(pairs.segments),
        frozen(pairs.items),
        frozen(lows),
        frozen(highs),
        index.stored,
        found,
    )
    return found
