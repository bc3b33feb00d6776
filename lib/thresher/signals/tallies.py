"""How one signal's values are distributed, counted so that parts of the data add up exactly.

Everything is an integer, a least or a most, so neither the order of the rows nor how they were cut
shows in the result. Rows kept and rows removed are counted apart: side 0 is removed, side 1 kept.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.signals import bins
from thresher.signals.signal import Kind

Column = np.ndarray[Any, Any]

MOST_LABELS = 10_000
_LABEL_CHARACTERS = 100
_ALL_VALID = np.zeros(0, bool)


class Tally(Protocol):
    """Counts one signal's values."""

    nulls: Column

    def add(self, column: pa.Array, kept: Column) -> None:
        """Count a block."""

    def merge(self, other: Self) -> None:
        """Add what another part counted."""

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""

    def load(self, facts: dict[str, Any]) -> None:
        """Take the counts that `to_json` returned."""


def tally_of(kind: Kind) -> Numbers | Words:
    """Return an empty tally for a kind of signal."""
    return Words() if kind in (Kind.FLAG, Kind.LABEL) else Numbers(kind)


class Numbers:
    """A histogram in fixed bins, least and most, and where values add up exactly, their sum.

    Attributes:
        counts: (2, B) rows by side and bin.
        nulls: (2,) rows without a value.
        extremes: (2, 2) least and most by side; meaningless for a side without values.
        ends: (2, 2) shares that are exactly 0 and exactly 1.
        sums: By side, in the kind's `bins.unit`.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.counts = np.zeros((2, bins.num_bins(kind)), np.int64)
        self.nulls = np.zeros(2, np.int64)
        self.ends = np.zeros((2, 2), np.int64)
        self.sums = [0, 0]
        if kind is Kind.COUNT:
            limits = np.iinfo(np.int64)
            self.extremes = np.array([[limits.max, limits.min]] * 2, np.int64)
        else:
            self.extremes = np.array([[np.inf, -np.inf]] * 2)

    def add(self, column: pa.Array, kept: Column) -> None:
        """Count a block."""
        values, valid = buffers(column)
        sums = np.zeros((2, 2), np.int64)
        counted = (values, valid, kept, self.counts, self.nulls, self.extremes)
        if self.kind is Kind.COUNT:
            bins.tally_counts(*counted, sums)
        elif self.kind is Kind.SHARE:
            bins.tally_shares(*counted, sums, self.ends, bins.edges(self.kind))
        else:
            bins.tally_numbers(*counted)
        for side, (high, low) in enumerate(sums.tolist()):
            self.sums[side] += (high << 32) + low

    def merge(self, other: Self) -> None:
        """Add what another part counted."""
        self.counts += other.counts
        self.nulls += other.nulls
        self.ends += other.ends
        self.sums = [a + b for a, b in zip(self.sums, other.sums, strict=True)]
        self.extremes[:, 0] = np.minimum(self.extremes[:, 0], other.extremes[:, 0])
        self.extremes[:, 1] = np.maximum(self.extremes[:, 1], other.extremes[:, 1])

    @property
    def rows(self) -> Column:
        """(2,) rows with a value."""
        rows: Column = self.counts.sum(axis=1)
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the counts, of bins that are not empty."""
        used = np.flatnonzero(self.counts.any(axis=0))
        seen = self.rows > 0
        return {
            "bins": [[int(i), *self.counts[:, i].tolist()] for i in used],
            "nulls": self.nulls.tolist(),
            "ends": self.ends.tolist(),
            "sums": list(self.sums),
            "extremes": [self.extremes[side].tolist() if seen[side] else None for side in range(2)],
        }

    def load(self, facts: dict[str, Any]) -> None:
        """Take the counts that `to_json` returned."""
        for index, *sides in facts["bins"]:
            self.counts[:, index] = sides
        self.nulls[:] = facts["nulls"]
        self.ends[:] = facts["ends"]
        self.sums = list(facts["sums"])
        for side, extremes in enumerate(facts["extremes"]):
            if extremes is not None:
                self.extremes[side] = extremes


class Words:
    """Rows by label; of a flag, by "no" and "yes".

    Of more than `MOST_LABELS` different labels, those first by a hash are kept, whose counts are
    exact; `cut` says so, and `rows` still counts all. Which come first does not depend on the
    order in which labels are seen.

    Attributes:
        rows: (2,) rows with a value.
        nulls: (2,) rows without one.
        labels: By side, rows by label.
        cut: Whether there are more labels than are kept.
    """

    def __init__(self) -> None:
        self.rows = np.zeros(2, np.int64)
        self.nulls = np.zeros(2, np.int64)
        self.labels: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.cut = False

    def add(self, column: pa.Array, kept: Column) -> None:
        """Count a block."""
        if pa.types.is_boolean(column.type):
            labels, codes = ["no", "yes"], pc.cast(column, pa.uint8())
        else:
            found = pc.utf8_slice_codeunits(column, 0, _LABEL_CHARACTERS).dictionary_encode()
            labels, codes = found.dictionary.to_pylist(), found.indices
        count = len(labels)
        places = pc.fill_null(codes.cast(pa.int64()), count).to_numpy()
        rows = np.bincount(places + (count + 1) * kept, minlength=2 * (count + 1))
        for side, (*by_label, nulls) in enumerate(rows.reshape(2, count + 1).tolist()):
            self.nulls[side] += nulls
            self.rows[side] += sum(by_label)
            self.labels[side].update(
                {label: rows for label, rows in zip(labels, by_label, strict=True) if rows}
            )
        self._bound()

    def merge(self, other: Self) -> None:
        """Add what another part counted."""
        self.rows += other.rows
        self.nulls += other.nulls
        for mine, others in zip(self.labels, other.labels, strict=True):
            mine.update(others)
        self.cut |= other.cut
        self._bound()

    def _bound(self) -> None:
        every = self.labels[0].keys() | self.labels[1].keys()
        if len(every) <= MOST_LABELS:
            return
        self.cut = True
        for label in sorted(every, key=_place)[MOST_LABELS:]:
            for side in self.labels:
                side.pop(label, None)

    def to_json(self) -> dict[str, Any]:
        """Return the counts, labels in alphabetical order."""
        every = sorted(self.labels[0].keys() | self.labels[1].keys())
        return {
            "rows": self.rows.tolist(),
            "nulls": self.nulls.tolist(),
            "labels": [[label, *(side[label] for side in self.labels)] for label in every],
            "cut": self.cut,
        }

    def load(self, facts: dict[str, Any]) -> None:
        """Take the counts that `to_json` returned."""
        self.rows[:] = facts["rows"]
        self.nulls[:] = facts["nulls"]
        self.cut = facts["cut"]
        for label, *sides in facts["labels"]:
            for counter, rows in zip(self.labels, sides, strict=True):
                if rows:
                    counter[label] = rows


def buffers(column: pa.Array) -> tuple[Column, Column]:
    """Return values, whatever stands where there is none, and what is valid: empty for all."""
    kind = np.int64 if pa.types.is_int64(column.type) else np.float64
    values = np.zeros(0, kind)
    if len(column):
        values = np.frombuffer(column.buffers()[1], kind)[column.offset :][: len(column)]
    if not column.null_count:
        return values, _ALL_VALID
    return values, column.is_valid().to_numpy(zero_copy_only=False)


def _place(label: str) -> bytes:
    return blake2b(label.encode(), digest_size=8).digest()
