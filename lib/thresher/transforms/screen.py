"""Screening: which rows that share a bucket could be similar at all, told from small pictures of
their shingle sets.

A picture has 512 bits; each shingle sets one. Bits that differ between two pictures belong to
shingles that the sets do not share, so with d differing bits at least d shingles lie in one set
only. Sets of sizes a and b with Jaccard similarity t or more have at most (a + b) (1 - t) / (1 + t)
such shingles. Pairs beyond that are dropped without loss; the rest joins pieces that are decided
exactly. After the bitmap filter of Sandes, Teodoro and Melo, "Bitmap filter: speeding up exact set
similarity joins with bitwise operations", Information Systems 2020.

Shapes: R rows, B bands.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.transforms.clusters import bucket_numbers
from thresher.transforms.compiled import allocating, kernel, popcount64
from thresher.transforms.pictures import PICTURE_WORDS

Column = np.ndarray[Any, Any]


@kernel
def _root(root: Column, row: Any) -> Any:
    while root[row] != row:
        root[row] = root[root[row]]
        row = root[row]
    return row


@kernel
def _differing(pictures: Column, a: Any, b: Any) -> Any:
    bits = np.uint64(0)
    for w in range(PICTURE_WORDS):
        bits += popcount64(pictures[a, w] ^ pictures[b, w])
    return np.int64(bits)


@allocating
def _screen(
    buckets_RB: Column,
    starts: Column,
    pictures: Column,
    totals: Column,
    numerator: Any,
    denominator: Any,
    root: Column,
) -> Any:
    num, bands = buckets_RB.shape
    filled = np.zeros(starts.shape[0], dtype=np.int64)
    members = np.empty(starts[-1], dtype=np.int32)
    whole = np.full(starts.shape[0], -1, dtype=np.int64)  # a row whose piece holds the whole bucket
    compared = 0
    for i in range(num):
        root[i] = i
        for band in range(bands):
            bucket = np.int64(buckets_RB[i, band])
            if bucket < 0:
                continue
            start = starts[bucket]
            end = start + filled[bucket]
            mine = _root(root, i)
            if not (whole[bucket] >= 0 and _root(root, whole[bucket]) == mine):
                same = True
                one_piece = whole[bucket] >= 0
                for m in range(start, end):
                    other = np.int64(members[m])
                    theirs = _root(root, other)
                    if theirs == mine:
                        continue
                    compared += 1
                    allowed = (totals[i] + totals[other]) * (denominator - numerator)
                    if _differing(pictures, i, other) * (denominator + numerator) <= allowed:
                        low = min(mine, theirs)
                        root[max(mine, theirs)] = low
                        mine = low
                        if one_piece:
                            break  # the rest of the bucket came along
                    else:
                        same = False
                whole[bucket] = (
                    i if same or (one_piece and _root(root, whole[bucket]) == mine) else -1
                )
            members[end] = i
            filled[bucket] += 1
    for i in range(num):
        root[i] = root[root[i]]
    return compared


def screen(
    keys_RB: Column, pictures: Column, totals: Column, threshold: tuple[int, int]
) -> tuple[Column, int]:
    """Join rows that share a bucket and could be similar.

    Args:
        keys_RB: (R, B) uint64 band keys.
        pictures: (R, 8) uint64.
        totals: (R,) int64 shingles of each row, repeats counted.
        threshold: Numerator and denominator.

    Returns:
        (R,) int64 smallest row of each row's piece, and how many pairs were looked at.
    """
    buckets, starts = bucket_numbers(keys_RB)
    root = np.empty(len(keys_RB), dtype=np.int64)
    compared = _screen(buckets, starts, pictures, totals, *threshold, root)
    return root, int(compared)
