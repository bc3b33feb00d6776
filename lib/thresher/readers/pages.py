"""Parquet pages: how large a batch of rows may become, read off the page headers.

A few hundred bytes of Parquet can decode to gigabytes: a page of zeros, or one dictionary value
that every row repeats. The footer does not tell (and may lie), so the headers of all pages of
string columns are walked: a page of plain values decodes to at most its uncompressed size, a
dictionary-coded one to its number of values times the longest value. The walk costs about 15 µs a
page, of commonly 1 MB.

The format: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.text.kernel import kernel

ReadAt = Callable[[int, int], bytes]

HEADER_BYTES = 256  # read for one header first; statistics can make it longer
_MAX_HEADER_BYTES = 16 << 20  # Arrow's own limit
_DICTIONARY_PAGE, _DATA_PAGE_V2, _INDEX_PAGE = 2, 3, 1
_DICTIONARY_CODED = (2, 8)  # PLAIN_DICTIONARY, RLE_DICTIONARY
_DELTA_BYTE_ARRAY = 7


class Leaf(NamedTuple):
    """What the page headers of one string leaf tell about a row group.

    Attributes:
        path: Dotted path in the Parquet schema.
        flat: Whether a row has one value at most.
        values: Values of each data page, nulls included.
        each: Most bytes that one value of the page can have.
        total: Most bytes that the whole page can decode to.
    """

    path: str
    flat: bool
    values: npt.NDArray[np.int64]
    each: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]

    @property
    def longest(self) -> int:
        """Most bytes of one value."""
        return int(self.each.max(initial=0))

    @property
    def bound(self) -> int:
        """Most bytes that the row group can decode to; a Python integer, since lies overflow."""
        return sum(map(int, self.total))

    def window(self, rows: int) -> int:
        """Return the most bytes that any `rows` neighbouring rows of a flat leaf can decode to."""
        if not len(self.values):
            return 0
        capped = np.minimum(self.total, np.minimum(self.values, rows) * self.each)
        ends = np.cumsum(self.values)
        begins = ends - self.values
        last = np.searchsorted(begins, ends - 1 + rows, "left")  # pages a window from page i meets
        sums = np.concatenate([[0], np.cumsum(capped)])
        return int((sums[last] - sums[:-1]).max())


def walk(column: Any, path: str, flat: bool, read_at: ReadAt) -> Leaf:
    """Walk the page headers of one column chunk.

    Args:
        column: The chunk's metadata in the footer.
        path: Of the leaf.
        flat: Whether it lies outside all lists.
        read_at: Reads (offset, size) of the file.

    Raises:
        ValueError: The headers make no sense.
    """
    position, end = _extent(column)
    longest = 0
    values, each, total = [], [], []
    while position < end:
        header, size = _header(read_at, position)
        kind, plain, stored = header.get(1, -1), header.get(2, -1), header.get(3, -1)
        if plain < 0 or stored < 0:
            raise ValueError("negative page size")
        body = position + size
        if kind == _DICTIONARY_PAGE:
            page = read_at(body, stored)
            longest = longest_value(page, plain, column.compression)
        elif kind != _INDEX_PAGE:
            inner = header.get(8 if kind == _DATA_PAGE_V2 else 5, {})
            count, coding = inner.get(1, 0), inner.get(4 if kind == _DATA_PAGE_V2 else 2, 0)
            most = longest if coding in _DICTIONARY_CODED else plain
            multiplied = coding in _DICTIONARY_CODED or coding == _DELTA_BYTE_ARRAY
            values.append(count)
            each.append(most)
            total.append(min(count * most, 2**62) if multiplied else plain)
        position = body + stored
    arrays = (np.array(column_, np.int64) for column_ in (values, each, total))
    return Leaf(path, flat, *arrays)


def longest_value(page: bytes, plain_bytes: int, compression: str) -> int:
    """Return the length of the longest value of a dictionary page of strings.

    A page above 64 MiB is not opened: its size stands for the length.
    """
    if plain_bytes > 64 << 20:
        return plain_bytes
    codec = {"UNCOMPRESSED": None, "LZ4": None, "LZ4_RAW": "lz4_raw", "LZO": None}.get(
        compression, compression.lower()
    )
    if codec is None and compression != "UNCOMPRESSED":
        return plain_bytes
    data = page if codec is None else pa.decompress(page, plain_bytes, codec, asbytes=True)
    return min(int(_longest(np.frombuffer(data, np.uint8))), plain_bytes)


@kernel
def _longest(data: Any) -> Any:
    """Walk values that are laid out as a little-endian length of 4 bytes and the bytes."""
    longest = np.int64(0)
    position = np.int64(0)
    while position + 4 <= data.shape[0]:
        size = np.int64(0)
        for byte in range(4):
            size |= np.int64(data[position + byte]) << (8 * byte)
        longest = max(longest, size)
        position += 4 + size
    return longest


def _extent(column: Any) -> tuple[int, int]:
    start = column.data_page_offset
    if column.dictionary_page_offset and 0 < column.dictionary_page_offset < start:
        start = column.dictionary_page_offset
    return start, start + column.total_compressed_size


def _header(read_at: ReadAt, position: int) -> tuple[dict[int, Any], int]:
    wanted = HEADER_BYTES
    while True:
        data = read_at(position, wanted)
        try:
            return _struct(data, 0)
        except IndexError:
            if len(data) < wanted or wanted > _MAX_HEADER_BYTES:
                raise ValueError("page header does not end") from None
            wanted *= 16


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """Read one Thrift compact struct: field numbers to values, and where it ends."""
    fields: dict[int, Any] = {}
    number = 0
    while True:
        byte = data[at]
        at += 1
        if byte == 0:
            return fields, at
        kind, delta = byte & 15, byte >> 4
        if delta:
            number += delta
        else:
            number, at = _zigzag(data, at)
        if kind in (1, 2):
            fields[number] = kind == 1
        elif kind == 3:
            fields[number], at = data[at], at + 1
        elif kind in (4, 5, 6):
            fields[number], at = _zigzag(data, at)
        elif kind == 7:
            at += 8
        elif kind == 8:
            size, at = _varint(data, at)
            at += size
            if at > len(data):
                raise IndexError
        elif kind == 12:
            fields[number], at = _struct(data, at)
        else:
            raise ValueError(f"unexpected Thrift type {kind} in a page header")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
