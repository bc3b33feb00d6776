"""Band lines: (key, document id) on their way to the partition of the key.

Shapes: R rows, B bands, R x B lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.transforms.compiled import allocating

Column = np.ndarray[Any, Any]
_FILTER_BITS = (
    3  # bits of filter for each line: 2^3 slots of one byte keep chance repeats near 12 %
)


@allocating
def scatter(keys_RB: Column, ids: Column, partitions: Any) -> tuple[Column, Column, Column]:
    """Write one line for every band of every row, grouped by the partition of its key.

    The partition is the key's high 32 bits scaled to their number. Inside a partition lines keep
    the order of the rows.

    Returns:
        Keys and ids of the lines, and the end of each partition.
    """
    num, bands = keys_RB.shape
    ends = np.zeros(partitions + 1, dtype=np.int64)
    scale = np.uint64(partitions)
    half = np.uint64(32)
    for row in range(num):
        for band in range(bands):
            ends[np.int64((keys_RB[row, band] >> half) * scale >> half) + 1] += 1
    for partition in range(partitions):
        ends[partition + 1] += ends[partition]
    keys = np.empty(num * bands, dtype=np.uint64)
    owners = np.empty(num * bands, dtype=np.uint64)
    for row in range(num):
        for band in range(bands):
            key = keys_RB[row, band]
            target = np.int64((key >> half) * scale >> half)
            place: Any = ends[target]
            keys[place] = key
            owners[place] = ids[row]
            ends[target] = place + 1
    return keys, owners, ends[:partitions]


@allocating
def _select_repeated(keys: Column, ids: Column, slots: Any) -> tuple[Column, Column]:
    seen = np.zeros(slots, dtype=np.uint8)
    mask = np.uint64(slots - 1)
    for line in range(keys.shape[0]):
        slot = np.int64(keys[line] & mask)
        seen[slot] = min(seen[slot] + 1, 2)
    count: Any = np.int64(0)
    for line in range(keys.shape[0]):
        count += seen[np.int64(keys[line] & mask)] == 2
    some_keys = np.empty(count, dtype=np.uint64)
    some_ids = np.empty(count, dtype=np.uint64)
    count = np.int64(0)
    for line in range(keys.shape[0]):
        if seen[np.int64(keys[line] & mask)] == 2:
            some_keys[count] = keys[line]
            some_ids[count] = ids[line]
            count += 1
    return some_keys, some_ids


def select_repeated(keys: Column, ids: Column) -> tuple[Column, Column]:
    """Keep the lines whose key may stand on another line too; most keys of most data stand alone.

    No repeated key is lost; a lone key stays by chance about once in nine.
    """
    slots = 1 << max(10, int(len(keys) - 1).bit_length() + _FILTER_BITS)
    some_keys, some_ids = _select_repeated(keys, ids, slots)
    return some_keys, some_ids
