"""The order in which groups are given to splits: a keyed hash of their smallest content hash.

It depends on the seed and the group's own texts, so neither partitions nor the order of the input
change it, and a group that stays as it is keeps its place when others come or go.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Column = np.ndarray[Any, Any]
_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)
_STEP = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def order_keys(first: Column, second: Column, seed: int) -> tuple[Column, Column]:
    """Return two uint64 columns: 128 bits that order groups.

    Args:
        first, second: Halves of the groups' smallest content hashes.
        seed: Another one gives another order.
    """
    key = _mix(np.array([(seed + 1) * _STEP & _MASK], np.uint64))
    high = _mix(first ^ key)
    low = _mix(second ^ _mix(high ^ ~key))
    return high, low


def _mix(values: Column) -> Column:
    """Return MurmurHash3's fmix64 of each value."""
    mixed: Column = (values ^ (values >> _SHIFT)) * _FIRST
    mixed = (mixed ^ (mixed >> _SHIFT)) * _SECOND
    mixed ^= mixed >> _SHIFT
    return mixed
