"""The shipped Unicode tables: word classes, lower case and canonical composition of one Unicode
version.

Loaded once from a data file that `build_tables` wrote, so that no result depends on the Unicode
version of the Python that happens to run. The kernels read the flat arrays; the plain reference
reads the same ones.

Classes drive the tokeniser: SEP ends a word; RUN continues an ordinary word or starts one;
UNSPACED (Lo in scripts written without spaces) always starts a new word; EXTEND (marks and
modifier letters) continues a word of either kind.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

UNICODE_VERSION = "18.0.0"
DATA_FILE = "unicode18.npz"
NUM_CODE_POINTS = 0x110000

CLASS_SEP = 0
CLASS_RUN = 1
CLASS_UNSPACED = 2
CLASS_EXTEND = 3
CLASS_MASK = 3
HAS_LOWER = 4  # lower case differs
NOT_NFC = 8  # never occurs in NFC
JOINS_BACK = 16  # its first part may compose with a character before it
BLOCKS_BACK = 32  # it or its first part has a combining class
COMPOSITE = 64  # has a canonical decomposition
NFC_MASK = NOT_NFC | JOINS_BACK | BLOCKS_BACK

DOTTED_CAPITAL_I = 0x130  # the one character whose lower case is two: U+0069 U+0307
DOT_ABOVE = 0x307


class Tables(NamedTuple):
    """Flat arrays indexed by code point, and the sorted pairs that compose.

    Attributes:
        info: (1114112,) uint8: class in the two low bits, then the flags above.
        combining: (1114112,) uint8: canonical combining class.
        lower: (1114112,) int32: lower case; U+0130 maps to U+0069, its dot is the reader's
            business.
        decomposition: (1114112,) uint16: index into `parts_start`, 0 for none (Hangul syllables
            are arithmetic).
        parts_start: Where each full canonical decomposition begins in `parts`; one more entry than
            decompositions.
        parts: Code points of the decompositions.
        pair_keys: Sorted `first << 21 | second` of the pairs that compose.
        pair_values: What they compose to.
    """

    info: npt.NDArray[np.uint8]
    combining: npt.NDArray[np.uint8]
    lower: npt.NDArray[np.int32]
    decomposition: npt.NDArray[np.uint16]
    parts_start: npt.NDArray[np.int32]
    parts: npt.NDArray[np.int32]
    pair_keys: npt.NDArray[np.int64]
    pair_values: npt.NDArray[np.int32]


@cache
def load_tables() -> Tables:
    """Read the data file; about 5 ms and 9 MB, once a process."""
    with np.load(Path(__file__).with_name(DATA_FILE)) as data:
        stored: dict[str, npt.NDArray[Any]] = dict(data)
    lower = np.arange(NUM_CODE_POINTS, dtype=np.int32)
    lower[stored["lower_from"]] = stored["lower_to"]
    lower[DOTTED_CAPITAL_I] = ord("i")
    num_decomposed = len(stored["decomposed"])
    decomposition = np.zeros(NUM_CODE_POINTS, np.uint16)
    decomposition[stored["decomposed"]] = np.arange(1, num_decomposed + 1)
    lengths = stored["decomposition_lengths"].astype(np.int32)
    parts_start = np.concatenate([[0, 0], np.cumsum(lengths)]).astype(np.int32)
    return Tables(
        info=_expand(stored["info_starts"], stored["info_values"]),
        combining=_expand(stored["combining_starts"], stored["combining_values"]),
        lower=lower,
        decomposition=decomposition,
        parts_start=parts_start,
        parts=stored["decomposition_parts"],
        pair_keys=stored["pair_keys"],
        pair_values=stored["pair_values"],
    )


def _expand(starts: npt.NDArray[np.int32], values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    lengths = np.diff(starts, append=NUM_CODE_POINTS)
    return np.repeat(values, lengths)
