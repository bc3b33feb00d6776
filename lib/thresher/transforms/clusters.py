"""Deciding who stays: a walk over the rows in order, with exact similarities.

Rows come sorted by the total order. Each meets the earlier rows it shares a bucket with; sets are
compared exactly and as integers. `walk` is the greedy rule: a row goes only for an earlier *kept*
row at or above the threshold, and names the earliest such. `link` is the peers' rule: similar rows
are joined transitively and each piece keeps its first row.

Two filters come before a comparison and never change an answer: the sizes of the two sets bound
their overlap, and a 512-bit picture of each set bounds it from its missing bits (the bitmap filter
of Sandes, Teodoro and Melo, "Bitmap filter: speeding up exact set similarity joins with bitwise
operations", Information Systems 2020).

Shapes: R rows, B bands, S shingles in all; row i owns values[begins[i]:ends[i]], ascending and
unique.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.transforms.banding import Threshold as Threshold
from thresher.transforms.compiled import allocating, kernel, popcount64

Column = np.ndarray[Any, Any]
WORDS = 8  # of 64 bits in a picture


class Decision(NamedTuple):
    """What became of R rows, by position in the order.

    Args:
        partner: (R,) int64, the row that is kept instead, or -1 for a kept row.
        shared: (R,) int64, shingles in common with the partner.
        compared: Pairs that met in a bucket.
        verified: Of those, pairs that no filter could decide.
    """

    partner: Column
    shared: Column
    compared: int
    verified: int


@kernel
def shared_at_least(values: Column, a: Any, a_end: Any, b: Any, b_end: Any, needed: Any) -> Any:
    """Count the common values of two ascending runs, or return -1 as soon as `needed` is out of
    reach."""
    shared = 0
    spare_a = (a_end - a) - needed
    spare_b = (b_end - b) - needed
    while a < a_end and b < b_end:
        x = values[a]
        y = values[b]
        if x == y:
            shared += 1
            a += 1
            b += 1
        elif x < y:
            a += 1
            spare_a -= 1
            if spare_a < 0:
                return -1
        else:
            b += 1
            spare_b -= 1
            if spare_b < 0:
                return -1
    return shared if shared >= needed else -1


@allocating
def pictures(begins: Column, ends: Column, values: Column) -> Column:
    """Return (R, 8) uint64: one bit of 512 set for each shingle."""
    num = begins.shape[0]
    bits = np.zeros((num, WORDS), dtype=np.uint64)
    for i in range(num):
        for s in range(begins[i], ends[i]):
            v = values[s]
            bits[i, np.int64(v & np.uint64(7))] |= np.uint64(1) << (
                (v >> np.uint64(3)) & np.uint64(63)
            )
    return bits


@kernel
def _missing_bits(bits: Column, a: Any, b: Any) -> Any:
    """Count the bits of picture a that b lacks: at least so many shingles of a are not in b."""
    missing = np.uint64(0)
    for w in range(WORDS):
        missing += popcount64(bits[a, w] & ~bits[b, w])
    return np.int64(missing)


@kernel
def _overlap(
    begins: Column,
    ends: Column,
    values: Column,
    bits: Column,
    a: Any,
    b: Any,
    numerator: Any,
    denominator: Any,
) -> Any:
    """Return the shared shingles of rows a and b if they are similar enough, -1 if not, -2 if a
    filter said so."""
    size_a = ends[a] - begins[a]
    size_b = ends[b] - begins[b]
    total = numerator * (size_a + size_b)
    needed = -(-total // (numerator + denominator))
    if needed > size_a or needed > size_b:
        return -2
    if size_a - _missing_bits(bits, a, b) < needed or size_b - _missing_bits(bits, b, a) < needed:
        return -2
    return shared_at_least(values, begins[a], ends[a], begins[b], ends[b], needed)


@allocating
def _walk(
    buckets_RB: Column,
    starts: Column,
    begins: Column,
    ends: Column,
    values: Column,
    bits: Column,
    numerator: Any,
    denominator: Any,
    partner: Column,
    shared: Column,
    counts: Column,
) -> None:
    num, bands = buckets_RB.shape
    filled = np.zeros(starts.shape[0], dtype=np.int64)
    members = np.empty(starts[-1], dtype=np.int32)
    seen = np.full(num, -1, dtype=np.int32)
    compared = 0
    verified = 0
    for i in range(num):
        best = np.int64(-1)
        best_shared = np.int64(0)
        for band in range(bands):
            bucket = np.int64(buckets_RB[i, band])
            if bucket < 0:
                continue
            start = starts[bucket]
            for m in range(start, start + filled[bucket]):
                other = np.int64(members[m])
                if best >= 0 and other > best:
                    break
                if seen[other] == i:
                    continue
                seen[other] = i
                compared += 1
                common = _overlap(begins, ends, values, bits, i, other, numerator, denominator)
                if common != -2:
                    verified += 1
                if common >= 0:
                    best = other
                    best_shared = common
        partner[i] = best
        shared[i] = best_shared
        if best < 0:
            for band in range(bands):
                bucket = np.int64(buckets_RB[i, band])
                if bucket >= 0:
                    members[starts[bucket] + filled[bucket]] = i
                    filled[bucket] += 1
    counts[0] = compared
    counts[1] = verified


@allocating
def _link(
    buckets_RB: Column,
    starts: Column,
    begins: Column,
    ends: Column,
    values: Column,
    bits: Column,
    numerator: Any,
    denominator: Any,
    root: Column,
    counts: Column,
) -> None:
    num, bands = buckets_RB.shape
    filled = np.zeros(starts.shape[0], dtype=np.int64)
    members = np.empty(starts[-1], dtype=np.int32)
    compared = 0
    verified = 0
    for i in range(num):
        root[i] = i
        for band in range(bands):
            bucket = np.int64(buckets_RB[i, band])
            if bucket < 0:
                continue
            start = starts[bucket]
            for m in range(start, start + filled[bucket]):
                a = np.int64(members[m])
                while root[a] != a:
                    root[a] = root[root[a]]
                    a = root[a]
                b = np.int64(i)
                while root[b] != b:
                    root[b] = root[root[b]]
                    b = root[b]
                if a == b:
                    continue
                compared += 1
                common = _overlap(
                    begins, ends, values, bits, i, np.int64(members[m]), numerator, denominator
                )
                if common != -2:
                    verified += 1
                if common >= 0:
                    root[max(a, b)] = min(a, b)
            members[start + filled[bucket]] = i
            filled[bucket] += 1
    for i in range(num):
        root[i] = root[root[i]]
    counts[0] = compared
    counts[1] = verified


@allocating
def overlaps(begins: Column, ends: Column, values: Column, left: Column, right: Column) -> Column:
    """Return the number of shared shingles of each pair of rows, exactly."""
    found = np.empty(left.shape[0], dtype=np.int64)
    for i in range(left.shape[0]):
        a = np.int64(left[i])
        b = np.int64(right[i])
        found[i] = shared_at_least(values, begins[a], ends[a], begins[b], ends[b], 0)
    return found


@allocating
def _number_buckets(keys_RB: Column, slots: Any, buckets_RB: Column) -> Column:
    num, bands = keys_RB.shape
    mask = np.uint64(slots - 1)
    taken = np.zeros(slots, dtype=np.uint64)
    sizes = np.zeros(slots, dtype=np.int32)
    zero = np.int64(slots)  # the key 0 marks a free slot, so it has one of its own
    counts_zero = 0
    for row in range(num):
        for band in range(bands):
            key = keys_RB[row, band]
            if key == 0:
                counts_zero += 1
                buckets_RB[row, band] = zero
                continue
            slot = key & mask
            while taken[slot] != key and taken[slot] != 0:
                slot = (slot + np.uint64(1)) & mask
            taken[slot] = key
            sizes[slot] += 1
            buckets_RB[row, band] = np.int32(slot)
    total: Any = 0
    shared = 0
    for slot in range(slots):
        if sizes[slot] > 1:
            shared += 1
    if counts_zero > 1:
        shared += 1
    starts = np.zeros(shared + 1, dtype=np.int64)
    numbers = np.full(slots + 1, -2, dtype=np.int32)
    shared = 0
    for row in range(num):
        for band in range(bands):
            slot = np.int64(buckets_RB[row, band])
            size = counts_zero if slot == zero else np.int64(sizes[slot])
            if numbers[slot] == -2:
                numbers[slot] = -1
                if size > 1:
                    numbers[slot] = shared
                    shared += 1
                    total += size
                    starts[shared] = total
            buckets_RB[row, band] = numbers[slot]
    return starts


def bucket_numbers(keys_RB: Column) -> tuple[Column, Column]:
    """Number the buckets that at least two rows share, in order of their first row.

    Args:
        keys_RB: (R, B) uint64 band keys, well mixed in their low bits.

    Returns:
        (R, B) int32 bucket numbers, -1 where a row is alone, and int64 starts of each bucket's
        space, one more than there are buckets.
    """
    buckets_RB = np.empty(keys_RB.shape, dtype=np.int32)
    slots = 1 << max(4, int(2 * keys_RB.size - 1).bit_length())
    starts: Column = _number_buckets(keys_RB, slots, buckets_RB)
    return buckets_RB, starts


def walk(
    keys_RB: Column, begins: Column, ends: Column, values: Column, threshold: Threshold
) -> Decision:
    """Decide greedily: a row is kept unless an earlier kept row that it meets is similar enough.

    Args:
        keys_RB: Band keys of the rows, in order.
        begins, ends: (R,) int64 into values.
        values: uint64 shingles, ascending and unique within a row.
        threshold: Compared exactly, as integers.
    """
    num = len(keys_RB)
    buckets, starts = bucket_numbers(keys_RB)
    partner = np.full(num, -1, dtype=np.int64)
    shared = np.zeros(num, dtype=np.int64)
    counts = np.zeros(2, dtype=np.int64)
    bits = pictures(begins, ends, values)
    _walk(buckets, starts, begins, ends, values, bits, *threshold, partner, shared, counts)
    return Decision(partner, shared, int(counts[0]), int(counts[1]))


def link(
    keys_RB: Column, begins: Column, ends: Column, values: Column, threshold: Threshold
) -> Decision:
    """Decide transitively: rows joined by a chain of similar pairs keep only the first of them.

    Arguments as for `walk`. The shared shingles are those with the kept row, which may be below the
    threshold.
    """
    num = len(keys_RB)
    buckets, starts = bucket_numbers(keys_RB)
    root = np.empty(num, dtype=np.int64)
    counts = np.zeros(2, dtype=np.int64)
    bits = pictures(begins, ends, values)
    _link(buckets, starts, begins, ends, values, bits, *threshold, root, counts)
    rows = np.flatnonzero(root != np.arange(num))
    partner = np.full(num, -1, dtype=np.int64)
    partner[rows] = root[rows]
    shared = np.zeros(num, dtype=np.int64)
    shared[rows] = overlaps(begins, ends, values, rows, root[rows])
    return Decision(partner, shared, int(counts[0]), int(counts[1]))
