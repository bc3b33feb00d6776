"""Connected pieces of the candidate graph, by union-find over dense row numbers.

The smallest number of a piece is its label, so labels do not depend on the order of the edges. Four
bytes a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.transforms.compiled import allocating, kernel

Column = np.ndarray[Any, Any]


def singletons(num: int) -> Column:
    """Return `num` pieces of one row each: a uint32 parent column."""
    return np.arange(num, dtype=np.uint32)


@kernel
def unite(parent: Column, left: Column, right: Column) -> None:
    """Join the pieces of each pair (left[i], right[i]), in place; path halving, smaller root
    wins."""
    for i in range(left.shape[0]):
        a = np.int64(left[i])
        b = np.int64(right[i])
        while np.int64(parent[a]) != a:
            parent[a] = parent[np.int64(parent[a])]
            a = np.int64(parent[a])
        while np.int64(parent[b]) != b:
            parent[b] = parent[np.int64(parent[b])]
            b = np.int64(parent[b])
        if a < b:
            parent[b] = np.uint32(a)
        elif b < a:
            parent[a] = np.uint32(b)


@kernel
def flatten(parent: Column) -> None:
    """Point every row at its piece's label, in place. Parents are smaller than children, so one
    pass does."""
    for i in range(parent.shape[0]):
        parent[i] = parent[np.int64(parent[i])]


@allocating
def in_company(parent: Column) -> Column:
    """Return the rows of flattened pieces of two rows or more, ascending, as uint32."""
    sizes = np.zeros(parent.shape[0], dtype=np.uint32)
    for i in range(parent.shape[0]):
        sizes[np.int64(parent[i])] += np.uint32(1)
    count = 0
    for i in range(parent.shape[0]):
        count += sizes[np.int64(parent[i])] > 1
    rows = np.empty(count, dtype=np.uint32)
    count = 0
    for i in range(parent.shape[0]):
        if sizes[np.int64(parent[i])] > 1:
            rows[count] = i
            count += 1
    return rows


@kernel
def audit(parent: Column, left: Column, right: Column) -> Any:
    """Count the pairs whose ends carry different labels; anything but zero is a bug."""
    bad = 0
    for i in range(left.shape[0]):
        if parent[np.int64(left[i])] != parent[np.int64(right[i])]:
            bad += 1
    return bad
