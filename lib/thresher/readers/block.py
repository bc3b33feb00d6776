"""What readers take and give: a request, blocks of rows, bad rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.schema import conform, has_bytes, value_bytes

if TYPE_CHECKING:
    from thresher.inputs import InputFile
    from thresher.splits import Split

MAX_DOC_BYTES = 256 << 20
BATCH_BYTES = 16 << 20
RAW_BYTES = 1 << 10  # of a row that is bad because it is too large, this much is kept

RowNumbers = npt.NDArray[np.int64]


class BadRow(NamedTuple):
    """A row that could not be read: its number in the split, why, and its bytes (the first KiB if too large)."""

    row: int
    error: str
    raw: bytes


class Block(NamedTuple):
    """Some neighbouring rows of a split.

    Attributes:
        batch: The good rows.
        rows: The number in the split of each good row, ascending.
        bad: The bad rows that lie between them.
    """

    batch: pa.RecordBatch
    rows: RowNumbers
    bad: list[BadRow]


class Request(NamedTuple):
    """The arguments of `read_split`."""

    file: InputFile
    split: Split
    columns: tuple[str, ...] | None
    schema: pa.Schema | None
    max_doc_bytes: int
    batch_bytes: int

    @property
    def target(self) -> pa.Schema | None:
        """The schema of the batches to return: the wanted columns of the given schema."""
        if self.schema is None or self.columns is None:
            return self.schema
        return pa.schema([self.schema.field(name) for name in self.columns])

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Cut a batch to the wanted columns and the given schema."""
        target = self.target
        if self.columns is not None:
            batch = batch.select([name for name in self.columns if name in batch.schema.names])
        return conform(batch, target) if target is not None else batch


def split_large(request: Request, batch: pa.RecordBatch, numbers: RowNumbers) -> Block:
    """Make a block of a batch, rows with a value above `max_doc_bytes` put aside."""
    large = np.zeros(batch.num_rows, bool)
    for column in batch.columns:
        if column.nbytes > request.max_doc_bytes:
            large |= value_bytes(column) > request.max_doc_bytes
    if not large.any():
        return Block(request.fit(batch), numbers, [])
    bad = []
    for i in np.flatnonzero(large):
        sizes = [int(value_bytes(column.slice(i, 1))[0]) for column in batch.columns]
        widest = batch.column(int(np.argmax(sizes))).slice(i, 1)
        bad.append(too_large(int(numbers[i]), max(sizes), request.max_doc_bytes, head(widest)))
    good = batch.filter(pa.array(~large))
    return Block(request.fit(good), numbers[~large], bad)


def head(array: pa.Array) -> bytes:
    """Return the first bytes of the text in a one-row array, without copying all of it."""
    while pa.types.is_nested(array.type):
        inner = array.flatten()
        if isinstance(inner, list):
            inner = max(inner, key=lambda child: child.nbytes) if inner else pa.nulls(0)
        sizes = value_bytes(inner)
        array = inner.slice(int(np.argmax(sizes)), 1) if len(sizes) else pa.nulls(1)
    if len(array) and has_bytes(array.type) and array.null_count == 0:
        return bytes(array[0].as_buffer()[:RAW_BYTES])
    return str(array[0].as_py()).encode()[:RAW_BYTES] if len(array) else b""


def too_large(row: int, size: int, limit: int, raw: bytes) -> BadRow:
    """Make the bad row of a value or line beyond `max_doc_bytes`."""
    return BadRow(row, f"row of {size} bytes is above max_doc_bytes ({limit})", raw[:RAW_BYTES])
