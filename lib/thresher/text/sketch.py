"""Sketches of Arrow text: exact hashes, MinHash signatures and shingle sets, one call a batch.

Every result equals `thresher.text.reference` on every input and does not depend on how rows are batched. Calls release the
GIL, keep no state and allocate their own scratch: call them from as many threads as there are cores.

Shapes: N rows, P permutations, K requested rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.text import hashing as h
from thresher.text.kernel import require_little_endian
from thresher.text.rows import (
    EMPTY_MINIMUM,
    LANES,
    fingerprint_rows,
    last_power,
    make_work,
    shingle_rows,
    sketch_rows,
)
from thresher.text.tables import load_tables
from thresher.transforms.minhash import Permutations

_OFFSET_TYPES = {
    pa.string(): np.int32,
    pa.binary(): np.int32,
    pa.large_string(): np.int64,
    pa.large_binary(): np.int64,
}


class Sketch(NamedTuple):
    """What one pass over the text computes for every row.

    Attributes:
        ok: (N,) uint8: 1 where the row is well-formed UTF-8. A null row counts as an empty text here.
        num_words: (N,) uint32: words; 0 for ill-formed rows.
        bytes_hash: (N, 2) uint64: 128-bit hash of the raw bytes.
        sequence_hash: (N, 2) uint64: 128-bit hash of the word sequence; of the bytes where there are no words.
        signatures: (N, P) uint32: MinHash minima; all 0xFFFFFFFF without words, as datasketch has it.
    """

    ok: npt.NDArray[np.uint8]
    num_words: npt.NDArray[np.uint32]
    bytes_hash: npt.NDArray[np.uint64]
    sequence_hash: npt.NDArray[np.uint64]
    signatures: npt.NDArray[np.uint32]


class _Rows(NamedTuple):
    """Where the rows of an Arrow array lie; `owner` keeps the memory alive."""

    owner: Any
    data: int
    size: int
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    nulls: npt.NDArray[np.bool_]

    @property
    def longest(self) -> int:
        """Bytes of the longest row."""
        return int((self.ends - self.starts).max(initial=0))


def sketch(
    array: Any, *, n: int = 5, permutations: Permutations | None = None, with_words: bool = True
) -> Sketch:
    """Sketch every row of a string or binary array (plain or large, sliced, with nulls).

    Args:
        array: A `pyarrow.Array`.
        n: Words a shingle.
        permutations: MinHash permutations; None computes no signatures (P = 0).
        with_words: False computes `ok` and `bytes_hash` only, for byte-exact jobs; the rest is zero.

    Raises:
        ValueError: For another type of array, or n < 1.
    """
    rows = _rows(array)
    _check_length(n)
    num_rows = len(array)
    factors, terms = _padded(permutations)
    num_permutations = 0 if permutations is None else len(permutations.a)
    result = Sketch(
        ok=np.zeros(num_rows, np.uint8),
        num_words=np.zeros(num_rows, np.uint32),
        bytes_hash=np.zeros((num_rows, 2), np.uint64),
        sequence_hash=np.zeros((num_rows, 2), np.uint64),
        signatures=np.full((num_rows, num_permutations), EMPTY_MINIMUM, np.uint32),
    )
    work = make_work(n, rows.longest if with_words else 0)
    sketch_rows(
        rows.data,
        rows.size,
        rows.starts,
        rows.ends,
        with_words,
        n,
        last_power(n),
        load_tables(),
        work,
        factors,
        terms,
        np.empty(factors.size, np.uint32),
        *result,
    )
    return result


def shingles(
    array: Any, *, n: int = 5, rows: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return the shingle sets of the requested rows: (offsets (K + 1,), values), sorted and unique a row.

    Args:
        array: A `pyarrow.Array` of strings or binaries.
        n: Words a shingle.
        rows: Indices of the wanted rows, in the wanted order; all rows for None.

    Raises:
        ValueError: For another type of array, or n < 1.
    """
    found = _rows(array)
    _check_length(n)
    starts, ends = found.starts, found.ends
    if rows is not None:
        starts, ends = starts[rows], ends[rows]
    lengths = ends - starts
    # A word and what ends it take two bytes at least, in every script.
    values = np.empty(int(((lengths + 1) // 2).sum()), np.uint64)
    offsets = np.zeros(len(starts) + 1, np.int64)
    work = make_work(n, int(lengths.max(initial=0)))
    shingle_rows(
        found.data,
        found.size,
        starts,
        ends,
        n,
        last_power(n),
        load_tables(),
        work,
        offsets,
        values,
    )
    return offsets, values[: offsets[-1]].copy()


def fingerprint(array: Any, start: int = h.FINGERPRINT_START) -> int:
    """Return the 64-bit fingerprint of rows, to notice that text changed between two reads.

    It continues from `start`, so it depends on the rows and their order alone, not on how they were cut into arrays. Nulls and
    empty texts differ.
    """
    rows = _rows(array)
    return int(fingerprint_rows(rows.data, rows.starts, rows.ends, rows.nulls, np.uint64(start)))


def _check_length(n: int) -> None:
    if n < 1:
        raise ValueError(f"a shingle has at least one word, not {n}")


def _padded(
    permutations: Permutations | None,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Pad the parameters to whole vector steps; the added minima are thrown away."""
    if permutations is None:
        return np.zeros(0, np.uint32), np.zeros(0, np.uint32)
    padding = -len(permutations.a) % LANES
    a, b = (np.pad(part, (0, padding)) for part in (permutations.a, permutations.b))
    return np.ascontiguousarray(a, np.uint32), np.ascontiguousarray(b, np.uint32)


def _rows(array: Any) -> _Rows:
    require_little_endian()
    offset_type = _OFFSET_TYPES.get(array.type)
    if offset_type is None or not isinstance(array, pa.Array):
        raise ValueError(f"expected an array of strings or binaries, not {array.type}")
    _, offset_buffer, data_buffer = array.buffers()
    num_rows = len(array)
    if num_rows == 0 or offset_buffer is None:
        offsets = np.zeros(1, np.int64)
    else:
        first = array.offset * np.dtype(offset_type).itemsize
        offsets = np.frombuffer(offset_buffer, offset_type, num_rows + 1, first).astype(np.int64)
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    nulls = np.zeros(0, np.bool_)
    if array.null_count:
        nulls = array.is_null().to_numpy(zero_copy_only=False)
        ends[nulls] = starts[nulls]
    data, size = (data_buffer.address, data_buffer.size) if data_buffer is not None else (0, 0)
    return _Rows(array, data, size, starts, ends, nulls)
