"""Which of many known rows could be similar to one of a few new ones: a semi-join by band keys.

The new rows' keys stand in a small table with a bitmap before it, which fits a processor's cache;
the known rows are streamed past it. A hit is a pair that shares a bucket and passes the filter of
`screen`, so no pair that screening would join is lost.

Shapes: A new rows, R known rows, B bands, K distinct keys of the new rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.transforms.compiled import kernel, popcount64
from thresher.transforms.pictures import PICTURE_WORDS

Column = np.ndarray[Any, Any]
_BITS = 16  # of bitmap for each line: one strange key in 16 gets past it
_SLOTS = 2  # of table for each line, at least


class Newcomers(NamedTuple):
    """New rows, by band key.

    Args:
        bitmap: (2^m,) uint64; the low bits of a key say which bit.
        slots: (2^n,) int32 number of a key, or -1.
        keys: (K,) uint64, ascending.
        starts: (K + 1,) int64 into owners.
        owners: (A x B,) int64 rows, by key.
        pictures: (A, 8) uint64.
        totals: (A,) int64 shingles, repeats counted.
    """

    bitmap: Column
    slots: Column
    keys: Column
    starts: Column
    owners: Column
    pictures: Column
    totals: Column


def newcomers(keys_AB: Column, pictures: Column, totals: Column) -> Newcomers:
    """Make the table of new rows.

    Args:
        keys_AB: (A, B) uint64 band keys, well mixed in their low bits.
        pictures: (A, 8) uint64.
        totals: (A,) int64.
    """
    lines = keys_AB.reshape(-1)
    order = np.argsort(lines, kind="stable")
    keys, starts = np.unique(lines[order], return_index=True)
    words = 1 << max(4, int(_BITS * len(lines) // 64).bit_length())
    slots = np.full(1 << max(4, int(_SLOTS * len(keys)).bit_length()), -1, np.int32)
    bitmap = np.zeros(words, np.uint64)
    _enter(keys, bitmap, slots)
    return Newcomers(
        bitmap,
        slots,
        keys,
        np.append(starts, len(lines)).astype(np.int64),
        (order // max(1, keys_AB.shape[1])).astype(np.int64),
        np.ascontiguousarray(pictures),
        totals.astype(np.int64),
    )


@kernel
def _enter(keys: Column, bitmap: Column, slots: Column) -> None:
    within = np.uint64(bitmap.shape[0] - 1)
    mask = np.uint64(slots.shape[0] - 1)
    for number in range(keys.shape[0]):
        key = keys[number]
        bitmap[np.int64((key >> np.uint64(6)) & within)] |= np.uint64(1) << (key & np.uint64(63))
        slot = key & mask
        while slots[np.int64(slot)] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[np.int64(slot)] = number


@kernel
def _meets(
    bitmap: Column,
    slots: Column,
    keys: Column,
    starts: Column,
    owners: Column,
    new_pictures: Column,
    new_totals: Column,
    rows: Column,
    keys_DB: Column,
    pictures: Column,
    totals: Column,
    numerator: Any,
    denominator: Any,
    hit: Column,
) -> None:
    within = np.uint64(bitmap.shape[0] - 1)
    mask = np.uint64(slots.shape[0] - 1)
    bands = keys_DB.shape[1]
    for i in range(rows.shape[0]):
        row = np.int64(rows[i])
        for band in range(bands):
            key = keys_DB[row, band]
            word = bitmap[np.int64((key >> np.uint64(6)) & within)]
            if (word >> (key & np.uint64(63))) & np.uint64(1) == np.uint64(0):
                continue
            slot = key & mask
            number = np.int64(slots[np.int64(slot)])
            while number >= 0 and keys[number] != key:
                slot = (slot + np.uint64(1)) & mask
                number = np.int64(slots[np.int64(slot)])
            if number < 0:
                continue
            for line in range(starts[number], starts[number + 1]):
                other = owners[line]
                allowed = (totals[row] + new_totals[other]) * (denominator - numerator)
                bits = np.uint64(0)
                for w in range(PICTURE_WORDS):
                    bits += popcount64(pictures[row, w] ^ new_pictures[other, w])
                if np.int64(bits) * (denominator + numerator) <= allowed:
                    hit[i] = True
                    break
            if hit[i]:
                break


def meets(
    new: Newcomers,
    rows: Column,
    keys_DB: Column,
    pictures: Column,
    totals: Column,
    threshold: tuple[int, int],
) -> Column:
    """Say which known rows share a bucket with a new one and could be similar to it.

    Args:
        new: The new rows.
        rows: (R,) numbers of the known rows.
        keys_DB: (D, B) uint64 band keys, of which those of the known rows are looked at.
        pictures: (D, 8) uint64.
        totals: (D,) int64.
        threshold: Numerator and denominator.

    Returns:
        (R,) bool.
    """
    hit = np.zeros(len(rows), bool)
    _meets(*new, rows, keys_DB, pictures, totals, *threshold, hit)
    return hit
