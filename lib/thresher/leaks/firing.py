"""What each rule says of a match by its figures alone.

A rule calls matches contaminated, and some of them suspect. All comparisons are made in integers:
counts below 10^13, or tokens times fixed-point weights below 10^14, times fractions whose
denominators `thresher.leaks.rules` bounds, stay within 64 bits.

Shapes: C matches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.benchmarks import KINDS
from thresher.leaks.presets import Preset, covered_name, grams_name
from thresher.leaks.rules import FINEST, Exact, Guarded, MinHash, NgramRatio, NumberMatch
from thresher.leaks.weak import window_of

Column = np.ndarray[Any, Any]
Columns = Mapping[str, Column]
Fired = tuple[Column, Column]  # (C,) bool: contaminated, suspect
_MATH = KINDS.index("math")


class Around(NamedTuple):
    """What is known of the text around a match.

    Attributes:
        row: (C,) int64, the row that the segment is part of.
        segment: (C,) int64; no two rows share one.
        segment_tokens: (C,) int64.
        asked: (C,) bool, whether the segment is what a model is given, not what it should write.
        answer_found: (C,) bool, whether the item's answer follows or answers the match.
        options_found: (C,) int64, texts of the item's options near the match, of any length.
        has_answer: (C,) bool, whether the item has an answer that can be looked for.
    """

    row: Column
    segment: Column
    segment_tokens: Column
    asked: Column
    answer_found: Column
    options_found: Column
    has_answer: Column


def fired(
    evidence: Columns, items: Columns, preset: Preset, around: Around
) -> Iterator[tuple[str, Fired]]:
    """Yield for each rule, in order, the matches it calls contaminated and suspect."""
    for name, rule in preset.modes.items():
        nothing = np.zeros(len(evidence["L"]), bool)
        weak = nothing
        if isinstance(rule, Exact):
            hit = _contained(rule, evidence, around)
        elif name == "ngram_any":
            hit = evidence[covered_name(preset.ngram_any.n)] > 0
        elif isinstance(rule, NgramRatio):
            hit, weak = _ratio(rule, evidence, around)
        elif name == "longest_span":
            span = preset.longest_span
            longest = evidence["longest"].astype(np.int64)
            hit = (longest >= span.least) & reaches(longest, evidence["L"], span.threshold)
        elif name == "lcs":
            lcs = evidence["lcs"].astype(np.int64)
            shorter = np.minimum(evidence["L"], around.segment_tokens)
            hit = (lcs >= preset.lcs.least) & reaches(lcs, shorter, preset.lcs.threshold)
        elif name == "fuzzy_idf":
            words = preset.fuzzy_idf
            part, whole = evidence["widf_num"], evidence["widf_den"]
            hit, weak = guarded(words, part, whole, evidence["L"])
            hit &= _by_size(words.threshold, words.per_doubling, evidence, around)
        elif isinstance(rule, NumberMatch):
            hit, weak = _same_numbers(rule, evidence, items, around)
        elif isinstance(rule, MinHash):
            hit = similar(rule, evidence)
        else:
            assert name == "templated", name
            hit, weak = same_template(preset, evidence)
        removes = rule.action == "remove"
        yield name, (hit if removes else nothing, weak if removes else hit | weak)


def reaches(part: Column, whole: Column, share: Fraction, above: bool = False) -> Column:
    """Tell where part / whole is at least a share, or above it; nothing reaches none of nothing."""
    left = part.astype(np.int64) * share.denominator
    right = whole.astype(np.int64) * share.numerator
    reached: Column = (whole > 0) & ((left > right) if above else (left >= right))
    return reached


def guarded(rule: Guarded, part: Column, whole: Column, length: Column) -> Fired:
    """Tell where part / whole is what a rule requires of items of a length."""
    on: Column = (length >= rule.off_below) & (whole > 0)
    hit = reaches(part, whole, rule.threshold, rule.above)
    between = on & (length < rule.long)
    if between.any():
        # 1 - (1 - t) (L - short) / (long - short), all of it where L is at most short
        run = max(rule.long - rule.short, 1)
        passed = np.maximum(length[between].astype(np.int64) - rule.short, 0)
        top, bottom = rule.threshold.numerator, rule.threshold.denominator
        left = part[between].astype(np.int64) * (bottom * run)
        right = whole[between].astype(np.int64) * (bottom * run - (bottom - top) * passed)
        hit[between] = (left > right) if rule.above else (left >= right)
    weak = np.zeros(len(hit), bool)
    if rule.suspect is not None:
        weak = on & reaches(part, whole, rule.suspect)
    return on & hit, weak


def _contained(rule: Exact, evidence: Columns, around: Around) -> Column:
    """Tell which items are contained whole, and long enough for where they stand."""
    length, tokens = evidence["L"], around.segment_tokens
    short_text = (tokens <= length + rule.slack) | around.answer_found
    enough = (length >= rule.certain) | ((length >= rule.least) & short_text)
    if rule.whole_text:
        enough |= (tokens == length) & around.answer_found
    found: Column = evidence["exact"].astype(bool) & (length > 0) & enough
    return found


def _ratio(rule: NgramRatio, evidence: Columns, around: Around) -> Fired:
    """Tell how much of an item lies in common n-grams."""
    length = evidence["L"].astype(np.int64)
    whole = length
    if rule.of in ("ngrams", "shorter"):
        part = evidence[grams_name(rule.n)].astype(np.int64)
        whole = np.maximum(length - rule.n + 1, 0)
        if rule.of == "shorter":
            whole = np.minimum(whole, np.maximum(around.segment_tokens - rule.n + 1, 0))
    else:
        part = evidence[covered_name(rule.n)].astype(np.int64)
        if rule.of == "spans":
            longest = evidence["longest"].astype(np.int64)
            part = np.maximum(part, np.where(longest >= rule.n, longest, 0))
    if rule.answer_weight:
        # (1 - w) part / whole + w [answer found], for items that have an answer
        weight, unit = rule.answer_weight.numerator, rule.answer_weight.denominator
        found = np.where(around.answer_found, weight * whole, 0)
        part = np.where(around.has_answer, (unit - weight) * part + found, unit * part)
        whole = unit * whole
    return guarded(rule, part, whole, length)


def doublings(evidence: Columns, around: Around) -> Column:
    """(C,) how often a text can be halved before it is shorter than two windows of the item."""
    wide = np.maximum(2 * window_of(evidence["L"].astype(np.int64)), 1)
    times = np.maximum(around.segment_tokens // wide, 1)
    found: Column = np.frexp(times.astype(np.float64))[1].astype(np.int64) - 1
    return found


def _by_size(share: Fraction, step: Fraction, evidence: Columns, around: Around) -> Column:
    """Tell which matches have the rare words that a text of its size needs; all are enough.

    The chance that a window holds half of an item's words is the same everywhere, so the more
    windows, the more often one does: 16 % of documents of 40 problems had such a window of another
    problem, of the problems alone 0.1 % (2026-11, GSM8K train against test).
    """
    more = math.ceil(step * FINEST) * doublings(evidence, around)
    needed = np.minimum(math.ceil(share * FINEST) + more, FINEST)
    part, whole = evidence["widf_num"].astype(np.int64), evidence["widf_den"].astype(np.int64)
    found: Column = (more == 0) | (part * FINEST >= whole * needed)
    return found


def _same_numbers(rule: NumberMatch, evidence: Columns, items: Columns, around: Around) -> Fired:
    """Tell which matches share numbers and enough rare words, in much the same order."""
    count, equal = evidence["num_count"], evidence["num_equal"]
    part, whole = evidence["widf_num"], evidence["widf_den"]
    least = np.where(items["kind"] == _MATH, rule.least_math, rule.least)
    long = (evidence["L"] >= rule.least_tokens) & (count >= least)
    unit = rule.extra.denominator
    allowed = np.maximum(unit, rule.extra.numerator * count.astype(np.int64))
    short = min(rule.least_tokens, rule.long)
    guard = Guarded(threshold=rule.threshold, short=short, long=rule.long)
    hit, _ = guarded(guard, part, whole, evidence["L"])
    hit &= long & reaches(equal, count, rule.share)
    hit &= reaches(evidence["lcs"], evidence["L"], rule.order)
    hit &= _by_size(rule.threshold, rule.per_doubling, evidence, around)
    hit &= evidence["num_extra"].astype(np.int64) * unit <= allowed
    weak = np.zeros(len(hit), bool)
    if rule.suspect_share is not None:
        weak = long & reaches(equal, count, rule.suspect_share)
        weak &= reaches(part, whole, rule.suspect)
    return hit, weak


def similar(rule: MinHash, evidence: Columns) -> Column:
    """Tell which items share enough runs of three tokens with a text; unknown where none met."""
    if "shingles" not in evidence:
        return np.zeros(len(evidence["L"]), bool)
    shared, whole = evidence["shingles"], evidence["shingles_item"]
    if rule.of == "both":
        whole = whole + evidence["shingles_text"] - shared
    hit: Column = (evidence["L"] >= rule.least_tokens) & reaches(shared, whole, rule.threshold)
    return hit


def same_template(preset: Preset, evidence: Columns) -> Fired:
    """Tell which matches are the same wording once digits are made the same."""
    length = evidence["L"]
    if "templated8" not in evidence:
        return np.zeros(len(length), bool), np.zeros(len(length), bool)
    return guarded(preset.templated, evidence["templated8"], length, length)
