"""A two-bit filter: which keys *may* be repeated.

Each of M slots counts 0, 1 or "2 and more"; a key adds one to its four slots. A key that was added
twice finds at least 2 in all of its slots, so nothing repeated is ever overlooked; a key that was
added once may find 2 by chance, which costs an exact look and removes nothing. Filters of parts add
up, slot by slot, to the filter of the whole, in any order.

After Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 1970, with counters
that stop at two. Slots are reached by a multiplication, not by masking, so any size works.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thresher.transforms.compiled import allocating, kernel

Column = np.ndarray[Any, Any]
PROBES = 4


@kernel
def _slot(high: Any, low: Any, probe: Any, slots: Any) -> Any:
    h = (high + np.uint64(probe) * low) & np.uint64(0xFFFFFFFFFFFFFFFF)
    h ^= h >> np.uint64(31)
    h *= np.uint64(0x9E3779B97F4A7C15)
    return np.int64(((h >> np.uint64(32)) * np.uint64(slots)) >> np.uint64(32))


@kernel
def _add(counters: Column, slots: Any, keys: Column, seed: Any) -> None:
    for i in range(keys.shape[0]):
        high = keys[i, 0] ^ seed
        low = keys[i, 1] | np.uint64(1)
        for probe in range(PROBES):
            slot = _slot(high, low, probe, slots)
            shift = np.uint8((slot & 3) * 2)
            count = (counters[slot >> 2] >> shift) & np.uint8(3)
            if count < 2:
                counters[slot >> 2] += np.uint8(1) << shift


@kernel
def _merge(into: Column, other: Column) -> None:
    for i in range(into.shape[0]):
        total = np.uint8(0)
        for pair in range(4):
            shift = np.uint8(pair * 2)
            a = (into[i] >> shift) & np.uint8(3)
            b = (other[i] >> shift) & np.uint8(3)
            total |= np.uint8(min(a + b, 2)) << shift
        into[i] = total


@allocating
def _repeated(counters: Column, slots: Any, keys: Column, seed: Any) -> Column:
    answer = np.ones(keys.shape[0], dtype=np.bool_)
    for i in range(keys.shape[0]):
        high = keys[i, 0] ^ seed
        low = keys[i, 1] | np.uint64(1)
        for probe in range(PROBES):
            slot = _slot(high, low, probe, slots)
            if (counters[slot >> 2] >> np.uint8((slot & 3) * 2)) & np.uint8(3) < 2:
                answer[i] = False
                break
    return answer


class Filter:
    """A two-bit filter over 128-bit keys.

    Args:
        slots: Number of counters, at most 2^32; memory is a quarter byte each.
        seed: Filters merge only with equal seeds and sizes.
    """

    def __init__(self, slots: int, seed: int = 0, counters: Column | None = None) -> None:
        if not 4 <= slots <= 1 << 32:
            raise ValueError(f"slots must lie between 4 and 2^32, not {slots}")
        self.slots = slots
        self.seed = seed
        self.counters = np.zeros(-(-slots // 4), np.uint8) if counters is None else counters

    def add(self, keys: Column) -> None:
        """Count (N, 2) uint64 keys."""
        _add(self.counters, self.slots, keys, np.uint64(self.seed))

    def merge(self, other: Filter) -> None:
        """Add another filter's counts to this one.

        Raises:
            ValueError: The other filter has another size or seed.
        """
        if (self.slots, self.seed) != (other.slots, other.seed):
            raise ValueError("filters of different sizes or seeds do not add up")
        _merge(self.counters, other.counters)

    def maybe_repeated(self, keys: Column) -> Column:
        """Return, for (N, 2) uint64 keys, whether each may have been added more than once."""
        answer: Column = _repeated(self.counters, self.slots, keys, np.uint64(self.seed))
        return answer

    def to_bytes(self) -> bytes:
        """Serialise: slots and seed as two little-endian uint64, then the counters."""
        return np.array([self.slots, self.seed], "<u8").tobytes() + self.counters.tobytes()

    @staticmethod
    def load(path: Path) -> Filter:
        """Map a serialised filter from a file."""
        head = np.fromfile(path, "<u8", 2)
        counters = np.memmap(path, np.uint8, "r", offset=16)
        return Filter(int(head[0]), int(head[1]), np.asarray(counters))
