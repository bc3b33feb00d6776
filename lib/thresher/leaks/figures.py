"""Figures of one text and one sub-item: spans, the heaviest window, the order of words, numbers.

All work on a prepared text and on the sub-item's tokens, given as places among the index's tokens.

Shapes: m tokens of the text, L of the sub-item, D distinct ones, V distinct tokens of the index.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.text.kernel import inlined, kernel
from thresher.text.machine import mul_wide

Column = np.ndarray[Any, Any]
_U, _I = np.uint64, np.int64
SKIPS = 4  # tokens that may differ within a span
_ENDS = SKIPS + 1
_SELDOM = 32  # times in a text
OWN_WORDS = 16
STRETCH = 4  # windows; longer texts are looked at by blocks of a window


class Own(NamedTuple):
    """Scratch: one sub-item."""

    tokens: Column  # (L,) int32
    hashes: Column  # (L,) uint64
    places: Column  # (L,) int32: first place of each shortest n-gram in the text, -1 for none
    local: Column  # (V,) int32: number of a token among the sub-item's distinct ones
    stamps: Column  # (V,) int32: for which pair `local` holds
    bits: Column  # (OWN_WORDS,) uint64: a bitmap of the tokens
    distinct: Column  # (D,) int32: the tokens
    weights: Column  # (D,) int64
    counts: Column  # (D,) int64: occurrences in a window
    near: Column  # int32: places of the sub-item's tokens in a stretch of the text
    near_local: Column  # int32: which they are
    masks: Column  # uint64: bits of the sub-item's places, for each distinct token
    row: Column  # uint64: a row of the comparison
    groups: Column  # int32: of the numbers near a window
    have: Column  # int64: of each distinct number
    blocks: Column  # int64, zeros: weight of tokens in each block of the text
    ends: Column  # (2, SKIPS + 1) int64


@inlined
def _extend(
    own: Any, num: Any, tokens: Any, length: Any, i: Any, place: Any, step: Any, ends: Any
) -> None:
    """Fill how far equal tokens reach from a place, each way allowing 0 to SKIPS others."""
    skipped = _I(0)
    reached = _I(0)
    offset = _I(0)
    ends[0] = 0
    while True:
        j, at = i + step * offset, place + step * offset
        if j < 0 or j >= num or at < 0 or at >= length:
            break
        offset += 1
        if own.tokens[j] == tokens[at]:
            reached = offset
            ends[skipped] = reached
        else:
            skipped += 1
            if skipped == _ENDS:
                break
            ends[skipped] = reached
    for left in range(skipped + 1, _ENDS):
        ends[left] = reached


@kernel
def find_span(own: Any, num: Any, text: Any, length: Any, n: Any) -> Any:
    """Return (whether all of the sub-item is there, tokens of the longest span, its first place).

    A span lies on one diagonal, begins and ends with equal tokens, holds a shared n-gram and at
    most SKIPS other tokens. Of the longest ones the first counts; a whole copy goes before any.
    """
    tokens = text.tokens
    if num < n:
        first = own.tokens[0]
        count = _I(text.counts[first]) if text.stamps[first] == text.stamps[-1] else _I(0)
        for index in range(count):
            place = _I(text.order[text.ends[first] - count + index])
            same = place + num <= length
            for k in range(1, num):
                same = same and own.tokens[k] == tokens[place + k]
            if same:
                return True, num, place
        return False, _I(0), _I(-1)
    best, best_place, forwards = _I(0), _I(-1), _I(1)
    for i in range(num - n + 1):
        place = _I(own.places[i])
        while place >= 0:
            if i > 0 and place > 0 and own.tokens[i - 1] == tokens[place - 1]:
                place = _I(text.following_gram[place])
                continue
            _extend(own, num, tokens, length, i, place, forwards, own.ends[0])
            if i == 0 and own.ends[0, 0] == num:
                return True, num, place
            _extend(own, num, tokens, length, i - 1, place - 1, -forwards, own.ends[1])
            for before in range(_ENDS):
                span = own.ends[1, before] + own.ends[0, SKIPS - before]
                start = place - own.ends[1, before]
                if span > best or (span == best and start < best_place):
                    best, best_place = span, start
            place = _I(text.following_gram[place])
    return False, best, best_place


@inlined
def add_own(own: Any, token: Any) -> None:
    """Enter a token of the sub-item into the bitmap."""
    own.bits[(_U(token) >> _U(6)) & _U(OWN_WORDS - 1)] |= _U(1) << (_U(token) & _U(63))


@inlined
def _maybe_own(own: Any, token: Any) -> Any:
    """Tell whether a token of the text, or -1, may be the sub-item's."""
    word = own.bits[(_U(token) >> _U(6)) & _U(OWN_WORDS - 1)]
    return (word >> (_U(token) & _U(63))) & _U(1) != _U(0)


@inlined
def _is_own(own: Any, token: Any, stamp: Any) -> Any:
    """Tell whether a token of the text, or -1, is the sub-item's."""
    return _maybe_own(own, token) and token >= 0 and own.stamps[token] == stamp


@inlined
def _sweep(
    own: Any, num_distinct: Any, stamp: Any, tokens: Any, width: Any, low: Any, high: Any, best: Any
) -> Any:
    """Return the heavier of `best` (weight, last place) and of the windows that end in a range.

    The places with tokens of the sub-item are collected first, without a branch that could not be
    foreseen.
    """
    num = _I(0)
    for place in range(max(_I(0), low - width + 1), high):
        own.near[num] = place
        num += _I(_maybe_own(own, tokens[place]))
    left = _I(0)
    for index in range(num):
        place = own.near[index]
        token = tokens[place]
        if token >= 0 and own.stamps[token] == stamp:
            own.near[left], own.near_local[left] = place, own.local[token]
            left += 1
    for local in range(num_distinct):
        own.counts[local] = 0
    weight, oldest = _I(0), _I(0)
    best_weight, best_last = best
    for index in range(left):
        last, local = _I(own.near[index]), own.near_local[index]
        while own.near[oldest] <= last - width:
            gone = own.near_local[oldest]
            own.counts[gone] -= 1
            if own.counts[gone] == 0:
                weight -= own.weights[gone]
            oldest += 1
        own.counts[local] += 1
        if own.counts[local] == 1:
            weight += own.weights[local]
        if last >= low and (weight > best_weight or (weight == best_weight and last < best_last)):
            best_weight, best_last = weight, last
    return best_weight, best_last


@kernel
def _weigh_blocks(
    own: Any, num_distinct: Any, text: Any, width: Any, num_blocks: Any, most_often: Any
) -> Any:
    """Add the weights of the sub-item's tokens to the blocks of a window's width they stand in.

    A window that ends in a block weighs no more than the block, the one before it, and the tokens
    that stand in the text more than `most_often` times, which are left out.

    Returns:
        The weight of those left out; the most that two blocks weigh, and the second of them.
    """
    frequent = _I(0)
    inverse = ~_U(0) // _U(width) + _U(1)  # no place is so far that the product is off by one
    for local in range(num_distinct):
        token = own.distinct[local]
        if text.stamps[token] != text.stamps[-1]:
            continue
        weight = own.weights[local]
        count, last = _I(text.counts[token]), _I(-1)
        if count > most_often:
            frequent += weight
            continue
        for index in range(text.ends[token] - count, text.ends[token]):
            block = _I(mul_wide(_U(text.order[index]), inverse)[1])
            own.blocks[block] += weight if block != last else _I(0)
            last = block
    most, heaviest, before = _I(0), _I(0), _I(0)
    for own_block in range(num_blocks):
        both = before + own.blocks[own_block]
        before = own.blocks[own_block]
        if both > most:
            most, heaviest = both, _I(own_block)
    return frequent, most, heaviest


@kernel
def find_window(
    own: Any, num_distinct: Any, stamp: Any, text: Any, length: Any, width: Any, least: Any
) -> Any:
    """Return (weight, first place, last place) of the window that weighs most, 0 and -1 where none
    weighs `least`.

    Of equal windows the one that ends first counts, cut to the tokens that give it its weight.
    Blocks of a long text are left out where what is there, and what is nearly everywhere, would
    weigh less. Whether any can weigh `least` is first asked of the seldom tokens.
    """
    tokens = text.tokens
    best = (least - 1, _I(-1))
    if length <= STRETCH * width:
        best = _sweep(own, num_distinct, stamp, tokens, width, _I(0), length, best)
    else:
        num_blocks = (length + width - 1) // width
        often = max(_SELDOM, num_blocks >> 1)
        most_often = _I(_SELDOM) if least > 1 else often
        frequent, most, heaviest = _weigh_blocks(
            own, num_distinct, text, width, num_blocks, most_often
        )
        while frequent + most >= least and most_often < often:
            own.blocks[:num_blocks] = 0
            most_often = min(8 * most_often, often)
            frequent, most, heaviest = _weigh_blocks(
                own, num_distinct, text, width, num_blocks, most_often
            )
        if frequent + most < least:
            own.blocks[:num_blocks] = 0
            return _I(0), _I(-1), _I(-1)
        best = _sweep(
            own, num_distinct, stamp, tokens, width,
            heaviest * width, min(length, (heaviest + 1) * width), best,
        )  # fmt: skip
        before = _I(0)
        for block in range(num_blocks):
            bound = before + own.blocks[block] + frequent
            before = own.blocks[block]
            if block != heaviest and bound > 0 and bound >= best[0]:
                best = _sweep(
                    own, num_distinct, stamp, tokens, width,
                    block * width, min(length, (block + 1) * width), best,
                )  # fmt: skip
        own.blocks[:num_blocks] = 0
    weight, last = best
    if last < 0:
        return _I(0), _I(-1), _I(-1)
    for local in range(num_distinct):
        own.counts[local] = 0
    first, left = last + 1, weight
    while left > 0:
        first -= 1
        token = tokens[first]
        if _is_own(own, token, stamp):
            local = own.local[token]
            if own.counts[local] == 0:
                own.counts[local] = 1
                left -= own.weights[local]
    return weight, first, last


@kernel
def common_subsequence(
    own: Any, num: Any, num_distinct: Any, stamp: Any, text: Any, low: Any, high: Any
) -> Any:
    """Return the length of the longest common subsequence with a stretch of the text.

    Bit-parallel, 64 of the sub-item's tokens a step. After Hyyrö, "Bit-parallel LCS-length
    computation revisited", AWOCA 2004.
    """
    words = (num + 63) >> 6
    for index in range(num_distinct * words):
        own.masks[index] = _U(0)
    for i in range(num):
        local = _I(own.local[own.tokens[i]])
        own.masks[local * words + (i >> 6)] |= _U(1) << _U(i & 63)
    for word in range(words):
        own.row[word] = ~_U(0)
    for place in range(low, high):
        token = text.tokens[place]
        if not _is_own(own, token, stamp):
            continue
        base = _I(own.local[token]) * words
        carry = _U(0)
        for word in range(words):
            value, mask = own.row[word], own.masks[base + word]
            shared = value & mask
            total = value + shared
            over = _U(total < value)
            total += carry
            carry = over | _U(total < carry)
            own.row[word] = total | (value & ~mask)
    found = _I(0)
    for i in range(num):
        found += _I((own.row[i >> 6] >> _U(i & 63)) & _U(1) == _U(0))
    return found


@inlined
def _lower_bound(values: Any, low: Any, high: Any, value: Any) -> Any:
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def compare_numbers(
    own: Any, keys: Column, places: Column, found: Column, begin: Any, end: Any, low: Any, high: Any
) -> Any:
    """Return (equal, extra) for the numbers of a text between two places.

    The run of numbers counts that has most of the sub-item's, and of such runs the shortest.

    Args:
        keys: The sub-item's numbers, sorted.
        places: Of the numbers begin to end of the text, ascending, with their keys `found`.
        low: First place that counts.
        high: One past the last.
    """
    num = keys.shape[0]
    start = _lower_bound(places, begin, end, low)
    stop = _lower_bound(places, start, end, high)
    for index in range(num):
        own.have[index] = 0
    equal = _I(0)
    for index in range(start, stop):
        group = _lower_bound(keys, _I(0), _I(num), found[index])
        known = group < num and keys[group] == found[index]
        own.groups[index - start] = group if known else -1
        if known:
            # the group's k-th number counts while the sub-item has k of them
            more = group + own.have[group]
            equal += _I(more < num and keys[min(more, num - 1)] == keys[group])
            own.have[group] += 1
    if equal == 0:
        return _I(0), _I(0)
    for index in range(num):
        own.have[index] = 0
    matched, first, shortest = _I(0), _I(0), _I(stop - start)
    for index in range(stop - start):
        group = own.groups[index]
        if group >= 0:
            more = group + own.have[group]
            matched += _I(more < num and keys[min(more, num - 1)] == keys[group])
            own.have[group] += 1
        while matched == equal:
            shortest = min(shortest, index + 1 - first)
            group = own.groups[first]
            first += 1
            if group >= 0:
                own.have[group] -= 1
                more = group + own.have[group]
                matched -= _I(more < num and keys[min(more, num - 1)] == keys[group])
    return equal, shortest - equal
