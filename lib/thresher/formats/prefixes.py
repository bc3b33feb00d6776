"""What two columns of texts share at their beginnings, row by row.

Shapes: R rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.turns import STRING
from thresher.text.kernel import allocating

Column = np.ndarray[Any, Any]
_SPACE = 0x20


@allocating
def _shared(left: Column, starts: Column, right: Column, others: Column) -> Column:
    """Count the bytes that rows share: whole characters, less a space at their end."""
    rows = len(starts) - 1
    heads = np.zeros(rows, np.int64)
    for row in range(rows):
        a, b = starts[row], others[row]
        limit = min(starts[row + 1] - a, others[row + 1] - b)
        size = 0
        while size < limit and left[a + size] == right[b + size]:
            size += 1
        # A byte 10xxxxxx goes on with a character: step back to its first byte.
        while size > 0 and (
            (a + size < starts[row + 1] and left[a + size] & 0xC0 == 0x80)
            or (b + size < others[row + 1] and right[b + size] & 0xC0 == 0x80)
        ):
            size -= 1
        if size > 0 and left[a + size - 1] == _SPACE:
            size -= 1
        heads[row] = size
    return heads


def shared_bytes(left: pa.Array, right: pa.Array) -> Column:
    """(R,) bytes at the beginning that two texts share, in whole characters, less a last space."""
    heads: Column = _shared(*_buffers(left), *_buffers(right))
    return heads


def cut_texts(texts: pa.Array, heads: Column) -> tuple[pa.Array, pa.Array]:
    """Cut each text after its first `heads` bytes; the bytes themselves are not copied."""
    data, offsets = _buffers(texts)
    both = np.empty(2 * len(texts) + 1, np.int64)
    both[::2] = offsets
    both[1::2] = offsets[:-1] + heads
    pieces = pa.Array.from_buffers(
        STRING, 2 * len(texts), [None, pa.py_buffer(both), pa.py_buffer(data)]
    )
    places = np.arange(len(texts)) * 2
    return pieces.take(pa.array(places)), pieces.take(pa.array(places + 1))


def _buffers(texts: pa.Array) -> tuple[Column, Column]:
    """Return bytes and offsets of a large-string column without nulls."""
    assert texts.type == STRING and not texts.null_count
    _, offsets, data = texts.buffers()
    mine = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return held, mine
