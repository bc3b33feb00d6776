"""Which split a group goes to: whole, in a stated order, as near to the targets as groups allow.

Groups are walked in order. Each goes to the first split, test before validation, that still needs
all of its rows in every stratum, else it stays in train: first fit, so as long as single rows are
left the counts are exact, and no split is ever larger than wanted. Strata that share groups may
keep each other from their targets; a second walk therefore takes what is left if it fits in all and
more than half of its rows are needed where they lie. A pinned group goes where it is told.

The answer depends on the order alone, not on how it is cut into pieces.

Shapes: G groups, L lines (one a group and stratum), K held-out splits, S strata.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from thresher.text.kernel import kernel

Column = np.ndarray[Any, Any]


class Split(IntEnum):
    """Where rows go. Of a group's rows that name a split themselves, the smallest holds for all."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


FREE = 3  # the pin of a group that is not told where to go
NAMES = ("train", "validation", "test")
HELD = (Split.TEST, Split.VALIDATION)  # in the order in which they take groups


@kernel
def _walk(
    starts: Column,
    stratum: Column,
    rows: Column,
    pins: Column,
    codes: Column,
    need_KS: Column,
    left_K: Column,
    relaxed: bool,
    found: Column,
) -> None:
    for group in range(found.shape[0]):
        if pins[group] != 3:
            found[group] = pins[group]
            continue
        if found[group] != 0:
            continue
        begin = starts[group]
        end = starts[group + 1]
        total = np.int64(0)
        for line in range(begin, end):
            total += rows[line]
        for k in range(need_KS.shape[0]):
            if total > left_K[k]:
                continue
            fits = True
            covered = np.int64(0)
            for line in range(begin, end):
                need = need_KS[k, stratum[line]]
                if rows[line] > need:
                    fits = False
                covered += min(rows[line], max(need, np.int64(0)))
            if fits or (relaxed and 2 * covered > total):
                for line in range(begin, end):
                    need_KS[k, stratum[line]] -= rows[line]
                left_K[k] -= total
                found[group] = codes[k]
                break


class Assigner:
    """Gives groups to splits, piece by piece of the order.

    Args:
        wanted: (K, S) rows wanted of each stratum, by held-out split in the order of `HELD`.
    """

    def __init__(self, wanted: Column) -> None:
        self._need = wanted.astype(np.int64)
        self._left = self._need.sum(axis=1)
        self._codes = np.array(HELD[: len(wanted)], np.uint8)

    @property
    def full(self) -> bool:
        """Whether no split takes anything more, but for pinned groups."""
        return not self._left.any()

    @property
    def strata(self) -> int:
        """The number of strata; one needs no second walk."""
        return int(self._need.shape[1])

    def first(self, starts: Column, stratum: Column, rows: Column, pins: Column) -> Column:
        """Walk the next groups.

        Args:
            starts: (G + 1,) int64 into the lines.
            stratum, rows: (L,) int64: rows of a group in a stratum.
            pins: (G,) uint8 `Split` or FREE.

        Returns:
            (G,) uint8 `Split`.
        """
        found = np.zeros(len(pins), np.uint8)
        self._step(starts, stratum, rows, pins, False, found)
        return found

    def second(
        self, starts: Column, stratum: Column, rows: Column, pins: Column, found: Column
    ) -> None:
        """Walk the same groups again, in the same order, and change `found` in place."""
        self._step(starts, stratum, rows, pins, True, found)

    def _step(
        self,
        starts: Column,
        stratum: Column,
        rows: Column,
        pins: Column,
        relaxed: bool,
        found: Column,
    ) -> None:
        _walk(starts, stratum, rows, pins, self._codes, self._need, self._left, relaxed, found)
