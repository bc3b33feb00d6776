"""The shipped table that folds characters before texts are compared, for one Unicode version.

Folding gives every character its compatibility decomposition in lower case, and the text is then
composed canonically: NFKC, lower case and NFKC again, in one step that changes nothing the second
time. Five kinds of character fold further, because texts that say the same differ in them:

* curly quotes, and what else is written for an apostrophe, become `'`;
* decimal digits of every script become those of ASCII;
* a vulgar fraction stands apart from what is before it: 2½ is 2 1⁄2, never 21⁄2;
* an accent that stands alone is a space, not a space and a mark;
* what shows nothing (Default_Ignorable_Code_Point: soft hyphens, zero-width characters, direction
  marks, variation selectors) is deleted.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thresher.text.tables import BLOCKS_BACK, JOINS_BACK, NUM_CODE_POINTS, load_tables

DATA_FILE = "folding18.npz"
APOSTROPHES = "\u2018\u2019\u201b\u02bb\u02bc\u00b4\u055a"

VALUE = (1 << 21) - 1  # of an action: what the character becomes, or the number of its expansion
JOINS = 1 << 24  # it may join, or change places with, what is before it
MANY = 1 << 25  # it becomes none or several


class Folding(NamedTuple):
    """Flat arrays indexed by code point, and the expansions that they number.

    Attributes:
        actions: (1114112,) int32: what a character becomes that nothing joins, and the flags above.
        entries: (1114112,) uint16: index into the starts, 0 for what folds to itself (Hangul
            syllables are arithmetic).
        parts_start: Where each decomposed expansion begins in `parts`.
        parts: Code points, decomposed and in lower case.
        composed_start: Where each expansion, composed, begins in `composed`.
        composed: Code points.
    """

    actions: npt.NDArray[np.int32]
    entries: npt.NDArray[np.uint16]
    parts_start: npt.NDArray[np.int32]
    parts: npt.NDArray[np.int32]
    composed_start: npt.NDArray[np.int32]
    composed: npt.NDArray[np.int32]


@cache
def load_folding() -> Folding:
    """Read the data file; about 10 ms and 7 MB, once a process."""
    with np.load(Path(__file__).with_name(DATA_FILE)) as data:
        stored: dict[str, npt.NDArray[Any]] = dict(data)
    folded, parts, composed = stored["folded"], stored["parts"], stored["composed"]
    parts_start = _starts(stored["part_lengths"])
    composed_start = _starts(stored["composed_lengths"])
    numbers = np.arange(1, len(folded) + 1)
    entries = np.zeros(NUM_CODE_POINTS, np.uint16)
    entries[folded] = numbers
    actions = np.arange(NUM_CODE_POINTS, dtype=np.int32)
    actions[folded] = np.where(
        np.diff(composed_start)[1:] == 1,
        np.append(composed, 0)[composed_start[1:-1]],
        numbers | MANY,
    )
    first = np.arange(NUM_CODE_POINTS)
    first[folded] = np.append(parts, 0)[parts_start[1:-1]]
    joins = (load_tables().info[first] & (JOINS_BACK | BLOCKS_BACK)) != 0
    joins[folded[np.diff(parts_start)[1:] == 0]] = True
    actions[joins] |= JOINS
    return Folding(actions, entries, parts_start, parts, composed_start, composed)


def _starts(lengths: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    return np.concatenate([[0, 0], np.cumsum(lengths, dtype=np.int32)]).astype(np.int32)
