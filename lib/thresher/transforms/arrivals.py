"""When rows came: the night in which their text was first seen, and first seen at their place.

A *ledger* has a line for every place that a text is at: the hash of the text, the place, the night
since when the text has been somewhere, and since when it has been there. Where two rows have the
same words, the one that came first stays, by text and then by place: a copy that comes later
changes nothing, whatever its source. Rows of other texts are ordered by the night of the text.

Shapes: R rows, L lines of a ledger.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.transforms.compiled import kernel

Column = np.ndarray[Any, Any]
_HALF = np.uint64(32)


class Ledger(NamedTuple):
    """What was there the night before, ordered so that lines of one text lie together, by place.

    Args:
        b0, b1: (L,) uint64, the 128-bit hash of the text.
        place: (L,) uint64, a hash of file and row number.
        text_night: (L,) uint32, equal for all lines of a text.
        place_night: (L,) uint32.
    """

    b0: Column
    b1: Column
    place: Column
    text_night: Column
    place_night: Column


class Found(NamedTuple):
    """What a ledger knows of rows.

    Args:
        arrived: (R,) uint64: the night of the text, and below it that of the place, 32 bits each.
        known: (R,) bool: the ledger has the row's text at its place.
        stands: (L,) bool: the line is that of a row.
    """

    arrived: Column
    known: Column
    stands: Column


def text_nights(arrived: Column) -> Column:
    """Return the nights of texts, uint32."""
    return (arrived >> _HALF).astype(np.uint32)


def place_nights(arrived: Column) -> Column:
    """Return the nights of places, uint32."""
    return arrived.astype(np.uint32)


@kernel
def _look_up(
    b0: Column,
    b1: Column,
    place: Column,
    text_night: Column,
    place_night: Column,
    slots: Column,
    row_b0: Column,
    row_b1: Column,
    row_place: Column,
    night: Any,
    arrived: Column,
    known: Column,
    stands: Column,
) -> None:
    mask = np.uint64(slots.shape[0] - 1)
    lines = b0.shape[0]
    for line in range(lines):
        if line > 0 and b0[line] == b0[line - 1] and b1[line] == b1[line - 1]:
            continue
        slot = b0[line] & mask
        while slots[np.int64(slot)] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[np.int64(slot)] = line
    for row in range(row_b0.shape[0]):
        slot = row_b0[row] & mask
        first = np.int64(slots[np.int64(slot)])
        while first >= 0 and not (b0[first] == row_b0[row] and b1[first] == row_b1[row]):
            slot = (slot + np.uint64(1)) & mask
            first = np.int64(slots[np.int64(slot)])
        if first < 0:
            arrived[row] = (np.uint64(night) << np.uint64(32)) | np.uint64(night)
            continue
        low = first
        step = np.int64(1)
        high = first + 1
        while high < lines and b0[high] == b0[first] and b1[high] == b1[first]:
            if place[high] > row_place[row]:
                break
            low = high
            high += step
            step *= 2
        high = min(high, lines)
        while high - low > 1:
            middle = (low + high) // 2
            same = b0[middle] == b0[first] and b1[middle] == b1[first]
            if same and place[middle] <= row_place[row]:
                low = middle
            else:
                high = middle
        here = np.uint64(night)
        if place[low] == row_place[row]:
            here = np.uint64(place_night[low])
            known[row] = True
            stands[low] = True
        arrived[row] = (np.uint64(text_night[first]) << np.uint64(32)) | here


def look_up(ledger: Ledger, b0: Column, b1: Column, place: Column, night: int) -> Found:
    """Look rows up.

    Args:
        ledger: Of the night before.
        b0, b1, place: (R,) uint64 of the rows; no two rows are at one place.
        night: What tonight's new texts and places get.
    """
    slots = np.full(1 << max(4, int(2 * len(ledger.b0)).bit_length()), -1, np.int64)
    found = Found(
        np.zeros(len(b0), np.uint64), np.zeros(len(b0), bool), np.zeros(len(ledger.b0), bool)
    )
    _look_up(*ledger, slots, b0, b1, place, night, *found)
    return found
