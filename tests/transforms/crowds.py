"""Random rows in random buckets, and the plain definition of who stays.

Texts here are sets of numbers; families share most of theirs, so that similarities lie on both
sides of the threshold. Keys are drawn from few values, so that rows meet often but not always.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from thresher.transforms.clusters import Threshold

Column = np.ndarray[Any, Any]
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, so that small numbers become spread-out, unique keys


class Crowd(NamedTuple):
    """Rows as the kernels take them, and as plain sets."""

    sets: list[set[int]]
    keys: Column
    begins: Column
    ends: Column
    values: Column

    def meet(self, a: int, b: int) -> bool:
        """Say whether two rows share a bucket."""
        return not set(self.keys[a].tolist()).isdisjoint(self.keys[b].tolist())

    def similar(self, a: int, b: int, threshold: Threshold) -> bool:
        """Say whether two rows are similar enough, as the definition says."""
        return jaccard(self.sets[a], self.sets[b]) >= Fraction(*threshold)

    @property
    def sizes(self) -> Column:
        """Shingles of each row."""
        return self.ends - self.begins


def jaccard(a: set[int], b: set[int]) -> Fraction:
    """Return the exact similarity of two sets."""
    return Fraction(len(a & b), len(a | b)) if a or b else Fraction(0)


def spread(numbers: Column) -> Column:
    """Turn small numbers into well mixed uint64 keys, equal ones into equal ones."""
    keys: Column = numbers.astype(np.uint64) * _SPREAD
    return keys


def crowd(sets: Sequence[set[int]], buckets: Column) -> Crowd:
    """Lay out sets and their (R, B) bucket names."""
    rows = [np.sort(spread(np.array(sorted(s), dtype=np.uint64))) for s in sets]
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    spread_sets = [set(row.tolist()) for row in rows]
    values = np.concatenate([np.zeros(0, np.uint64), *rows])
    begins = ends - np.array([len(row) for row in rows], dtype=np.int64)
    return Crowd(spread_sets, spread(buckets), begins, ends, values)


def families(seed: int, most_rows: int = 36, bands: int = 3) -> Crowd:
    """Draw rows that are variants of four texts."""
    rng = np.random.default_rng(seed)
    num = int(rng.integers(1, most_rows))
    parents = [set(rng.integers(0, 1 << 40, 20).tolist()) for _ in range(4)]
    sets = []
    for _ in range(num):
        row = set(parents[rng.integers(0, 4)])
        for _ in range(rng.integers(0, 5)):
            row.discard(min(row))
            row.add(int(rng.integers(0, 1 << 40)))
        sets.append(row)
    return crowd(sets, rng.integers(0, int(rng.integers(2, 12)), (num, bands)))


def pairs(wanted: Sequence[tuple[int, int]]) -> Crowd:
    """Make two rows for each (shared, union), one of them in none but its partner's bucket."""
    sets: list[set[int]] = []
    for index, (shared, union) in enumerate(wanted):
        first = index << 20
        cut = shared + (index % 3) * (union - shared) // 2  # what is not shared lies on either side
        sets.append(set(range(first, first + cut)))
        sets.append(set(range(first, first + shared)) | set(range(first + cut, first + union)))
    return crowd(sets, np.repeat(np.arange(len(wanted)), 2)[:, None])
