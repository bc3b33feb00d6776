"""The part of the scan that finds sub-items by their numbers.

Shapes: R texts, T tokens, I sub-items, N numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.gram_scan import add_led
from thresher.leaks.index import LEAST_NUMBERS, MOST_NUMBERS
from thresher.leaks.keys import maybe, mixed, token_bit
from thresher.leaks.weak import SHORT_TEXT, enough, possible, window
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]
MOST_SKIPPED = 8  # numbers of a sub-item, one further number being inside
_U, _I = np.uint64, np.int64


class Sets(NamedTuple):
    """The look-up from a set of numbers to sub-items, and scratch.

    Attributes:
        members: A bitmap of the numbers that any set has.
        rejected: (I,) int32 row + 1 where no window of the text is heavy enough.
    """

    keys: Column
    starts: Column
    items: Column
    sizes: Column
    bloom: Column
    members: Column
    offsets: Column
    numbers: Column
    weights: Any
    rejected: Column


@kernel
def _same_set(own: Column, keys: Column, begin: Any, end: Any, left_out: Any) -> Any:
    """Tell whether numbers of a text, all but one place, are the sorted numbers `own`."""
    chosen = np.empty(own.shape[0], np.uint64)
    num = 0
    for place in range(begin, end):
        if place != left_out:
            key = keys[place]
            at = num
            while at > 0 and chosen[at - 1] > key:
                chosen[at] = chosen[at - 1]
                at -= 1
            chosen[at] = key
            num += 1
    return bool(np.all(chosen[:num] == own))


@kernel
def _look_up(
    hashes: Column, begin: Any, end: Any,
    numbers: Any, initial: Any, final: Any, left_out: Any, total: Any,
    sets: Any, stored: Any, grams: Any, bench: Any, row: Any, count: Any, found: Any,
) -> Any:  # fmt: skip
    """Add the sub-items with these numbers; return the new count, or -1 without room."""
    num = final + 1 - initial - (left_out >= 0)
    key = mixed(total + _U(num)) & stored.mask
    at, above = _I(0), _I(sets.keys.shape[0])
    while at < above:
        middle = (at + above) >> 1
        if sets.keys[middle] < key:
            at = middle + 1
        else:
            above = middle
    if at == sets.keys.shape[0] or sets.keys[at] != key:
        return count
    place = begin + numbers.places[final]
    weights = sets.weights
    for index in range(sets.starts[at], sets.starts[at + 1]):
        item = _I(sets.items[index])
        own = sets.numbers[sets.offsets[item] : sets.offsets[item + 1]]
        width = window(stored.offsets[item + 1] - stored.offsets[item])
        if found.seen[item] == row + 1 or sets.rejected[item] == row + 1 or own.shape[0] != num:
            continue
        if numbers.places[final] - numbers.places[initial] >= width:
            continue
        if not _same_set(own, numbers.keys, initial, final + 1, left_out):
            continue
        if not possible(stored, weights, bench, item, hashes, begin, end, place):
            if end - begin <= SHORT_TEXT:
                sets.rejected[item] = row + 1
            continue
        low, high = max(begin, place - width + 1), min(end, place + width)
        if not enough(stored, weights, bench, item, hashes, low, high):
            if end - begin <= SHORT_TEXT and not enough(
                stored, weights, bench, item, hashes, begin, end
            ):
                sets.rejected[item] = row + 1
            continue
        count = add_led(grams, found, row, item, count)
        if count < 0:
            return count
    return count


@inlined
def _maybe_set(sets: Any, total: Any, size: Any, mask: Any) -> Any:
    return maybe(sets.bloom, mixed(total + _U(size)) & mask)


@kernel
def scan_numbers(
    hashes: Column, begin: Any, end: Any,
    numbers: Any, sets: Any, stored: Any, grams: Any, bench: Any, row: Any, count: Any, found: Any,
) -> Any:  # fmt: skip
    """Add the sub-items that numbers of a text lead to; return the new count, or -1.

    A run of numbers ends with two of a set, and at most one inside it is of none: a second number
    that no set has ends all longer runs.
    """
    keys, members, mask = numbers.keys, sets.members, stored.mask
    nothing = _I(-1)  # a constant argument would be compiled for alone
    start, stop = numbers.offsets[row], numbers.offsets[row + 1]
    for final in range(start + LEAST_NUMBERS - 1, stop):
        if token_bit(members, keys[final]) == 0:
            continue
        total = mixed(keys[final])
        foreign: Any = _I(-1)  # the one number inside the run that no set has
        for initial in range(final - 1, max(start, final - MOST_NUMBERS + 1) - 1, -1):
            total += mixed(keys[initial])
            size = final + 1 - initial
            if token_bit(members, keys[initial]) == 0:
                if foreign >= 0:
                    break
                foreign = initial
                continue
            if foreign < 0 and sets.sizes[size] and _maybe_set(sets, total, size, mask):
                count = _look_up(
                    hashes, begin, end, numbers, initial, final, nothing, total,
                    sets, stored, grams, bench, row, count, found,
                )  # fmt: skip
                if count < 0:
                    return count
            if size > MOST_SKIPPED + 1 or not sets.sizes[size - 1]:
                continue
            low: Any = initial + 1
            high: Any = final
            if foreign >= 0:
                low, high = foreign, foreign + 1
            for left_out in range(low, high):
                rest = total - mixed(keys[left_out])
                if not _maybe_set(sets, rest, size - 1, mask):
                    continue  # a call costs more than this
                count = _look_up(
                    hashes, begin, end, numbers, initial, final, left_out, rest,
                    sets, stored, grams, bench, row, count, found,
                )  # fmt: skip
                if count < 0:
                    return count
    return count
