"""Sketches of Arrow text: exact hashes, MinHash signatures and shingle sets, one call a batch.

Every result equals `thresher.text.reference` on every input and does not depend on how rows are
batched. Calls release the GIL, keep no state and allocate their own scratch: call them from as
many threads as there are cores.

Shapes: N rows, P permutations, K requested rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.text import hashing as h
from thresher.text.rows import (
    LANES,
    Batch,
    Outputs,
    Plan,
    fingerprint_rows,
    process_rows,
)
from thresher.text.scratch import Held, address, make_work, table_addresses
from thresher.transforms.minhash import Permutations
from thresher.transforms.pictures import PICTURE_WORDS

_OFFSET_TYPES = {
    pa.string(): np.int32,
    pa.binary(): np.int32,
    pa.large_string(): np.int64,
    pa.large_binary(): np.int64,
}
_NO_PERMUTATIONS = Permutations(np.zeros(0, np.uint32), np.zeros(0, np.uint32))


class Sketch(NamedTuple):
    """What one pass over the text computes for every row.

    Attributes:
        ok: (N,) uint8: 1 where the row is well-formed UTF-8. A null row counts as an empty text
            here.
        num_words: (N,) uint32: words; 0 for ill-formed rows.
        bytes_hash: (N, 2) uint64: 128-bit hash of the raw bytes.
        sequence_hash: (N, 2) uint64: 128-bit hash of the word sequence; of the bytes where there
            are no words.
        signatures: (N, P) uint32: MinHash minima; all 0xFFFFFFFF without words, as datasketch has
            it.
        pictures: (N, 8) uint64: one bit of 512 for each shingle; (N, 0) without permutations.
    """

    ok: npt.NDArray[np.uint8]
    num_words: npt.NDArray[np.uint32]
    bytes_hash: npt.NDArray[np.uint64]
    sequence_hash: npt.NDArray[np.uint64]
    signatures: npt.NDArray[np.uint32]
    pictures: npt.NDArray[np.uint64]


def sketch(
    array: Any, *, n: int = 5, permutations: Permutations | None = None, with_words: bool = True
) -> Sketch:
    """Sketch every row of a string or binary array (plain or large, sliced, with nulls).

    Args:
        array: A `pyarrow.Array`.
        n: Words a shingle.
        permutations: MinHash permutations; None computes no signatures (P = 0).
        with_words: False computes `ok` and `bytes_hash` only, for byte-exact jobs; the rest is
            zero.

    Raises:
        ValueError: For another type of array, or n < 1.
    """
    starts, ends, nulls = _row_bounds(array)
    drawn = _NO_PERMUTATIONS if permutations is None else permutations
    result = _empty_sketch(len(array), len(drawn.a))
    _process(array, (starts, ends, nulls), n, drawn, result, with_words=with_words)
    return result


def shingles(
    array: Any, *, n: int = 5, rows: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return the shingle sets of the requested rows: (offsets (K + 1,), values), sorted and unique
    a row.

    Args:
        array: A `pyarrow.Array` of strings or binaries. Ill-formed rows have no shingles.
        n: Words a shingle.
        rows: Indices of the wanted rows, in the wanted order; all rows for None.

    Raises:
        ValueError: For another type of array, or n < 1.
    """
    starts, ends, nulls = _row_bounds(array)
    if rows is not None:
        starts, ends = starts[rows], ends[rows]
    # A word and what ends it take two bytes at least, in every script.
    values = np.empty(int(((ends - starts + 1) // 2).sum()), np.uint64)
    offsets = np.zeros(len(starts) + 1, np.int64)
    result = _empty_sketch(len(starts), 0)
    _process(array, (starts, ends, nulls), n, _NO_PERMUTATIONS, result, collected=(offsets, values))
    return offsets, values[: offsets[-1]].copy()


def fingerprint(array: Any, start: int = h.FINGERPRINT_START) -> int:
    """Return the 64-bit fingerprint of rows, to notice that text changed between two reads.

    It continues from `start`, so it depends on the rows and their order alone, not on how they
    were cut into arrays. Nulls and empty texts differ.
    """
    bounds = _row_bounds(array)
    return int(fingerprint_rows(_batch(array, bounds), np.uint64(start)))


def _empty_sketch(num_rows: int, num_permutations: int) -> Sketch:
    return Sketch(
        ok=np.zeros(num_rows, np.uint8),
        num_words=np.zeros(num_rows, np.uint32),
        bytes_hash=np.zeros((num_rows, 2), np.uint64),
        sequence_hash=np.zeros((num_rows, 2), np.uint64),
        signatures=np.zeros((num_rows, num_permutations), np.uint32),
        pictures=np.zeros((num_rows, PICTURE_WORDS if num_permutations else 0), np.uint64),
    )


_Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]


def _process(
    array: Any,
    bounds: _Bounds,
    n: int,
    permutations: Permutations,
    result: Sketch,
    *,
    with_words: bool = True,
    collected: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]] | None = None,
) -> None:
    """Run the kernel over the rows, with room for composition once a row asks for it."""
    plan = _plan(n, permutations, with_words)
    batch = _batch(array, bounds)
    targets = (*result, *(collected or (_NO_VALUES, _NO_VALUES)))
    outputs = Outputs(*(address(array) for array in targets))
    longest = int((bounds[1] - bounds[0]).max(initial=0)) if with_words else 0
    tables = table_addresses()  # held: of two threads that load them first, one gets its own copy
    row, end, composing = 0, 0, False
    while row < batch.num_rows:
        work = make_work(
            n,
            longest,
            plan.addresses.num_padded,
            composing=composing,
            sorting=collected is not None,
        )
        row, end = process_rows(
            batch, plan.addresses, tables.addresses, work.addresses, outputs, row, end
        )
        composing = True


_NO_VALUES = np.zeros(0, np.uint64)


def _plan(n: int, permutations: Permutations, with_words: bool) -> Held[Plan]:
    if n < 1:
        raise ValueError(f"a shingle has at least one word, not {n}")
    count = len(permutations.a)
    padding = (0, -count % LANES)  # the added minima are thrown away
    factors, terms = (np.pad(part, padding).astype(np.uint32) for part in permutations)
    plan = Plan(
        with_words=int(with_words),
        n=n,
        last_power=np.uint64(pow(h.SHINGLE_BASE, n, 1 << 64)),
        num_permutations=count,
        num_padded=len(factors),
        factors=address(factors),
        terms=address(terms),
    )
    return Held(plan, (factors, terms))


def _batch(array: Any, bounds: _Bounds) -> Batch:
    data = array.buffers()[2]
    starts, ends, nulls = bounds
    return Batch(
        data=data.address if data is not None else 0,
        size=data.size if data is not None else 0,
        starts=address(starts),
        ends=address(ends),
        nulls=address(nulls),
        num_rows=len(starts),
    )


def _row_bounds(array: Any) -> _Bounds:
    """Return where rows begin and end in the data buffer, and which are null (empty for none)."""
    offset_type = _OFFSET_TYPES.get(array.type)
    if offset_type is None or not isinstance(array, pa.Array):
        raise ValueError(f"expected an array of strings or binaries, not {array.type}")
    offset_buffer = array.buffers()[1]
    if len(array) == 0 or offset_buffer is None:
        offsets = np.zeros(1, np.int64)
    else:
        first = array.offset * np.dtype(offset_type).itemsize
        stored = np.frombuffer(offset_buffer, offset_type, len(array) + 1, first)
        offsets = stored.astype(np.int64)
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    nulls = np.zeros(0, np.uint8)
    if array.null_count:
        nulls = array.is_null().to_numpy(zero_copy_only=False).astype(np.uint8)
        ends[nulls == 1] = starts[nulls == 1]
    return starts, ends, nulls
