"""What kind each character is: letter, digit, space and so on, by the tables shipped here.

One uint16 a code point: the word class of `thresher.text.tables` in the two low bits, and the flags
below. No result depends on the Unicode version of the Python that happens to run.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thresher.text.tables import CLASS_MASK, CLASS_RUN, CLASS_SEP, NUM_CODE_POINTS, load_tables

DATA_FILE = "characters18.npz"

SPACE = 1 << 2  # as str.isspace has it: what str.split parts at
LETTER = 1 << 3  # category L
UPPER = 1 << 4  # category Lu
CASED = 1 << 5  # categories Lu, Ll, Lt
DIGIT = 1 << 6  # category Nd
NUMBER = 1 << 7  # category N
MARK = 1 << 8  # category M
PUNCTUATION = 1 << 9  # category P, and all of ASCII's
CJK = 1 << 10  # scripts Han, Hiragana, Katakana, Hangul, Bopomofo
TERMINAL = 1 << 11  # property Sentence_Terminal, such as . ! ? and their like in other scripts
CONTROL = 1 << 12  # category Cc


@cache
def kinds(whitespace: bool) -> npt.NDArray[np.uint16]:
    """Return the kind of every code point.

    Args:
        whitespace: Words are what whitespace parts: every other character is of class RUN.
    """
    with np.load(Path(__file__).with_name(DATA_FILE)) as stored:
        data: dict[str, npt.NDArray[Any]] = dict(stored)
    lengths = np.diff(data["starts"], append=NUM_CODE_POINTS)
    flags = np.repeat(data["values"], lengths).astype(np.uint16)
    if whitespace:
        classes = np.where(flags & SPACE, CLASS_SEP, CLASS_RUN)
    else:
        classes = load_tables().info & CLASS_MASK
    return np.asarray(flags | classes.astype(np.uint16))
