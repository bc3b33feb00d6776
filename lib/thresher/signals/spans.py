"""Texts as kernels read them, and figures of texts gathered by row.

A row may have any number of texts: those of row r lie between two offsets. A row without any has no
figure.

Shapes: R rows, T texts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.formats.arrays import nulls, strings

Column = np.ndarray[Any, Any]


class Spans(NamedTuple):
    """Texts in one buffer: text t is the bytes from `starts[t]` to `ends[t]`; null is empty."""

    data: Column  # uint8
    starts: Column  # (T,) int64
    ends: Column  # (T,) int64

    @property
    def lengths(self) -> Column:
        """(T,) bytes."""
        lengths: Column = self.ends - self.starts
        return lengths


def spans(texts: pa.Array) -> Spans:
    """Return where the texts of a string array lie; nothing is copied."""
    wide = strings(texts)
    _, offset_buffer, data_buffer = wide.buffers()
    data = np.frombuffer(b"", np.uint8)
    if data_buffer is not None and data_buffer.size:
        data = np.frombuffer(data_buffer, np.uint8)
    if offset_buffer is None or not len(wide):
        empty = np.zeros(len(wide), np.int64)
        return Spans(data, empty, empty.copy())
    offsets = np.frombuffer(offset_buffer, np.int64, len(wide) + 1, wide.offset * 8)
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    missing = nulls(wide)
    ends[missing] = starts[missing]
    return Spans(data, starts, ends)


def lengths_of(offsets: Column) -> Column:
    """(R,) texts of each row."""
    lengths: Column = np.diff(offsets)
    return lengths


def total(values: Column, offsets: Column) -> Column:
    """(R,) sum of whole numbers (or of marks) over each row's texts."""
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    found: Column = sums[offsets[1:]] - sums[offsets[:-1]]
    return found


def largest(values: Column, offsets: Column) -> Column:
    """(R,) largest value over each row's texts; 0 for a row without any."""
    found = np.zeros(len(offsets) - 1, values.dtype)
    filled = np.diff(offsets) > 0
    if filled.any():
        found[filled] = np.maximum.reduceat(values, offsets[:-1][filled])
    return found


def counted(values: Column, missing: Column | None = None) -> pa.Array:
    """Return whole numbers as a COUNT, null where `missing`."""
    return pa.array(values.astype(np.int64), pa.int64(), mask=missing)


def flagged(values: Column, missing: Column | None = None) -> pa.Array:
    """Return marks as a FLAG, null where `missing`."""
    return pa.array(values.astype(bool), pa.bool_(), mask=missing)


def shared(parts: Column, wholes: Column, missing: Column | None = None) -> pa.Array:
    """Return parts / wholes as a SHARE, null where the whole is 0 or the figure is `missing`."""
    none = wholes == 0
    ratio = np.divide(parts, wholes, out=np.zeros(len(parts), np.float64), where=~none)
    return pa.array(ratio, pa.float64(), mask=none if missing is None else none | missing)


def cut(texts: Spans, begins: Column, ends: Column) -> pa.Array:
    """Return a part of each text, by bytes; bounds must lie between characters."""
    lengths = np.maximum(ends - begins, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    data = texts.data[places]
    return pa.LargeStringArray.from_buffers(len(begins), pa.py_buffer(offsets), pa.py_buffer(data))
