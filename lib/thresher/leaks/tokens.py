"""Tokens of Arrow text: what is compared when test items are looked for.

Every result equals `thresher.leaks.reference` on every input and does not depend on how texts are
batched. Calls release the GIL, keep no state and allocate their own scratch.

Shapes: R rows, T tokens.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.formats.arrays import nulls, strings
from thresher.leaks import room as r
from thresher.leaks.ascii_words import (
    SPACE,
    close_words,
    emit_unusual_words,
    emit_words,
    find_words,
)
from thresher.leaks.folded_words import emit_region, fold_region
from thresher.leaks.reference import token_hash
from thresher.text.kernel import kernel
from thresher.text.machine import i64_at, set_i64, u8_at
from thresher.text.scratch import address
from thresher.text.tables import UNICODE_VERSION

__all__ = ["VERSION", "Tokens", "token_hash", "tokenise"]

VERSION = f"1, Unicode {UNICODE_VERSION}"  # of the normalisation: other versions, other tokens
_BYTES_PER_TOKEN = 4  # a guess: English has 5.7, and scripts without spaces 3


class Tokens(NamedTuple):
    """The tokens of every row, one after the other.

    Attributes:
        offsets: (R + 1,) int64: those of row r lie between offsets r and r + 1.
        hashes: (T,) uint64: hash of the normalised token.
        starts: (T,) int64: its first byte in the row's text as it was given.
        stops: (T,) int64: one past its last byte.
    """

    offsets: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]


def tokenise(texts: pa.Array, *, code: bool = False, fold_digits: bool = False) -> Tokens:
    """Return the tokens of every text of a string array; a null has none.

    Args:
        texts: Strings (plain or large, sliced, with nulls). Bytes that are not UTF-8 part words.
        code: Whether to read them as source code.
        fold_digits: Whether each run of digits counts as one 0.
    """
    wide = strings(texts)
    starts, ends = _bounds(wide)
    rows, data = _rows(wide, starts, ends)
    options = r.Options(int(code), int(fold_digits))
    tables = r.table_addresses()
    offsets = np.zeros(len(wide) + 1, np.int64)
    chunk, folded = r.CHUNK, r.FOLDED
    room = r.make_room(chunk, folded)
    found = _columns(int((ends - starts).sum()) // _BYTES_PER_TOKEN + len(wide) + r.FOLDED)
    state = np.zeros(r.STATE_SIZE, np.int64)
    while True:
        outputs = r.Outputs(address(offsets), len(found[0]), *map(address, found))
        _tokenise(tables.addresses, options, room.addresses, outputs, rows, address(state))
        if state[r.STATUS] == r.DONE:
            break
        if state[r.STATUS] == r.NEED_TOKENS:
            found = _grown(found, int(state[r.COUNT]))
            continue
        chunk *= r.GROWTH if state[r.STATUS] == r.NEED_CHUNK else 1
        folded *= r.GROWTH if state[r.STATUS] == r.NEED_FOLDED else 1
        room = r.make_room(chunk, folded)
    del data
    count = int(state[r.COUNT])
    return Tokens(offsets, found[0][:count], found[1][:count], found[2][:count])


_Columns = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _columns(size: int) -> _Columns:
    return np.empty(size, np.uint64), np.empty(size, np.int64), np.empty(size, np.int64)


def _grown(found: _Columns, count: int) -> _Columns:
    larger = _columns(2 * len(found[0]))
    for old, new in zip(found, larger, strict=True):
        new[:count] = old[:count]
    return larger


def _bounds(wide: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    offsets = np.zeros(len(wide) + 1, np.int64)
    if len(wide) and wide.buffers()[1] is not None:
        offsets = np.frombuffer(wide.buffers()[1], np.int64, len(wide) + 1, wide.offset * 8)
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    missing = nulls(wide)
    ends[missing] = starts[missing]
    return starts, ends


def _rows(wide: pa.Array, starts: Any, ends: Any) -> tuple[r.Rows, Any]:
    data = wide.buffers()[2]
    place, size = (data.address, data.size) if data is not None else (0, 0)
    return r.Rows(place, size, address(starts), address(ends), len(starts)), data


@kernel
def _tokenise(tables: Any, options: Any, room: Any, outputs: Any, rows: Any, state: Any) -> None:
    """Go on from where `state` says, until all rows are done or room is lacking."""
    row, at, count = i64_at(state, r.ROW), i64_at(state, r.POSITION), i64_at(state, r.COUNT)
    status = np.int64(r.DONE)
    while row < rows.num_rows and status == r.DONE:
        start = i64_at(rows.starts, row)
        source, length = rows.data + start, i64_at(rows.ends, row) - start
        at, count, status = _tokenise_row(
            tables, options, room, outputs, source, length, rows.size - start, at, count
        )
        if status == r.DONE:
            row, at = row + 1, np.int64(0)
            set_i64(outputs.offsets, row, count)
    set_i64(state, r.ROW, row)
    set_i64(state, r.POSITION, at)
    set_i64(state, r.COUNT, count)
    set_i64(state, r.STATUS, status)


@kernel
def _tokenise_row(
    tables: Any,
    options: Any,
    room: Any,
    outputs: Any,
    source: Any,
    length: Any,
    readable: Any,
    at: Any,
    count: Any,
) -> Any:
    """Tokenise a row from `at`, behind white space; return where it stopped, tokens and status."""
    size = np.int64(r.CHUNK)
    while at < length:
        end = min(at + size, length)
        stop, foreign, num_edges, num_holes, unusual = find_words(
            tables, options, room, source, at, end, length, readable
        )
        cut = stop
        while cut > at and stop < length and u8_at(source, cut - 1) > SPACE:
            cut -= 1
        if cut == at and not foreign:
            if size == room.chunk:
                return at, count, np.int64(r.NEED_CHUNK)
            size = min(2 * size, room.chunk)
            continue
        num_edges = close_words(room, num_edges, cut - at)
        num_words = num_edges >> 1
        if count + num_words > outputs.capacity:
            return at, count, np.int64(r.NEED_TOKENS)
        if unusual or options.fold_digits:
            count = emit_unusual_words(
                tables, options, room, outputs, source, at, num_words, num_holes, count
            )
        else:
            emit_words(tables, room, outputs, at, num_words, count)
            count += num_words
        at = cut
        size = np.int64(r.CHUNK)
        if not foreign:
            continue
        num_points, region_end = fold_region(tables, room, source, at, stop, length)
        if num_points < 0:
            return at, count, np.int64(r.NEED_FOLDED)
        if count + num_points > outputs.capacity:
            return at, count, np.int64(r.NEED_TOKENS)
        count = emit_region(tables, options, room, outputs, num_points, count)
        at = region_end
    return at, count, np.int64(r.DONE)
