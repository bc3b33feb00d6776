"""All similar pairs of a piece, verified exactly: what must not lie across a border.

Rows come piece by piece. In a piece of up to `limit` rows every pair is compared, whether it shares
a bucket or not; in a larger one rows are compared that share a bucket and are not connected yet, so
the pairs that are found connect what all of them would, but are not all of them.

Shapes: R rows, B bands, P pairs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.transforms.clusters import Threshold, _overlap, bucket_numbers, pictures
from thresher.transforms.compiled import allocating

Column = np.ndarray[Any, Any]


class Similar(NamedTuple):
    """Pairs at or above the threshold.

    Args:
        left, right: (P,) int64 rows, left < right.
        shared: (P,) int64 shingles in common.
        compared: Pairs that were looked at.
    """

    left: Column
    right: Column
    shared: Column
    compared: int


@allocating
def _grown(found: Column) -> Column:
    grown = np.empty((2 * found.shape[0], 3), dtype=np.int64)
    for row in range(found.shape[0]):
        for field in range(3):
            grown[row, field] = found[row, field]
    return grown


@allocating
def _compare_all(
    piece_starts: Column,
    limit: Any,
    begins: Column,
    ends: Column,
    values: Column,
    bits: Column,
    numerator: Any,
    denominator: Any,
    counts: Column,
) -> Column:
    found = np.empty((64, 3), dtype=np.int64)
    num = 0
    compared = 0
    for piece in range(piece_starts.shape[0] - 1):
        start = piece_starts[piece]
        stop = piece_starts[piece + 1]
        if stop - start > limit:
            continue
        for right in range(start + 1, stop):
            for left in range(start, right):
                compared += 1
                common = _overlap(begins, ends, values, bits, left, right, numerator, denominator)
                if common >= 0:
                    if num == found.shape[0]:
                        found = _grown(found)
                    found[num, 0] = left
                    found[num, 1] = right
                    found[num, 2] = common
                    num += 1
    counts[0] += compared
    return found[:num]


@allocating
def _connect(
    buckets_RB: Column,
    starts: Column,
    begins: Column,
    ends: Column,
    values: Column,
    bits: Column,
    numerator: Any,
    denominator: Any,
    counts: Column,
) -> Column:
    num_rows, bands = buckets_RB.shape
    root = np.arange(num_rows)
    filled = np.zeros(starts.shape[0], dtype=np.int64)
    members = np.empty(starts[-1], dtype=np.int32)
    found = np.empty((64, 3), dtype=np.int64)
    num = 0
    compared = 0
    for i in range(num_rows):
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
                other = np.int64(members[m])
                common = _overlap(begins, ends, values, bits, other, i, numerator, denominator)
                if common >= 0:
                    root[max(a, b)] = min(a, b)
                    if num == found.shape[0]:
                        found = _grown(found)
                    found[num, 0] = other
                    found[num, 1] = i
                    found[num, 2] = common
                    num += 1
            members[start + filled[bucket]] = i
            filled[bucket] += 1
    counts[0] += compared
    return found[:num]


def similar_pairs(
    piece_starts: Column,
    keys_RB: Column,
    begins: Column,
    ends: Column,
    values: Column,
    threshold: Threshold,
    limit: int,
) -> Similar:
    """Find the similar pairs of each piece.

    Args:
        piece_starts: (pieces + 1,) int64: the rows of a piece stand together.
        keys_RB: Band keys of the rows.
        begins, ends: (R,) int64 into values.
        values: uint64 shingles, ascending and unique within a row.
        threshold: Compared exactly, as integers.
        limit: Rows up to which every pair of a piece is compared.
    """
    bits = pictures(begins, ends, values)
    counts = np.zeros(1, np.int64)
    tables = [_compare_all(piece_starts, limit, begins, ends, values, bits, *threshold, counts)]
    sizes = np.diff(piece_starts)
    large = np.flatnonzero(np.repeat(sizes > limit, sizes))
    if len(large):
        buckets, starts = bucket_numbers(np.ascontiguousarray(keys_RB[large]))
        made = _connect(
            buckets, starts, begins[large], ends[large], values, bits[large], *threshold, counts
        )
        made[:, :2] = large[made[:, :2]]
        tables.append(made)
    found = np.concatenate(tables)
    return Similar(found[:, 0], found[:, 1], found[:, 2], int(counts[0]))
