"""Exact collapse: rows with one 128-bit key become one row, before anything else is compared.

A million copies cost a million rows here, never pairs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Column = np.ndarray[Any, Any]


class Copies(NamedTuple):
    """Rows to remove, sorted by id: (ids, ids of the kept rows, whether the compared bytes are
    equal too)."""

    ids: Column
    kept: Column
    same_bytes: Column


def collapse(keys: tuple[Column, Column], order: tuple[Column, ...], ids: Column) -> Copies:
    """Keep the earliest row of each key.

    Args:
        keys: Two uint64 columns: the 128-bit key.
        order: Columns of the total order, most significant first; the last two are the hash of the
            compared bytes.
        ids: uint64 document ids, unique; they break the last ties.

    The result does not depend on the order in which rows arrive.
    """
    empty = ids[:0]
    by_key = np.argsort(keys[0])
    sorted_high = keys[0][by_key]
    equal_next = sorted_high[1:] == sorted_high[:-1]
    if not equal_next.any():
        return Copies(empty, empty, np.zeros(0, dtype=bool))
    repeated = np.zeros(len(ids), dtype=bool)
    repeated[1:] |= equal_next
    repeated[:-1] |= equal_next
    rows = by_key[repeated]
    sequence = np.lexsort(
        (ids[rows], *(c[rows] for c in reversed(order)), keys[1][rows], keys[0][rows])
    )
    rows = rows[sequence]
    high, low = keys[0][rows], keys[1][rows]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    leader = rows[np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))]
    rows, leader = rows[~first], leader[~first]
    same = (order[-2][rows] == order[-2][leader]) & (order[-1][rows] == order[-1][leader])
    by_id = np.argsort(ids[rows])
    rows, leader, same = rows[by_id], leader[by_id], same[by_id]
    return Copies(ids[rows], ids[leader], same)
