"""Lines of a byte stream, a block at a time, without ever holding a line that is too long.

A line belongs to the range in which it starts. Blank lines are no records. A byte order mark at the
start of the file and carriage returns at the end of lines are left out of the records.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from thresher.readers.block import RAW_BYTES

BOM = b"\xef\xbb\xbf"
_TAIL_BYTES = 64 << 10  # read at a time past the end of the range, to finish its last line
_BLANK = np.zeros(256, bool)
_BLANK[list(b" \t\r")] = True

Offsets = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Readable(Protocol):
    """A forward stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes; empty at the end."""


class Records(NamedTuple):
    """Some neighbouring records.

    Attributes:
        data: Bytes that hold them.
        starts: Where each begins in `data`.
        ends: Where each ends.
        offset: Where `data` begins in the (uncompressed) file.
        too_long: Full length of the records that are above the limit; of those, only the head may
            be in `data`.
    """

    data: bytes
    starts: Offsets
    ends: Offsets
    offset: int
    too_long: dict[int, int]


def read_lines(
    stream: Readable, position: int, stop: int | None, block_bytes: int, limit: int
) -> Iterator[Records]:
    """Yield the lines that start in [position, stop).

    Args:
        stream: Bytes from `position` on; where `position` > 0, from the byte before it, which tells
            whether a line starts there.
        position: Offset of the first byte that may start a line.
        stop: Offset at which lines belong to the next range; None for the end of the stream.
        block_bytes: Bytes to read at a time.
        limit: Longest line in bytes.
    """
    dropping = position > 0
    position -= dropping
    pieces: list[bytes] = []
    held = 0
    long: tuple[bytes, int] | None = None  # head and start of a line that is being dropped
    while data := stream.read(_wanted(position + held, stop, block_bytes)):
        if dropping:
            past = data.find(b"\n") + 1
            position += past or len(data)
            if not past:
                continue
            if long:
                yield _long(*long, position - 1)
            dropping, long, data = False, None, data[past:]
            if stop is not None and position >= stop:
                return
        last = data.rfind(b"\n") + 1
        if last:
            body = b"".join([*pieces, data[:last]])
            yield _records(body, position, stop, limit)
            position += len(body)
            pieces, held = [], 0
            if stop is not None and position >= stop:
                return
        if last < len(data):
            pieces.append(data[last:])
            held += len(data) - last
        if held > max(limit, RAW_BYTES):
            long = b"".join(pieces)[:RAW_BYTES], position
            position += held
            pieces, held, dropping = [], 0, True
    if long:
        yield _long(*long, position)
    elif held:
        yield _records(b"".join(pieces), position, stop, limit)


def _wanted(position: int, stop: int | None, block_bytes: int) -> int:
    if stop is None:
        return block_bytes
    return min(block_bytes, max(stop - position, _TAIL_BYTES))


def _long(head: bytes, start: int, end: int) -> Records:
    return Records(head, np.array([0]), np.array([len(head)]), start, {0: end - start})


def _records(body: bytes, position: int, stop: int | None, limit: int) -> Records:
    bytes_ = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(bytes_ == 10)
    if body[-1:] != b"\n":
        ends = np.append(ends, len(body))
    starts = np.concatenate([[0], ends[:-1] + 1])
    if stop is not None:
        inside = starts + position < stop
        starts, ends = starts[inside], ends[inside]
    sizes = ends - starts
    if position == 0 and body.startswith(BOM) and len(starts):
        starts[0] += len(BOM)
    ends = ends - ((ends > starts) & (bytes_[ends - 1] == 13))
    filled = _filled(body, bytes_, starts, ends) | (sizes > limit)
    starts, ends, sizes = starts[filled], ends[filled], sizes[filled]
    too_long = {int(i): int(sizes[i]) for i in np.flatnonzero(sizes > limit)}
    return Records(body, starts, ends, position, too_long)


def _filled(body: bytes, bytes_: npt.NDArray[np.uint8], starts: Offsets, ends: Offsets) -> Mask:
    """Tell which lines hold more than white space."""
    filled = ends > starts
    doubtful = np.flatnonzero(filled & _BLANK[bytes_[np.minimum(starts, len(bytes_) - 1)]])
    for i in doubtful:
        filled[i] = bool(body[starts[i] : ends[i]].strip(b" \t\r"))
    return filled


def record(records: Records, i: int) -> bytes:
    """Return the bytes of one record."""
    return records.data[records.starts[i] : records.ends[i]]
