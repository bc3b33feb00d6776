"""A few 128-bit keys that many rows are looked up among: rows that have none of them are told by
one look into a small table.

Shapes: K keys, R rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Column = np.ndarray[Any, Any]
_SLOTS = 64  # of the table for each key: one strange row in 64 gets past it


class FewKeys:
    """Keys to look up among.

    Args:
        keys_K2: (K, 2) uint64, well mixed in their low bits; repeats are allowed.

    Attributes:
        keys: (U, 2) uint64, each once, ascending.
        numbers: (K,) int64, which of `keys` each is.
    """

    def __init__(self, keys_K2: Column) -> None:
        order = np.lexsort((keys_K2[:, 1], keys_K2[:, 0]))
        ordered = keys_K2[order]
        first = np.ones(len(ordered), bool)
        first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        self.keys: Column = ordered[first]
        self.numbers: Column = np.empty(len(ordered), np.int64)
        self.numbers[order] = np.cumsum(first) - 1
        self._mask = np.uint64((1 << (_SLOTS * max(1, len(self.keys))).bit_length()) - 1)
        self._taken = np.zeros(int(self._mask) + 1, bool)
        self._taken[self.keys[:, 0] & self._mask] = True

    def find(self, rows_R2: Column) -> tuple[Column, Column]:
        """Return the rows (ascending) that have one of the keys, and which one each has."""
        rows = np.flatnonzero(self._taken[rows_R2[:, 0] & self._mask])
        high, low = rows_R2[rows, 0], rows_R2[rows, 1]
        place = np.searchsorted(self.keys[:, 0], high)
        end = np.searchsorted(self.keys[:, 0], high, side="right")
        number = np.full(len(rows), -1, np.int64)
        while (place < end).any():  # once, unless keys share their first half
            inside = np.flatnonzero(place < end)
            hit = inside[self.keys[place[inside], 1] == low[inside]]
            number[hit] = place[hit]
            place += 1
        found = number >= 0
        return rows[found], number[found]
