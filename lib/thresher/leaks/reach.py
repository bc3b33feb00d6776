"""Which candidate pairs a rule could still call suspect, by bounds that cost little.

Most candidates share a few words with a text and no more. For each pair three figures are bounded
from above: the sub-item's tokens in shared n-grams, its longest run, and the weight of its tokens
in a window. The tokens and n-grams anywhere in a short text bound all three. In a long one nearly
all occur, so there n-grams, runs and windows are found. Pairs of one item and text stay together,
as a verdict looks at all of them.

Shapes: C pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.evidence import known_of, make_own, take
from thresher.leaks.figures import SKIPS, find_span, find_window
from thresher.leaks.firing import guarded, reaches
from thresher.leaks.index import Index
from thresher.leaks.keys import mixed, power, roll, same_gram
from thresher.leaks.needs import bounded
from thresher.leaks.prepared import first_place, make_prepared, prepare
from thresher.leaks.presets import Preset, alike
from thresher.leaks.rules import FuzzyIdf, LongestSpan, NgramRatio, NumberMatch
from thresher.leaks.scan import Pairs, frozen
from thresher.leaks.tables import get_bit
from thresher.leaks.weak import NEAR_WORDS, near_bit, window
from thresher.text.kernel import allocating, inlined, kernel

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
SHORT_TEXT = 2048  # tokens
GRAM_SLOTS = 2048


class _Bounds(NamedTuple):
    """Figures of pairs that the true ones do not exceed."""

    covered: Column  # (C, G) int64 tokens in shared n-grams
    longest: Column  # (C,) int64
    weight: Column  # (C,) int64
    whole: Column  # (C,) bool


class _Near(NamedTuple):
    """Scratch: what occurs in a text, and one span."""

    tokens: Column  # (NEAR_WORDS,) uint64: a bitmap
    heads: Column  # (GRAM_SLOTS,) int32: the last place of n-grams of a slot, plus 1
    following: Column  # (SHORT_TEXT,) int32: the place of such an n-gram before, plus 1
    ends: Column  # (2, SKIPS + 1) int64


def within_reach(
    index: Index,
    presets: Sequence[Preset],
    tokens: Tokens,
    pairs: Pairs,
    others: Mapping[str, Column] | None = None,
) -> Column:
    """Return the places of the pairs that a rule could call suspect, and of what belongs to them.

    Args:
        index: The items.
        presets: The rules, by benchmark; those of others than us let all pairs pass.
        tokens: Of the texts.
        pairs: As `scan` found them, ascending.
        others: Figures that were found in other ways; pairs with any of them pass.
    """
    different = [preset for preset, _ in alike(presets)]
    if not len(pairs.items) or not index.uids_ascend or not all(map(bounded, different)):
        return np.arange(len(pairs.items))
    bounds = _bound(index, tokens, pairs, min(map(_least_weight, different)))
    alive = np.zeros(len(pairs.items), bool)
    bench = index["bench"][pairs.items]
    for preset, numbers in alike(presets):
        reached = _reaches(preset, index, pairs, bounds)
        alive |= reached if len(numbers) == len(presets) else reached & np.isin(bench, numbers)
    for column in (others or {}).values():
        alive |= column > 0
    change = np.ones(len(alive), bool)
    change[1:] = (np.diff(pairs.segments) != 0) | (np.diff(index["uid"][pairs.items]) != 0)
    starts = np.flatnonzero(change)
    kept = np.repeat(np.logical_or.reduceat(alive, starts), np.diff([*starts, len(alive)]))
    return np.flatnonzero(kept)


def _reaches(preset: Preset, index: Index, pairs: Pairs, bounds: _Bounds) -> Column:
    length, total = index.lengths[pairs.items], index["total"][pairs.items]
    alive = bounds.whole.copy()
    for rule in preset.modes.values():
        hit, weak = alive, alive
        if isinstance(rule, NgramRatio):
            covered = bounds.covered[:, index.ngrams.index(rule.n)]
            hit, weak = guarded(rule, covered, length, length)
        elif isinstance(rule, LongestSpan):
            hit = (bounds.longest >= rule.least) & reaches(bounds.longest, length, rule.threshold)
        elif isinstance(rule, FuzzyIdf):
            hit, weak = guarded(rule, bounds.weight, total, length)
        elif isinstance(rule, NumberMatch):
            hit = reaches(bounds.weight, total, _least_weight(preset)) & (
                length >= rule.least_tokens
            )
            hit &= np.diff(index["number_offsets"])[pairs.items] > 0
        alive |= hit | weak
    return alive


def _least_weight(preset: Preset) -> Fraction:
    """Return the share of the weight below which no rule counts it."""
    found = [Fraction(1)]
    for rule in preset.modes.values():
        if isinstance(rule, FuzzyIdf):
            found.append(rule.threshold if rule.suspect is None else rule.suspect)
        elif isinstance(rule, NumberMatch):
            found.append(rule.threshold)
            found += [] if rule.suspect_share is None else [rule.suspect]
    return min(found)


def _bound(index: Index, tokens: Tokens, pairs: Pairs, share: Fraction) -> _Bounds:
    count, num_grams = len(pairs.items), len(index.ngrams)
    bounds = _Bounds(
        np.empty((count, num_grams), np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.bool_),
    )
    texts = np.diff(tokens.offsets)[pairs.segments]
    hashes, offsets, known = frozen(tokens.hashes), frozen(tokens.offsets), known_of(index)
    near = _Near(
        np.zeros(NEAR_WORDS, np.uint64),
        np.zeros(GRAM_SLOTS, np.int32),
        np.zeros(SHORT_TEXT, np.int32),
        np.zeros((2, SKIPS + 1), np.int64),
    )
    _bound_short(
        hashes, offsets, frozen(pairs.segments), frozen(pairs.items),
        index.stored, known, index["fresh"], near, power(index.ngrams[0]), bounds,
    )  # fmt: skip
    longest = int(texts.max())
    if longest > SHORT_TEXT:
        at = np.flatnonzero(texts > SHORT_TEXT)
        items = pairs.items[at]
        text = make_prepared(longest, len(index["token_hash"]) + 1, num_grams)
        own = make_own(longest, int(index.lengths[items].max()), len(index["token_hash"]), 1)
        _bound_long(
            hashes, offsets, frozen(pairs.segments[at]), frozen(items), frozen(at),
            index.stored, known, index["total"], share.as_integer_ratio(), text, own, bounds,
        )  # fmt: skip
    return bounds


@inlined
def _gram_bit(stored: Any, position: Any, n: Any) -> Any:
    total = _U(0)
    for k in range(position, position + n):
        total = roll(total, stored.term_hash[stored.terms[k]])
    return near_bit(mixed(total)) & (GRAM_SLOTS - 1)


@kernel
def _read(hashes: Column, begin: Any, end: Any, n: Any, oldest: Any, near: Any) -> None:
    """Enter the tokens of a text into a bitmap, its n-grams into chains."""
    near.tokens[:] = _U(0)
    near.heads[:] = 0
    total = _U(0)
    for place in range(begin, end):
        bit = near_bit(hashes[place])
        near.tokens[bit >> 6] |= _U(1) << _U(bit & 63)
        total = roll(total, hashes[place])
        first = place - begin - n + 1
        if first > 0:
            total -= hashes[place - n] * oldest
        if first >= 0:
            slot = near_bit(mixed(total)) & (GRAM_SLOTS - 1)
            near.following[first] = near.heads[slot]
            near.heads[slot] = first + 1


@inlined
def _extend(
    stored: Any, hashes: Any, at: Any, low: Any, high: Any, shift: Any, step: Any, ends: Any
) -> None:
    """Fill how far a sub-item's tokens from `at` on, up to `low` or `high`, are those of a text
    `shift` further, allowing 0 to SKIPS others."""
    skipped, reached, offset = _I(0), _I(0), _I(0)
    ends[0] = 0
    while low <= at + step * offset < high:
        position = at + step * offset
        offset += 1
        if stored.term_hash[stored.terms[position]] == hashes[position + shift]:
            reached = offset
            ends[skipped] = reached
        else:
            skipped += 1
            if skipped > SKIPS:
                break
            ends[skipped] = reached
    for left in range(skipped + 1, SKIPS + 1):
        ends[left] = reached


@inlined
def _spans(
    hashes: Any, start: Any, stop: Any, stored: Any, begin: Any, end: Any, position: Any,
    n: Any, near: Any, longest: Any,
) -> Any:  # fmt: skip
    """Look at the places of a text with the n-gram of a sub-item's token.

    Returns:
        Whether there is one; the longest span so far: what came in, or one that begins there.
    """
    place = _I(near.heads[_gram_bit(stored, position, n)]) - 1
    there, forwards = False, _I(1)
    while place >= 0:
        at = start + place
        place = _I(near.following[place]) - 1
        if not same_gram(stored.terms, stored.term_hash, position, hashes, at, n):
            continue
        there = True
        if (
            position > begin
            and at > start
            and stored.term_hash[stored.terms[position - 1]] == hashes[at - 1]
        ):
            continue  # of the span of the n-gram before
        shift = at - position
        low, high = max(begin, start - shift), min(end, stop - shift)
        _extend(stored, hashes, position, low, high, shift, forwards, near.ends[0])
        _extend(stored, hashes, position - 1, low, high, shift, -forwards, near.ends[1])
        for before in range(SKIPS + 1):
            longest = max(longest, near.ends[1, before] + near.ends[0, SKIPS - before])
    return there, longest


@allocating
def _bound_short(
    hashes: Column, offsets: Column, segments: Column, items: Column,
    stored: Any, known: Any, fresh: Column, near: Any, oldest: Any, bounds: Any,
) -> None:  # fmt: skip
    """Bound weights by the tokens that occur anywhere in a text; find n-grams and spans. Long texts
    are left out.

    Longer n-grams are shared at most where all shorter ones within are.
    """
    reach = np.empty(known.ngrams.shape[0], np.int64)  # one past the last token that is covered
    ngrams, idf, n = known.ngrams, known.idf, known.ngrams[0]
    before, start, stop = _I(-1), _I(0), _I(0)
    for pair in range(items.shape[0]):
        segment, item = segments[pair], items[pair]
        if offsets[segment + 1] - offsets[segment] > SHORT_TEXT:
            continue
        if segment != before:
            before, start, stop = segment, offsets[segment], offsets[segment + 1]
            _read(hashes, start, stop, n, oldest, near)
        begin, end = stored.offsets[item], stored.offsets[item + 1]
        reach[:] = begin
        bounds.covered[pair, :] = 0
        weight, present, longest = _I(0), _I(0), _I(0)
        run, shared = _I(0), _I(0)  # tokens that occur in a row, shared n-grams in a row
        for position in range(begin, end):
            term = stored.terms[position]
            bit = near_bit(stored.term_hash[term])
            if (near.tokens[bit >> 6] >> _U(bit & 63)) & _U(1) == _U(0):
                run, shared = _I(0), _I(0)
                continue
            weight += idf[term] * get_bit(fresh, position)
            present += 1
            run += 1
            if run < n:
                continue
            there, longest = _spans(
                hashes, start, stop, stored, begin, end, position - n + 1, n, near, longest
            )
            shared = shared + 1 if there else _I(0)
            for grams in range(ngrams.shape[0]):
                own = ngrams[grams]
                if shared > own - n:
                    first = max(reach[grams], position + 1 - own)
                    bounds.covered[pair, grams] += position + 1 - first
                    reach[grams] = position + 1
        bounds.weight[pair], bounds.longest[pair] = weight, longest
        bounds.whole[pair] = present == end - begin


@kernel
def _bound_long(
    hashes: Column, offsets: Column, segments: Column, items: Column, places: Column,
    stored: Any, known: Any, total: Column, share: Any, text: Any, own: Any, bounds: Any,
) -> None:  # fmt: skip
    """Find n-grams, runs, and windows; figures go to the pairs at `places`.

    Args:
        share: Numerator and denominator; lighter windows count as 0.
    """
    before, size, length, stamp = _I(-1), _I(0), _I(0), _I(0)
    ngrams = known.ngrams
    for pair in range(items.shape[0]):
        segment, item = segments[pair], items[pair]
        if segment != before:
            before, stamp = segment, stamp + 1
            length = offsets[segment + 1] - offsets[segment]
            size = prepare(hashes, offsets, segments, items, _I(pair), stored, known, stamp, text)
        num = stored.offsets[item + 1] - stored.offsets[item]
        num_distinct = take(stored, known, own, item, pair + 1)
        at = places[pair]
        for grams in range(ngrams.shape[0]):
            n, covered, reach = ngrams[grams], _I(0), _I(0)
            for i in range(num - n + 1):
                place = first_place(text, size, grams, n, stored.mask, own.tokens, own.hashes, i)
                if grams == 0:
                    own.places[i] = place
                if place >= 0:
                    covered += i + n - max(reach, i)
                    reach = i + n
            bounds.covered[at, grams] = covered
        exact, longest, _ = find_span(own, num, text, length, ngrams[0])
        least = (total[item] * share[0] + share[1] - 1) // share[1]
        weight, _, _ = find_window(
            own, num_distinct, pair + 1, text, length, window(num), max(_I(1), least)
        )
        bounds.longest[at], bounds.weight[at], bounds.whole[at] = longest, weight, exact
