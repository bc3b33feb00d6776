"""Comparing many rows with a few sampled ones, exactly: how recall is measured instead of promised.

Every shingle of a row is looked up among the shingles of the samples, so no banding and no sketch
is involved.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.transforms.compiled import allocating

Column = np.ndarray[Any, Any]
_DOOR_BITS = 22


class Samples(NamedTuple):
    """The shingles of the sampled rows, inverted.

    Args:
        keys: uint64 distinct shingles, ascending.
        starts: int64 into `owners`, one more than keys.
        owners: int32 sample of each posting.
        sizes: int64 shingles of each sample.
        door: uint8, 1 where some key has these low bits; most lookups end here.
    """

    keys: Column
    starts: Column
    owners: Column
    sizes: Column
    door: Column


def invert(offsets: Column, values: Column) -> Samples:
    """Invert the shingles of S samples given as rows of values[offsets[s]:offsets[s + 1]]."""
    sizes = np.diff(offsets)
    owners = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    order = np.argsort(values, kind="stable")
    keys, starts = np.unique(values[order], return_index=True)
    door = np.zeros(1 << _DOOR_BITS, dtype=np.uint8)
    door[(keys & np.uint64((1 << _DOOR_BITS) - 1)).astype(np.int64)] = 1
    return Samples(keys, np.append(starts, len(values)), owners[order], sizes, door)


@allocating
def _meet(
    keys: Column,
    starts: Column,
    owners: Column,
    sizes: Column,
    door: Column,
    offsets: Column,
    values: Column,
    numerator: Any,
    denominator: Any,
) -> Column:
    num_samples = sizes.shape[0]
    counts = np.zeros(num_samples, dtype=np.int64)
    touched = np.empty(num_samples, dtype=np.int64)
    found = np.empty((64, 3), dtype=np.int64)
    num_found = 0
    mask = np.uint64(door.shape[0] - 1)
    for row in range(offsets.shape[0] - 1):
        num_touched = 0
        for s in range(offsets[row], offsets[row + 1]):
            value = values[s]
            if door[np.int64(value & mask)] == 0:
                continue
            low = 0
            high = keys.shape[0]
            while low < high:
                middle = (low + high) >> 1
                if keys[middle] < value:
                    low = middle + 1
                else:
                    high = middle
            if low < keys.shape[0] and keys[low] == value:
                for p in range(starts[low], starts[low + 1]):
                    owner = np.int64(owners[p])
                    if counts[owner] == 0:
                        touched[num_touched] = owner
                        num_touched += 1
                    counts[owner] += 1
        size = offsets[row + 1] - offsets[row]
        for t in range(num_touched):
            owner = touched[t]
            shared = counts[owner]
            counts[owner] = 0
            if denominator * shared >= numerator * (size + sizes[owner] - shared):
                if num_found == found.shape[0]:
                    # copied by hand: numba takes five seconds to compile a slice assignment
                    grown = np.empty((2 * num_found, 3), dtype=np.int64)
                    for old in range(num_found):
                        for field in range(3):
                            grown[old, field] = found[old, field]
                    found = grown
                found[num_found, 0] = row
                found[num_found, 1] = owner
                found[num_found, 2] = shared
                num_found += 1
    return found[:num_found]


def meet(samples: Samples, offsets: Column, values: Column, threshold: tuple[int, int]) -> Column:
    """Return (M, 3) int64: row, sample and shared shingles of every pair at or above the
    threshold."""
    if not len(samples.keys):
        return np.zeros((0, 3), dtype=np.int64)
    return _meet(*samples, offsets, values, *threshold)


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (E. B. Wilson, JASA 1927)."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * ((share * (1 - share) + z * z / (4 * trials)) / trials) ** 0.5
    scale = 1 + z * z / trials
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
