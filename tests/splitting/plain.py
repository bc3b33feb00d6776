"""Splitting by whole groups, in plain Python: what the kernels must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

TRAIN, VALIDATION, TEST, FREE = range(4)


class Group(NamedTuple):
    """A group: what orders it, its rows by stratum, and where it is told to go."""

    order: tuple[int, ...]
    rows: dict[int, int]
    pin: int = FREE

    @property
    def size(self) -> int:
        """All rows."""
        return sum(self.rows.values())


def assign(groups: Sequence[Group], wanted: Sequence[Sequence[int]]) -> dict[tuple[int, ...], int]:
    """Return the split of each group, by its order.

    Args:
        groups: In any order.
        wanted: Rows by stratum, of test and of validation.
    """
    need = [list(of_split) for of_split in wanted]
    found: dict[tuple[int, ...], int] = {}
    for relaxed in (False, True):
        for group in sorted(groups, key=lambda g: g.order):
            if group.pin != FREE:
                found[group.order] = group.pin
                continue
            if found.get(group.order, TRAIN) != TRAIN:
                continue
            found[group.order] = TRAIN
            for split, left in zip((TEST, VALIDATION), need, strict=False):
                fits = all(left[s] >= n for s, n in group.rows.items())
                needed = sum(min(n, max(left[s], 0)) for s, n in group.rows.items())
                if group.size <= sum(left) and (fits or (relaxed and 2 * needed > group.size)):
                    for s, n in group.rows.items():
                        left[s] -= n
                    found[group.order] = split
                    break
    return found
