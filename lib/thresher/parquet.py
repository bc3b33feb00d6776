"""The one Parquet writer: equal rows are equal bytes, however they arrive.

Row groups are cut by a rule that looks at the rows alone (their number and the bytes of their
values), each column of a group is one combined chunk, and every setting of the format is fixed
here. No clock, no host; the only outside name in the file is that of the pyarrow version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from thresher.schema import Sizes, cast, value_bytes

GROUP_BYTES = 64 << 20
GROUP_ROWS = 131_072


class Written(NamedTuple):
    """What was written: rows, bytes of the file, and their SHA-256 in hex."""

    rows: int
    bytes: int
    sha256: str


class _Digest:
    """A write-only file object that hashes and counts what passes through."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self._stream.write(data)
        self.bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


class PartWriter:
    """Writes one part from batches of any size.

    Args:
        target: A local path, or a binary stream that stays open.
        schema: Of the file; batches are cast to it.
        text_columns: Columns of long, mostly distinct strings: written plain, without dictionary
            and statistics.
    """

    def __init__(
        self, target: str | BinaryIO, schema: pa.Schema, text_columns: Sequence[str] = ()
    ) -> None:
        self.schema = schema.remove_metadata()
        self._owned = open(target, "wb") if isinstance(target, str) else None  # noqa: SIM115
        stream = self._owned or target
        assert not isinstance(stream, str)
        self._digest = _Digest(stream)
        coded = _coded_columns(self.schema, frozenset(text_columns))
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._digest, mode="w"),
            self.schema,
            version="2.6",
            compression="zstd",
            compression_level=3,
            use_dictionary=coded or False,
            write_statistics=coded or False,
            write_page_checksum=True,
            store_schema=False,
            data_page_version="1.0",
        )
        self._rows = 0
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        self._held_bytes = 0

    def write(self, data: pa.RecordBatch | pa.Table) -> None:
        """Take some rows; they reach the file when their row group is full."""
        batches = data.to_batches() if isinstance(data, pa.Table) else [data]
        for batch in batches:
            self._take(_cast(batch, self.schema))

    def _take(self, batch: pa.RecordBatch) -> None:
        ends = np.cumsum(row_bytes(batch))
        start = 0
        while start < batch.num_rows:
            before = int(ends[start - 1]) if start else 0
            by_rows = start + GROUP_ROWS - self._held_rows
            room = before + GROUP_BYTES - self._held_bytes
            stop = min(int(np.searchsorted(ends, room, "right")), by_rows, batch.num_rows)
            if stop == start and not self._held_rows:
                stop = start + 1  # a row larger than a group is a group
            if stop > start:
                self._held.append(batch.slice(start, stop - start))
                self._held_rows += stop - start
                self._held_bytes += int(ends[stop - 1]) - before
            if stop < batch.num_rows:
                self._flush()
            start = stop

    def _flush(self) -> None:
        if not self._held_rows:
            return
        table = pa.Table.from_batches(self._held, self.schema).combine_chunks()
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self._rows += self._held_rows
        self._held, self._held_rows, self._held_bytes = [], 0, 0

    def close(self) -> Written:
        """Write the last row group and the footer; say what was written."""
        self._flush()
        self._writer.close()
        if self._owned:
            self._owned.close()
        return Written(self._rows, self._digest.bytes, self._digest.sha256.hexdigest())

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owned and not self._owned.closed:
            self._writer.is_open = False  # a failed part is left without a footer: nobody reads it
            self._owned.close()


def write_part(
    target: str | BinaryIO,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch | pa.Table],
    text_columns: Sequence[str] = (),
) -> Written:
    """Write all batches to one part; see `PartWriter`."""
    with PartWriter(target, schema, text_columns) as writer:
        for batch in batches:
            writer.write(batch)
        return writer.close()


def read_table(source: str | BinaryIO, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a part of ours whole, checksums verified."""
    wanted = list(columns) if columns is not None else None
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        return file.read(columns=wanted, use_threads=False)


def row_bytes(batch: pa.RecordBatch) -> Sizes:
    """Return the bytes of the values of each row; the same for any layout of the same rows."""
    total = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        total += value_bytes(column)
    return total


def _coded_columns(schema: pa.Schema, text_columns: frozenset[str]) -> list[str]:
    """List the leaves that get a dictionary and statistics: all but those of text columns."""
    if not len(schema):
        return []
    paths = _leaf_paths(schema)
    return [path for path in paths if not any(_is_below(path, text) for text in text_columns)]


def _is_below(path: str, column: str) -> bool:
    return path == column or path.startswith(f"{column}.")


def _leaf_paths(schema: pa.Schema) -> list[str]:
    sink = pa.BufferOutputStream()
    pq.ParquetWriter(sink, schema, store_schema=False).close()
    parquet_schema = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [parquet_schema.column(i).path for i in range(len(parquet_schema))]


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    columns = [cast(batch.column(field.name), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
