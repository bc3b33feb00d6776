"""Pieces of texts around matches, whole code points only.

Shapes: C matches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from thresher.leaks.scan import frozen
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]
_I = np.int64
_WIDEST = 4  # bytes of a code point


@inlined
def _continues(value: Any) -> Any:
    return value & 0xC0 == 0x80


@kernel
def _cut(
    data: Column, lows: Column, ends: Column, characters: Any, begins: Column, sizes: Column
) -> None:
    """Find the first code points from `lows` on, short of `ends`; those cut by either are left."""
    for match in range(lows.shape[0]):
        begin, end = lows[match], ends[match]
        while begin < end and _continues(data[begin]):
            begin += 1
        stop, count = begin, _I(0)
        while stop < end and count < characters:
            after = stop + 1
            while after < end and _continues(data[after]):
                after += 1
            lead = data[stop]
            width = _I(1) + _I(lead >= 0xC0) + _I(lead >= 0xE0) + _I(lead >= 0xF0)
            if after - stop < width:
                break
            stop, count = after, count + 1
        begins[match], sizes[match] = begin, stop - begin


@kernel
def _copy(data: Column, begins: Column, offsets: Column, copied: Column) -> None:
    for match in range(begins.shape[0]):
        shift = begins[match] - offsets[match]
        for place in range(offsets[match], offsets[match + 1]):
            copied[place] = data[place + shift]


def snippets(
    texts: pa.Array, rows: Column, starts: Column, stops: Column, characters: int
) -> pa.Array:
    """Return the text around each match, up to a number of characters.

    A document of many matches is looked into, never copied for each.

    Args:
        texts: Valid UTF-8.
        rows: (C,) the text of each match.
        starts, stops: (C,) its bytes.
        characters: Code points at most; so many times four bytes are looked at.
    """
    large = texts.cast(pa.large_string())
    _, offsets_buffer, data_buffer = large.buffers()
    size = (large.offset + len(large) + 1) if offsets_buffer is not None else 1
    offsets = np.zeros(1, np.int64)
    if offsets_buffer is not None:
        offsets = np.frombuffer(offsets_buffer, np.int64, size)[large.offset :]
    data = np.zeros(0, np.uint8)
    if data_buffer is not None:
        data = np.frombuffer(data_buffer, np.uint8)
    spare = np.maximum(0, characters - (stops - starts)) // 2
    lows = offsets[rows] + np.maximum(0, starts - spare)
    ends = np.minimum(lows + _WIDEST * characters, offsets[np.asarray(rows) + 1])
    begins, sizes = np.empty(len(lows), np.int64), np.empty(len(lows), np.int64)
    _cut(frozen(data), frozen(lows), frozen(ends), characters, begins, sizes)
    places = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    copied = np.empty(int(places[-1]), np.uint8)
    _copy(frozen(data), frozen(begins), frozen(places), copied)
    found = pa.LargeStringArray.from_buffers(len(lows), pa.py_buffer(places), pa.py_buffer(copied))
    return found.cast(pa.string())
