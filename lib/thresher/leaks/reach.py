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
from thresher.leaks.keys import mixed, power, roll
from thresher.leaks.prepared import first_place, make_prepared, prepare
from thresher.leaks.presets import Preset
from thresher.leaks.rules import Exact, FuzzyIdf, LongestSpan, NgramRatio, NumberMatch
from thresher.leaks.scan import Pairs, frozen
from thresher.leaks.tables import get_bit
from thresher.leaks.weak import NEAR_WORDS, near_bit, window
from thresher.text.kernel import inlined, kernel

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
SHORT_TEXT = 2048  # tokens
_BY_OTHER_FIGURES = ("templated", "minhash")


class _Bounds(NamedTuple):
    """Figures of pairs that the true ones do not exceed."""

    covered: Column  # (C, G) int64 tokens in shared n-grams
    longest: Column  # (C,) int64
    weight: Column  # (C,) int64
    whole: Column  # (C,) bool


class _Near(NamedTuple):
    """Scratch: what occurs in a text."""

    tokens: Column  # (NEAR_WORDS,) uint64
    grams: Column  # (NEAR_WORDS,) uint64


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
    if not len(pairs.items) or not index.uids_ascend or not all(map(_bounded, presets)):
        return np.arange(len(pairs.items))
    bounds = _bound(index, tokens, pairs, min(map(_least_weight, presets)))
    alive = np.zeros(len(pairs.items), bool)
    bench = index["bench"][pairs.items]
    by_rule: dict[str, list[int]] = {}
    for number in range(len(presets)):
        by_rule.setdefault(presets[number].digest(), []).append(number)
    for numbers in by_rule.values():
        reached = _reaches(presets[numbers[0]], index, pairs, bounds)
        alive |= reached if len(by_rule) == 1 else reached & np.isin(bench, numbers)
    for column in (others or {}).values():
        alive |= column > 0
    change = np.ones(len(alive), bool)
    change[1:] = (np.diff(pairs.segments) != 0) | (np.diff(index["uid"][pairs.items]) != 0)
    starts = np.flatnonzero(change)
    kept = np.repeat(np.logical_or.reduceat(alive, starts), np.diff([*starts, len(alive)]))
    return np.flatnonzero(kept)


def _bounded(preset: Preset) -> bool:
    """Tell whether all rules of a preset go by figures that are bounded here."""
    return preset.by_kind and all(
        name in _BY_OTHER_FIGURES
        or isinstance(rule, Exact | LongestSpan | FuzzyIdf | NumberMatch)
        or (isinstance(rule, NgramRatio) and rule.of == "tokens" and not rule.answer_weight)
        for name, rule in preset.modes.items()
    )


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
    near = _Near(np.zeros(NEAR_WORDS, np.uint64), np.zeros(NEAR_WORDS, np.uint64))
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
def _there(bitmap: Any, bit: Any) -> Any:
    return (bitmap[bit >> 6] >> _U(bit & 63)) & _U(1) != _U(0)


@kernel
def _read(hashes: Column, begin: Any, end: Any, n: Any, oldest: Any, near: Any) -> None:
    """Enter the tokens and n-grams of a text into bitmaps."""
    near.tokens[:] = _U(0)
    near.grams[:] = _U(0)
    total = _U(0)
    for place in range(begin, end):
        bit = near_bit(hashes[place])
        near.tokens[bit >> 6] |= _U(1) << _U(bit & 63)
        total = roll(total, hashes[place])
        if place - begin >= n:
            total -= hashes[place - n] * oldest
        if place - begin >= n - 1:
            bit = near_bit(mixed(total))
            near.grams[bit >> 6] |= _U(1) << _U(bit & 63)


@kernel
def _bound_short(
    hashes: Column, offsets: Column, segments: Column, items: Column,
    stored: Any, known: Any, fresh: Column, near: Any, oldest: Any, bounds: Any,
) -> None:  # fmt: skip
    """Bound figures by the tokens and n-grams that occur anywhere in a text; long texts are left
    out.

    Longer n-grams are shared where all shorter ones within are. The longest span is a stretch of
    the sub-item with a shared n-gram, and at most four tokens that do not occur.
    """
    absent = np.empty(SKIPS + 1, np.int64)  # the last places of tokens that do not occur
    reach = np.empty(known.ngrams.shape[0], np.int64)  # one past the last token that is covered
    ngrams, idf, n = known.ngrams, known.idf, known.ngrams[0]
    before = _I(-1)
    for pair in range(items.shape[0]):
        segment, item = segments[pair], items[pair]
        if offsets[segment + 1] - offsets[segment] > SHORT_TEXT:
            continue
        if segment != before:
            before = segment
            _read(hashes, offsets[segment], offsets[segment + 1], n, oldest, near)
        begin, end = stored.offsets[item], stored.offsets[item + 1]
        absent[:], reach[:] = begin - 1, begin
        bounds.covered[pair, :] = 0
        weight, num_absent, longest, seed = _I(0), _I(0), _I(0), _I(-1)
        run, shared = (
            _I(0),
            _I(0),
        )  # tokens that occur in a row, shared n-grams in a row
        for position in range(begin, end):
            term = stored.terms[position]
            if not _there(near.tokens, near_bit(stored.term_hash[term])):
                num_absent, run, shared = num_absent + 1, _I(0), _I(0)
                absent[num_absent % (SKIPS + 1)] = position
                continue
            weight += idf[term] * get_bit(fresh, position)
            run += 1
            if run >= n:
                total = _U(0)
                for k in range(position - n + 1, position + 1):
                    total = roll(total, stored.term_hash[stored.terms[k]])
                shared = shared + 1 if _there(near.grams, near_bit(mixed(total))) else _I(0)
                if shared > 0:
                    seed = position - n + 1
                    for grams in range(ngrams.shape[0]):
                        own = ngrams[grams]
                        if shared > own - n:
                            first = max(reach[grams], position + 1 - own)
                            bounds.covered[pair, grams] += position + 1 - first
                            reach[grams] = position + 1
            start = absent[(num_absent + 1) % (SKIPS + 1)] + 1
            if seed >= start:
                longest = max(longest, position + 1 - start)
        bounds.weight[pair], bounds.longest[pair] = weight, longest
        bounds.whole[pair] = num_absent == 0


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
            text.stamps[-1] = stamp
            size = prepare(
                hashes, offsets[segment], offsets[segment + 1], known.token_hash,
                known.token_slots, known.ngrams, stored.mask, stamp, text,
            )  # fmt: skip
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
