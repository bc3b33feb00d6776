"""What kernels work on, as plain addresses: rows, tables, scratch and outputs.

Each tuple of addresses is valid while the arrays it was made from live; `Held` keeps them together.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from thresher.text import lexer as x
from thresher.text.digests import KEEP
from thresher.text.tables import load_tables

Addresses = TypeVar("Addresses")
NUM_SUMS = 3
MIXED_STEP = 32  # shingles are mixed in whole vector steps, the last with slack


class TableAddresses(NamedTuple):
    """The arrays of `thresher.text.tables.Tables`."""

    info: int
    combining: int
    lower: int
    decomposition: int
    parts_start: int
    parts: int
    pair_keys: int
    pair_values: int
    num_pairs: int


class Work(NamedTuple):
    """Scratch of one call, private to its thread; zero where a call does without."""

    state: int  # (STATE_SIZE,) int64
    sums: int  # (NUM_SUMS,) uint64: rolling shingle, two sequence sums
    tail: int  # (BLOCK,) uint8: copy of the last bytes of the buffer
    edges: int  # (EDGES_ROOM,) int64
    hashes: int  # uint64: of the n words before the chunk, then of the chunk
    shingles: int  # uint64: of the chunk
    mixed: int  # uint32: the same, as the permutations take them
    minima: int  # uint32: the row's signature, padded
    lowered: int  # uint8: the row in lower case
    composed: int  # uint8: the row in NFC, where it was not
    parts: int  # int32: a segment in decomposition
    sorting: int  # uint64: buckets and a copy of the row's shingles
    keep: int  # (32,) uint8: `thresher.text.digests.KEEP`


class Held(NamedTuple, Generic[Addresses]):
    """Addresses, and the arrays that must outlive them."""

    addresses: Addresses
    arrays: tuple[npt.NDArray[Any], ...]


@cache
def table_addresses() -> Held[TableAddresses]:
    """Return the addresses of the Unicode tables."""
    tables = load_tables()
    places = [*(address(array) for array in tables), len(tables.pair_keys)]
    return Held(TableAddresses._make(places), tuple(tables))


def make_work(
    n: int, longest: int, num_minima: int, *, composing: bool = False, sorting: bool = False
) -> Held[Work]:
    """Allocate scratch; large parts are reserved, and only touched as far as rows need them.

    Args:
        n: Words a shingle.
        longest: Bytes of the longest row.
        num_minima: Permutations, padded.
        composing: Whether rows may have to be brought into NFC, which can triple them.
        sorting: Whether the row's shingles are sorted.
    """
    num_words = x.EDGES_ROOM // 2
    text = 3 * longest + 4 if composing else longest
    arrays = (
        np.zeros(x.STATE_SIZE, np.int64),
        np.zeros(NUM_SUMS, np.uint64),
        np.zeros(x.BLOCK, np.uint8),
        np.zeros(x.EDGES_ROOM, np.int64),
        np.zeros(num_words + n, np.uint64),
        np.zeros(num_words + MIXED_STEP, np.uint64),
        np.zeros(num_words + MIXED_STEP, np.uint32),
        np.zeros(num_minima, np.uint32),
        np.empty(text + text // 2 + x.PADDING, np.uint8),
        np.empty(text + x.PADDING if composing else 0, np.uint8),
        np.empty(3 * longest + 8 if composing else 0, np.int32),
        np.empty(3 * (longest + 1) // 2 + 4 if sorting else 0, np.uint64),
        KEEP.copy(),
    )
    return Held(Work(*(address(array) for array in arrays)), arrays)


def address(array: npt.NDArray[Any]) -> int:
    """Return where the elements of a contiguous array begin; 0 for an empty one."""
    assert array.flags.c_contiguous
    return int(array.ctypes.data) if array.size else 0
