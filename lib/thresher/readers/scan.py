"""Find the records of CSV files and JSON arrays in a byte stream, in bounded memory.

Both kernels keep their place in `state`, so that a record may span any number of blocks. A record
beyond the limit is dropped as it passes; its head and its size are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from thresher.readers.block import RAW_BYTES
from thresher.readers.lines import BOM, Readable, Records

# Places in `state`, shared by both kernels.
FIRST, LAST, DEPTH, MODE, CLOSED = 0, 1, 2, 3, 4

Buffer = npt.NDArray[np.uint8]
State = npt.NDArray[np.int64]
Kernel = Callable[[Buffer, int, State, State, State], int]


def new_state() -> State:
    """Return the state before the first byte: no record begun."""
    return np.array([-1, -1, 0, 0, 0], np.int64)


@numba.njit(nogil=True, cache=True)
def scan_array(data: Any, begin: int, state: Any, starts: Any, ends: Any) -> int:
    """Find the elements of one JSON array; white space around them is left out.

    Line breaks outside strings become spaces and the commas between elements become line breaks, in
    place, so that a run of elements can be parsed as JSON lines.

    MODE: 0 outside strings, 1 inside, 2 after a backslash. CLOSED: 0 before the array, 1 inside, 2
        after, 3 where something else stands outside it.
    """
    count = 0
    first, last, depth, mode, closed = state[0], state[1], state[2], state[3], state[4]
    for i in range(begin, len(data)):
        char = data[i]
        if mode == 1:
            if char == 34:
                mode = 0
            elif char == 92:
                mode = 2
            elif char == 10:
                data[i] = (
                    13  # invalid in a string either way, and must not look like the end of a line
                )
            last = i
            continue
        if mode == 2:
            mode = 1
            last = i
            if char == 10:
                data[i] = 13
            continue
        if char == 32 or char == 9 or char == 10 or char == 13:
            data[i] = 32
            continue
        if closed != 1:
            if closed == 0 and char == 91:
                closed = 1
                depth = 1
            else:
                closed = 3
                break
            continue
        if depth == 1 and (char == 44 or char == 93 or char == 125):
            if first >= 0:
                starts[count] = first
                ends[count] = last + 1
                count += 1
            first = -1
            if char == 44:
                data[i] = 10
            else:
                closed = 2 if char == 93 else 3
                depth = 0
            continue
        if first < 0:
            first = i
        last = i
        if char == 34:
            mode = 1
        elif char == 91 or char == 123:
            depth += 1
        elif char == 93 or char == 125:
            depth -= 1
    state[0], state[1], state[2], state[3], state[4] = first, last, depth, mode, closed
    return count


@numba.njit(nogil=True, cache=True)
def scan_csv(data: Any, begin: int, state: Any, starts: Any, ends: Any) -> int:
    """Find the records of a CSV file as Arrow reads it: empty lines are none, quoted line breaks
    end none.

    MODE: 0 at the start of a field, 1 inside a plain field, 2 inside quotes, 3 after a quote inside
        quotes.
    """
    count = 0
    first, last, mode = state[0], state[1], state[3]
    for i in range(begin, len(data)):
        char = data[i]
        if mode != 2 and (char == 10 or char == 13):
            if first >= 0:
                starts[count] = first
                ends[count] = i
                count += 1
            first = -1
            mode = 0
            continue
        if first < 0:
            first = i
        last = i
        if mode == 2:
            if char == 34:
                mode = 3
        elif char == 34 and (mode == 0 or mode == 3):
            mode = 2
        elif char == 44:
            mode = 0
        else:
            mode = 1
    state[0], state[1], state[3] = first, last, mode
    return count


def read_records(
    stream: Readable, kernel: Kernel, state: State, block_bytes: int, limit: int
) -> Iterator[Records]:
    """Yield the records that a kernel finds; one that the end of the stream cuts is the last."""
    held = b""
    extra = 0  # bytes of the record in progress that were dropped
    position = 0
    while data := stream.read(block_bytes if position else max(block_bytes, len(BOM))):
        if position == 0:
            data = data.removeprefix(BOM)
        position += len(data)
        buffer = np.frombuffer(bytearray(held + data), np.uint8)
        starts, ends = (np.empty(len(data) // 2 + 2, np.int64) for _ in range(2))
        count = kernel(buffer, len(held), state, starts, ends)
        whole = buffer.tobytes()
        if count:
            yield _block(whole, starts[:count], ends[:count], position, extra, limit)
            extra = 0
        begun = int(state[FIRST])
        held = whole[begun:] if begun >= 0 else b""
        if begun > 0:
            state[FIRST], state[LAST] = 0, state[LAST] - begun
        if len(held) > max(limit, 2 * RAW_BYTES):
            extra += len(held) - RAW_BYTES
            held = held[:RAW_BYTES]
            state[LAST] = RAW_BYTES - 1
    if state[FIRST] >= 0:
        end = np.array([int(state[LAST]) + 1])
        yield _block(held, np.array([0]), end, position, extra, limit)


def _block(
    data: bytes, starts: State, ends: State, position: int, extra: int, limit: int
) -> Records:
    sizes = ends - starts
    sizes[0] += extra
    too_long = {int(i): int(sizes[i]) for i in np.flatnonzero(sizes > limit)}
    return Records(data, starts, ends, position - len(data), too_long)
