"""Histograms in fixed bins: where a value is counted depends on the signal's kind alone.

So counts of any parts of the data add up exactly, whatever was in them. Bins are finer than what a
page shows: it joins neighbours.

- shares: 200 equal bins from 0 to 1;
- whole numbers: one bin each below 32, then sixteen bins from each power of two to the next;
- other numbers: steps of 1/64 up to 2, then sixty-four bins from each power of two to the next, and
  the same below zero.

Shapes: R rows, B bins, 2 sides (0 removed, 1 kept).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from thresher.signals.signal import Kind
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]

_SHARES = 200
_COUNTS = 960
_HALF = 2688  # of the numbers' bins; the first at or above zero
_FINEST = 64.0
_ONE = 1 << 40  # a share of 1 in the sums: rounded to this, they are integers and add up exactly

_SIZES = {Kind.SHARE: _SHARES, Kind.COUNT: _COUNTS, Kind.NUMBER: 2 * _HALF}


def num_bins(kind: Kind) -> int:
    """Return how many bins a numeric kind has."""
    return _SIZES[kind]


def origin(kind: Kind) -> int:
    """Return the first bin at or above zero."""
    return _HALF if kind is Kind.NUMBER else 0


def unit(kind: Kind) -> int | None:
    """Return what a value of 1 is in the sums; None for kinds whose values are not summed."""
    return {Kind.SHARE: _ONE, Kind.COUNT: 1}.get(kind)


@cache
def edges(kind: Kind) -> Column:
    """Return the B + 1 edges of a numeric kind's bins, float64, increasing."""
    if kind is Kind.SHARE:
        return np.arange(_SHARES + 1) / _SHARES
    if kind is Kind.COUNT:
        return np.array([float(_start(i, 16)) for i in range(_COUNTS + 1)])
    upper = np.array([_start(i, 64) / _FINEST for i in range(_HALF + 1)])
    return np.concatenate([-upper[:0:-1], upper])


def _start(index: int, steps: int) -> int:
    shift = max(index // steps - 1, 0)
    return (index - steps * shift) << shift


def quantile(kind: Kind, counts_B: Column, share: float) -> float | None:
    """Estimate a quantile from counts: exact for whole numbers below 32, else within its bin."""
    total = int(counts_B.sum())
    if not total:
        return None
    place = share * (total - 1)
    before = np.concatenate([[0], np.cumsum(counts_B)])
    index = int(np.searchsorted(before, place, side="right")) - 1
    low, high = edges(kind)[index : index + 2]
    if kind is Kind.COUNT and high - low <= 1:
        return float(low)
    inside = (place - before[index] + 0.5) / (before[index + 1] - before[index])
    return float(low + (high - low) * inside)


@inlined
def _bin(value: Any, steps_bits: int) -> int:
    """The bin of a whole number: the exponent of its float says how far to shift.

    Above 2**53 the float may round up to the next power of two: one shift more, the same bin.
    """
    exponent = (np.float64(value).view(np.int64) >> 52) - 1023
    shift: Any = max(exponent - steps_bits, 0)
    return int((shift << steps_bits) + (value >> shift))


@kernel
def tally_counts(
    values_R: Column,
    valid_R: Column,
    kept_R: Column,
    counts: Column,
    nulls: Column,
    extremes: Column,
    sums: Column,
) -> None:
    """Count whole numbers by side; `sums[side]` are the high and the low halves' sums.

    `valid_R` is empty where no value is null. `extremes[side]` are least and most.
    """
    checked = len(valid_R) > 0
    for side in range(2):
        least, most = extremes[side, 0], extremes[side, 1]
        high, low = np.int64(0), np.int64(0)
        for row in range(len(values_R)):
            if kept_R[row] != side:
                continue
            if checked and not valid_R[row]:
                nulls[side] += 1
                continue
            value = values_R[row]
            counts[side, _bin(max(value, 0), 4)] += 1
            least = min(least, value)
            most = max(most, value)
            high += value >> 32
            low += value & 0xFFFFFFFF
        extremes[side, 0], extremes[side, 1] = least, most
        sums[side, 0] += high
        sums[side, 1] += low


@kernel
def tally_shares(
    values_R: Column,
    valid_R: Column,
    kept_R: Column,
    counts: Column,
    nulls: Column,
    extremes: Column,
    sums: Column,
    ends: Column,
    edges_B1: Column,
) -> None:
    """Count shares by side; `ends[side]` are those that are exactly 0 and exactly 1.

    What is not a number counts as null.
    """
    checked = len(valid_R) > 0
    last = len(edges_B1) - 2
    for side in range(2):
        least, most = extremes[side, 0], extremes[side, 1]
        high, low = np.int64(0), np.int64(0)
        for row in range(len(values_R)):
            if kept_R[row] != side:
                continue
            value = values_R[row]
            if (checked and not valid_R[row]) or value != value:
                nulls[side] += 1
                continue
            value = min(max(value, 0.0), 1.0)
            index = min(int(value * (last + 1)), last)
            if index < last and value >= edges_B1[index + 1]:  # 0.29 * 200 is 57.99999999999999
                index += 1
            elif value < edges_B1[index]:
                index -= 1
            counts[side, index] += 1
            ends[side, 0] += value == 0.0
            ends[side, 1] += value == 1.0
            least = min(least, value)
            most = max(most, value)
            whole = np.int64(np.rint(value * 1099511627776.0))
            high += whole >> 32
            low += whole & 0xFFFFFFFF
        extremes[side, 0], extremes[side, 1] = least, most
        sums[side, 0] += high
        sums[side, 1] += low


@kernel
def tally_numbers(
    values_R: Column,
    valid_R: Column,
    kept_R: Column,
    counts: Column,
    nulls: Column,
    extremes: Column,
) -> None:
    """Count numbers by side; what is not a number counts as null, infinities as the largest."""
    half = counts.shape[1] // 2
    for row in range(len(values_R)):
        side = 1 if kept_R[row] else 0
        value = values_R[row]
        if (len(valid_R) > 0 and not valid_R[row]) or value != value:
            nulls[side] += 1
            continue
        value = min(max(value, -1.7976931348623157e308), 1.7976931348623157e308)
        index = _bin(np.int64(min(abs(value) * 64.0, 70368744177664.0)), 6)
        counts[side, half - 1 - index if value < 0 else half + index] += 1
        extremes[side, 0] = min(extremes[side, 0], value)
        extremes[side, 1] = max(extremes[side, 1], value)
