"""What readers take and give: a request, blocks of rows, bad rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.errors import InputError
from thresher.schema import conform, has_bytes, plain_schema, value_bytes

if TYPE_CHECKING:
    from thresher.inputs import InputFile
    from thresher.splits import Split

MAX_DOC_BYTES = 256 << 20
BATCH_BYTES = 16 << 20
RAW_BYTES = 1 << 10  # of a row that is bad because it is too large, this much is kept
TWO_TYPES = "a list of two types"  # what is wrong with a row that only a conversion reads

RowNumbers = npt.NDArray[np.int64]


class BadRow(NamedTuple):
    """A row that could not be read: its number in the split, why, and its (first) bytes."""

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
    checked: tuple[str, ...] | None = None

    @property
    def target(self) -> pa.Schema | None:
        """The schema of the batches to return: the wanted columns of the given schema."""
        if self.schema is None or self.columns is None:
            return self.schema
        return pa.schema([self.schema.field(name) for name in self.columns])

    def judges(self, column: str) -> bool:
        """Tell whether a value of the column can make its row bad."""
        return self.checked is None or column in self.checked

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Cut a batch to the wanted columns and the given schema."""
        target = self.target
        if self.columns is not None:
            batch = batch.select([name for name in self.columns if name in batch.schema.names])
        return conform(batch, target if target is not None else plain_schema(batch.schema))


def split_bad(request: Request, batch: pa.RecordBatch, numbers: RowNumbers) -> Block:
    """Make a block of a batch of typed rows; those too large or not valid UTF-8 are put aside.

    Dictionaries are decoded only after the rows that are too large have gone.
    """
    large = _large_rows(request, batch, numbers)
    batch, numbers = _without(batch, numbers, large)
    batch = conform(batch, plain_schema(batch.schema))
    ill_formed: dict[int, BadRow] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if request.judges(name):
            ill_formed = _ill_formed(name, column, numbers) | ill_formed
    batch, numbers = _without(batch, numbers, ill_formed)
    bad = sorted([*large.values(), *ill_formed.values()])
    return Block(request.fit(batch), numbers, bad)


def _without(
    batch: pa.RecordBatch, numbers: RowNumbers, bad: dict[int, BadRow]
) -> tuple[pa.RecordBatch, RowNumbers]:
    if not bad:
        return batch, numbers
    keep = np.ones(batch.num_rows, bool)
    keep[list(bad)] = False
    return batch.filter(pa.array(keep)), numbers[keep]


def _large_rows(request: Request, batch: pa.RecordBatch, numbers: RowNumbers) -> dict[int, BadRow]:
    limit = request.max_doc_bytes
    bad: dict[int, BadRow] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not (_is_folded(column) or column.nbytes > limit):
            continue
        sizes = value_bytes(column)
        for i in np.flatnonzero(sizes > limit).tolist():
            raw = value_head(column.slice(i, 1))
            row = too_large(int(numbers[i]), int(sizes[i]), limit, raw, name)
            if not request.judges(name):
                raise InputError(
                    f"{row.error} (row {row.row} of the split)",
                    path=request.file.path,
                    remedy="raise max_doc_bytes",
                )
            bad.setdefault(i, row)
    return bad


def _is_folded(column: pa.Array) -> bool:
    """Tell whether a column may stand for more bytes than it holds."""
    return bool(pa.types.is_dictionary(column.type) or pa.types.is_nested(column.type))


def _ill_formed(name: str, column: pa.Array, numbers: RowNumbers) -> dict[int, BadRow]:
    """Find the rows whose strings are not valid UTF-8; Parquet readers do not check."""
    if _is_valid(column):
        return {}
    alone = (column.take(pa.array([i])) for i in range(len(column)))
    return {
        i: BadRow(int(numbers[i]), f"column {name!r} is not valid UTF-8", value_head(value, None))
        for i, value in enumerate(alone)
        if not _is_valid(value)
    }


def _is_valid(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def value_head(array: pa.Array, limit: int | None = RAW_BYTES) -> bytes:
    """Return the first bytes of the longest string in a one-row array, without copying it."""
    while len(array):
        kind = array.type
        if pa.types.is_dictionary(kind):
            at = array.indices[0].as_py()
            array = pa.nulls(0) if at is None else array.dictionary.slice(at, 1)
        elif pa.types.is_struct(kind):
            children = [child for child in array.flatten() if len(child)]
            array = max(children, key=lambda c: int(value_bytes(c).max()), default=pa.nulls(0))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            inner = array.flatten()
            array = inner.slice(int(np.argmax(value_bytes(inner))), 1) if len(inner) else inner
        elif has_bytes(kind):
            return _first_bytes(array, limit)
        else:
            return str(array[0]).encode()[:limit]
    return b""


def _first_bytes(array: pa.Array, limit: int | None) -> bytes:
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets, data = array.buffers()
    start, stop = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset :][:2]
    stop = stop if limit is None else min(stop, start + limit)
    return bytes(data[int(start) : int(stop)]) if data is not None else b""


def too_large(row: int, size: int, limit: int, raw: bytes, column: str | None = None) -> BadRow:
    """Make the bad row of a value or line beyond `max_doc_bytes`."""
    what = f"column {column!r}" if column else "row"
    return BadRow(row, f"{what} of {size} bytes is above max_doc_bytes ({limit})", raw[:RAW_BYTES])
