"""What the tokeniser's kernels work on: tables, options, scratch and outputs, as plain addresses.

Scratch is small at first; a kernel that needs more says so and is called again with more, at the
place where it stopped.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thresher.leaks.blocks import BLOCK
from thresher.leaks.folding import load_folding
from thresher.leaks.reference import COMMANDS
from thresher.text.digests import KEEP
from thresher.text.scratch import Held, address
from thresher.text.tables import load_tables

CHUNK = 4096  # bytes of ASCII a step: its scratch stays in the first-level cache
PADDING = BLOCK + 16  # bytes that steps may write, and hashes read, behind a text
FOLDED = 8192  # characters of a region at first
LONGEST_EXPANSION = 20  # characters that one becomes, at most
GROWTH = 4  # times as much scratch, whenever it is too little

# Fields of the state array, kept from call to call, and what a call ends with.
ROW, POSITION, COUNT, STATUS, STATE_SIZE = range(5)
DONE, NEED_CHUNK, NEED_FOLDED, NEED_TOKENS = range(4)


class Rows(NamedTuple):
    """Texts in one buffer: row i is the bytes from `starts[i]` to `ends[i]`."""

    data: int
    size: int
    starts: int  # (num_rows,) int64
    ends: int  # (num_rows,) int64
    num_rows: int


class Options(NamedTuple):
    """What is read how."""

    code: int
    fold_digits: int


class Tables(NamedTuple):
    """Arrays of `thresher.leaks.folding.Folding` and `thresher.text.tables.Tables`, and commands.

    Those that `thresher.text.composition` reads have its names.
    """

    actions: int
    entries: int
    parts_start: int
    parts: int
    composed_start: int
    composed: int
    info: int
    combining: int
    pair_keys: int
    pair_values: int
    num_pairs: int
    commands: int  # (num_commands,) uint64: their letters
    num_commands: int
    keep: int  # `thresher.text.digests.KEEP`, its middle


class Room(NamedTuple):
    """Scratch of one call, private to its thread."""

    chunk: int  # bytes
    lowered: int  # (chunk + PADDING,) uint8: a chunk in lower case
    edges: int  # (chunk + BLOCK + 2,) int64: where words begin and end in it
    holes: int  # (chunk + 2, 2) int64: where what is deleted from words begins and ends
    tail: int  # (BLOCK,) uint8: copy of the last bytes of the buffer
    folded: int  # characters
    points: int  # (folded,) int32: a region's characters, folded; negative once deleted
    firsts: int  # (folded,) int64: where each begins in the row
    lasts: int  # (folded,) int64: where each ends
    classes: int  # (257,) int64: how many marks are of each combining class
    word: int  # (max(chunk, 4 * folded) + PADDING,) uint8: one token


class Outputs(NamedTuple):
    """Where tokens go."""

    offsets: int  # (num_rows + 1,) int64
    capacity: int
    hashes: int  # (capacity,) uint64
    starts: int  # (capacity,) int64
    stops: int  # (capacity,) int64


@cache
def table_addresses() -> Held[Tables]:
    """Return the addresses of everything that is only read."""
    folding, text = load_folding(), load_tables()
    letters = [int.from_bytes(command.encode(), "little") for command in sorted(COMMANDS)]
    commands = np.array(letters, np.uint64)
    keep = KEEP.copy()
    tables = Tables(
        actions=address(folding.actions),
        entries=address(folding.entries),
        parts_start=address(folding.parts_start),
        parts=address(folding.parts),
        composed_start=address(folding.composed_start),
        composed=address(folding.composed),
        info=address(text.info),
        combining=address(text.combining),
        pair_keys=address(text.pair_keys),
        pair_values=address(text.pair_values),
        num_pairs=len(text.pair_keys),
        commands=address(commands),
        num_commands=len(commands),
        keep=address(keep) + 16,
    )
    return Held(tables, (*folding, *text, commands, keep))


def make_room(chunk: int, folded: int) -> Held[Room]:
    """Allocate scratch for chunks of so many bytes and regions of so many characters."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "lowered": np.empty(chunk + PADDING, np.uint8),
        "edges": np.empty(chunk + BLOCK + 2, np.int64),
        "holes": np.empty(2 * (chunk + 2), np.int64),
        "tail": np.zeros(BLOCK, np.uint8),
        "points": np.empty(folded, np.int32),
        "firsts": np.empty(folded, np.int64),
        "lasts": np.empty(folded, np.int64),
        "classes": np.empty(257, np.int64),
        "word": np.zeros(max(chunk, 4 * folded) + PADDING, np.uint8),
    }
    places = {name: address(array) for name, array in arrays.items()}
    return Held(Room(chunk=chunk, folded=folded, **places), tuple(arrays.values()))
