"""The part of the scan that finds sub-items by their numbers.

Shapes: R texts, T tokens, I sub-items, N numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.index import MOST_NUMBERS
from thresher.leaks.keys import maybe, mixed
from thresher.leaks.weak import SHORT_TEXT, enough, possible, window
from thresher.text.kernel import kernel

Column = np.ndarray[Any, Any]
MOST_SKIPPED = 8  # numbers of a sub-item, one further number being inside
_U, _I = np.uint64, np.int64


class Sets(NamedTuple):
    """The look-up from a set of numbers to sub-items."""

    keys: Column
    starts: Column
    items: Column
    sizes: Column
    bloom: Column
    offsets: Column
    numbers: Column


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
    hashes: Column,
    begin: Any,
    end: Any,
    numbers: Any,
    initial: Any,
    final: Any,
    left_out: Any,
    total: Any,
    sets: Any,
    stored: Any,
    weights: Any,
    bench: Any,
    row: Any,
    count: Any,
    found: Any,
    seen: Column,
) -> Any:
    """Add the sub-items with these numbers; return the new count, or -1 without room."""
    num = final + 1 - initial - (left_out >= 0)
    key = mixed(total + _U(num)) & stored.mask
    if not maybe(sets.bloom, key):
        return count
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
    for index in range(sets.starts[at], sets.starts[at + 1]):
        item = _I(sets.items[index])
        own = sets.numbers[sets.offsets[item] : sets.offsets[item + 1]]
        width = window(stored.offsets[item + 1] - stored.offsets[item])
        if abs(seen[item]) == row + 1 or own.shape[0] != num:
            continue
        if numbers.places[final] - numbers.places[initial] >= width:
            continue
        if not _same_set(own, numbers.keys, initial, final + 1, left_out):
            continue
        if not possible(stored, weights, bench, item, hashes, begin, end, place):
            if end - begin <= SHORT_TEXT:
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
            return -1
        seen[item] = row + 1
        found.rows[count], found.items[count] = row, item
        count += 1
    return count


@kernel
def scan_numbers(
    hashes: Column,
    offsets: Column,
    numbers: Any,
    sets: Any,
    stored: Any,
    weights: Any,
    bench: Any,
    row: Any,
    count: Any,
    found: Any,
    seen: Column,
) -> Any:
    """Find sub-items by their numbers."""
    keys = numbers.keys
    while row < offsets.shape[0] - 1:
        begin, end = offsets[row], offsets[row + 1]
        first = count
        bench.near_chunk[0] = -1
        start, stop = numbers.offsets[row], numbers.offsets[row + 1]
        for final in range(start, stop):
            total = _U(0)
            for initial in range(final, max(start, final - MOST_NUMBERS + 1) - 1, -1):
                total += mixed(keys[initial])
                size = final + 1 - initial
                if sets.sizes[size] and maybe(sets.bloom, mixed(total + _U(size)) & stored.mask):
                    count = _look_up(
                        hashes, begin, end, numbers, initial, final, -1, total,
                        sets, stored, weights, bench, row, count, found, seen,
                    )  # fmt: skip
                    if count < 0:
                        return row, first
                if size > MOST_SKIPPED + 1 or not sets.sizes[size - 1]:
                    continue
                for left_out in range(initial + 1, final):
                    rest = total - mixed(keys[left_out]) + _U(size - 1)
                    if not maybe(sets.bloom, mixed(rest) & stored.mask):
                        continue  # a call costs more than this
                    count = _look_up(
                        hashes, begin, end, numbers, initial, final, left_out,
                        total - mixed(keys[left_out]),
                        sets, stored, weights, bench, row, count, found, seen,
                    )  # fmt: skip
                    if count < 0:
                        return row, first
        row += 1
    return row, count
