"""Parquet: a run of row groups, with a bound on what a batch decodes to.

Rows a batch follow from the page headers (see `pages`). Where even one row could be too much, the
strings are read as dictionaries, their lengths are taken from there, and only rows within
`max_doc_bytes` are decoded. Checksums of pages are verified where the file has them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from thresher.errors import InputError, from_os_error
from thresher.inputs import InputFile
from thresher.readers.block import Block, Request, split_bad
from thresher.readers.pages import HEADER_BYTES, Leaf, walk
from thresher.readers.streams import is_remote, one_line, open_input
from thresher.schema import plain_schema, value_bytes

# Most bytes of strings that one batch may decode to before its rows are measured. 256 rows a batch
# read as fast as 8192 (2026, pyarrow 26), so the bound costs nothing on ordinary files.
BUDGET_BYTES = 128 << 20
MAX_ROWS = 65_536
MEASURED_ROWS = 1024
_SKIP = "fetch it again, or leave it out with --skip-unreadable"
_STRINGS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")


def read_footer(file: InputFile) -> tuple[Any, pa.Schema]:
    """Read metadata and schema of a file.

    Raises:
        InputError: It is not a whole Parquet file.
    """
    with open_input(file) as stream, _damage(file, "is not a whole Parquet file"):
        opened = pq.ParquetFile(stream)
        return opened.metadata, plain_schema(opened.schema_arrow)


def read_parquet(request: Request) -> Iterator[Block]:
    """Read row groups [start, stop) of one file."""
    file, split = request.file, request.split
    with open_input(file) as stream:
        with _damage(file, "is not a whole Parquet file"):
            opened = pq.ParquetFile(stream)
        names = opened.schema_arrow.names
        wanted = names if request.columns is None else [c for c in request.columns if c in names]
        if split.stop > opened.num_row_groups:
            raise InputError("changed during the run", path=file.path)
        row = 0
        for group in range(split.start, split.stop):
            rows = opened.metadata.row_group(group).num_rows
            if not rows:
                continue
            with _damage(file, f"row group {group} is damaged"):
                yield from _read_group(request, _Group(opened, stream, group, wanted), row)
            row += rows


class _Group(NamedTuple):
    """One row group of an open file, and the columns wanted of it."""

    file: pq.ParquetFile
    stream: Any
    number: int
    columns: list[str]

    def chunks(self) -> Iterator[tuple[int, str, Any]]:
        """Yield (leaf number, path, metadata) of the wanted column chunks."""
        group = self.file.metadata.row_group(self.number)
        for i in range(group.num_columns):
            column = group.column(i)
            if any(_is_below(column.path_in_schema, name) for name in self.columns):
                yield i, column.path_in_schema, column


def _is_below(path: str, column: str) -> bool:
    """Tell whether a leaf belongs to a top-level column, whose own name may have dots."""
    return path == column or path.startswith(f"{column}.")


def _read_group(request: Request, group: _Group, row: int) -> Iterator[Block]:
    source = _source(request.file, group)
    leaves = [
        walk(column, path, group.file.schema.column(i).max_repetition_level == 0, source.read_at)
        for i, path, column in group.chunks()
        if column.physical_type in _STRINGS
    ]
    measured = [leaf for leaf in leaves if _must_measure(leaf, request.max_doc_bytes)]
    rows = _rows_at_once(request, group, [leaf for leaf in leaves if leaf not in measured])
    if measured:
        rows = min(rows, MEASURED_ROWS)
    opened = pq.ParquetFile(
        source.open(),
        metadata=group.file.metadata,
        read_dictionary=[leaf.path for leaf in measured],
        page_checksum_verification=True,
        pre_buffer=False,
    )
    batches = opened.iter_batches(
        rows, row_groups=[group.number], columns=group.columns, use_threads=False
    )
    gathered = _measure(request, batches) if measured else _gather(request, batches)
    for batch in gathered:
        numbers = np.arange(row, row + batch.num_rows, dtype=np.int64)
        yield split_bad(request, batch, numbers)
        row += batch.num_rows


def _must_measure(leaf: Leaf, max_doc_bytes: int) -> bool:
    if leaf.flat:
        return leaf.longest > max_doc_bytes and leaf.bound > BUDGET_BYTES
    return leaf.bound > 8 * BUDGET_BYTES


def _rows_at_once(request: Request, group: _Group, leaves: list[Leaf]) -> int:
    """Choose rows a batch: about `batch_bytes` on average, never above the budget."""
    metadata = group.file.metadata.row_group(group.number)
    stored = sum(column.total_uncompressed_size for _, _, column in group.chunks())
    average = max(1, stored // max(1, metadata.num_rows))
    rows = min(MAX_ROWS, max(1, request.batch_bytes // average))
    flat = [leaf for leaf in leaves if leaf.flat]
    while rows > 1 and sum(leaf.window(rows) for leaf in flat) > BUDGET_BYTES:
        rows //= 2
    return int(rows)


def _gather(request: Request, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join small batches and slice large ones, to about `batch_bytes` once decoded."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        added = _decoded_bytes(batch)
        if held and size + added > request.batch_bytes:
            yield _joined(held)
            held, size = [], 0
        held.append(batch)
        size += added
        if size > 2 * request.batch_bytes:
            step = max(1, batch.num_rows * request.batch_bytes // size)
            yield from (batch.slice(at, step) for at in range(0, batch.num_rows, step))
            held, size = [], 0
    if held:
        yield _joined(held)


def _decoded_bytes(batch: pa.RecordBatch) -> int:
    """Count bytes as they will be: columns that a file states as dictionaries unfold later."""
    return sum(
        int(value_bytes(column).sum()) if pa.types.is_dictionary(column.type) else column.nbytes
        for column in batch.columns
    )


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _measure(request: Request, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Slice batches of dictionaries so that each decodes to about `batch_bytes`."""
    for batch in batches:
        sizes = sum((value_bytes(column) for column in batch.columns), np.int64(0))
        ends = np.cumsum(np.where(sizes > request.max_doc_bytes, 0, sizes))  # those are not decoded
        start = 0
        while start < batch.num_rows:
            room = (ends[start - 1] if start else 0) + request.batch_bytes
            stop = max(start + 1, int(np.searchsorted(ends, room, "right")))
            yield batch.slice(start, stop - start)
            start = stop


class _Local(NamedTuple):
    path: str
    stream: Any

    def read_at(self, offset: int, size: int) -> bytes:
        self.stream.seek(offset)
        data: bytes = self.stream.read(size)
        return data

    def open(self) -> Any:
        return pa.OSFile(self.path)


class _Fetched(io.RawIOBase):
    """The wanted column chunks of one row group of a remote file, fetched in a few large reads."""

    def __init__(self, stream: Any, extents: list[tuple[int, int]]) -> None:
        super().__init__()
        self._stream = stream
        self._size = stream.seek(0, io.SEEK_END)
        self._at = 0
        self._parts = [(start, self._fetch(start, end)) for start, end in _merged(extents)]

    def _fetch(self, start: int, end: int) -> bytes:
        self._stream.seek(start)
        data: bytes = self._stream.read(end - start)
        return data

    def read_at(self, offset: int, size: int) -> bytes:
        for start, part in self._parts:
            if start <= offset and offset + size <= start + len(part):
                return part[offset - start : offset - start + size]
        return self._fetch(offset, min(offset + size, self._size))

    def open(self) -> Any:
        return pa.PythonFile(self, mode="r")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        data = self.read_at(self._at, wanted)
        self._at += len(data)
        return data


def _merged(extents: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join extents less than 1 MiB apart: one read costs more than the gap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(extents):
        if merged and start - merged[-1][1] < 1 << 20:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _source(file: InputFile, group: _Group) -> _Local | _Fetched:
    if not is_remote(file.path):
        return _Local(file.path, group.stream)
    extents = []
    for _, _, column in group.chunks():
        start = min(column.data_page_offset, column.dictionary_page_offset or 1 << 62)
        extents.append((start, start + column.total_compressed_size + HEADER_BYTES))
    return _Fetched(group.stream, extents)


@contextmanager
def _damage(file: InputFile, what: str) -> Iterator[None]:
    """Turn what Arrow says about a damaged file into an `InputError` that names it."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise InputError(f"{what} ({one_line(error)})", path=file.path, remedy=_SKIP) from error
    except (OSError, MemoryError) as error:
        if isinstance(error, MemoryError) or error.errno is not None:
            raise from_os_error(error, file.path) from error
        raise InputError(f"{what} ({one_line(error)})", path=file.path, remedy=_SKIP) from error
