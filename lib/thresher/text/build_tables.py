"""Build the shipped Unicode tables from the Unicode Character Database.

Run as `python -m thresher.text.build_tables` by a developer who moves Thresher to another Unicode
version; it needs `unicodedata2` and `fonttools` of that version, which users never do. What it
writes, `unicode18.npz`, is derived from the Unicode Character Database, (c) Unicode, Inc., under
the Unicode License v3 (https://www.unicode.org/license.txt).

Lower case is not in `unicodedata2`. Characters known to this Python's own (older) `str.lower` take
that mapping, which the Unicode stability policy fixes; for the 75 capitals added since, the
mapping is the letter of the same name with SMALL for CAPITAL (checked against the case folding of
the `regex` package, Unicode 18.0: all agree, 2026-11).
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import unicodedata2
from fontTools.unicodedata import script

from thresher.text.tables import (
    BLOCKS_BACK,
    CLASS_EXTEND,
    CLASS_RUN,
    CLASS_SEP,
    CLASS_UNSPACED,
    COMPOSITE,
    DATA_FILE,
    HAS_LOWER,
    JOINS_BACK,
    NOT_NFC,
    NUM_CODE_POINTS,
    UNICODE_VERSION,
)

UNSPACED_SCRIPTS = frozenset({"Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr"})
SURROGATES = range(0xD800, 0xE000)
HANGUL_SYLLABLES = range(0xAC00, 0xAC00 + 11172)


def word_class(code_point: int) -> int:
    """Return the class of a code point in the tokeniser's state machine."""
    char = chr(code_point)
    category = unicodedata2.category(char)
    if category[0] == "M" or category == "Lm":
        return CLASS_EXTEND
    if category == "Lo" and script(char) in UNSPACED_SCRIPTS:
        return CLASS_UNSPACED
    if category[0] in "LN" or char == "_":
        return CLASS_RUN
    return CLASS_SEP


def lower(char: str) -> str:
    """Return the full lower-case mapping of one character, without context."""
    mapped = char.lower()
    if mapped != char or unicodedata2.category(char) not in ("Lu", "Lt"):
        return mapped
    try:
        small: str = unicodedata2.lookup(
            unicodedata2.name(char, "").replace("CAPITAL LETTER", "SMALL LETTER")
        )
    except KeyError:
        return char
    known = unicodedata.category(char) != "Cn" and unicodedata.category(small) != "Cn"
    return char if known else small


def canonical_pair(code_point: int) -> tuple[int, ...]:
    """Return the canonical decomposition of one step, or an empty tuple."""
    mapping = unicodedata2.decomposition(chr(code_point))
    if not mapping or mapping.startswith("<"):
        return ()
    return tuple(int(part, 16) for part in mapping.split())


def build() -> dict[str, np.ndarray]:
    """Compute every table; see `thresher.text.tables` for their meaning."""
    assert unicodedata2.unidata_version == UNICODE_VERSION
    scalars = [c for c in range(NUM_CODE_POINTS) if c not in SURROGATES]
    info = np.zeros(NUM_CODE_POINTS, np.uint8)
    combining = np.zeros(NUM_CODE_POINTS, np.uint8)
    lower_from, lower_to, decompositions, pairs = [], [], {}, {}
    for c in scalars:
        char = chr(c)
        info[c] = word_class(c)
        combining[c] = unicodedata2.combining(char)
        mapped = lower(char)
        if mapped != char and c != 0x130:
            assert word_class(ord(mapped)) == info[c], hex(c)
            lower_from.append(c)
            lower_to.append(ord(mapped))
        step = canonical_pair(c)
        if step and c not in HANGUL_SYLLABLES:
            full = unicodedata2.normalize("NFD", char)
            decompositions[c] = [ord(part) for part in full]
            if unicodedata2.normalize("NFC", char) == char:
                assert len(step) == 2
                pairs[step] = c
    seconds = (
        {second for _, second in pairs} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    )
    info[lower_from] |= HAS_LOWER
    info[0x130] |= HAS_LOWER
    for c in scalars:
        char = chr(c)
        first = ord(unicodedata2.normalize("NFD", char)[0])
        if unicodedata2.normalize("NFC", char) != char:
            info[c] |= NOT_NFC
        if first in seconds:
            info[c] |= JOINS_BACK
        if combining[c] or combining[first]:
            info[c] |= BLOCKS_BACK
        if c in decompositions or c in HANGUL_SYLLABLES:
            info[c] |= COMPOSITE
    flat = [len(parts) for parts in decompositions.values()]
    ordered = sorted((first << 21 | second, c) for (first, second), c in pairs.items())
    return {
        "info_starts": (starts := run_starts(info)),
        "info_values": info[starts],
        "combining_starts": (starts := run_starts(combining)),
        "combining_values": combining[starts],
        "lower_from": np.array(lower_from, np.int32),
        "lower_to": np.array(lower_to, np.int32),
        "decomposed": np.array(list(decompositions), np.int32),
        "decomposition_lengths": np.array(flat, np.uint8),
        "decomposition_parts": np.array(
            [part for parts in decompositions.values() for part in parts], np.int32
        ),
        "pair_keys": np.array([key for key, _ in ordered], np.int64),
        "pair_values": np.array([value for _, value in ordered], np.int32),
    }


def run_starts(values: np.ndarray) -> np.ndarray:
    """Return the positions at which runs of equal values begin."""
    changes = np.flatnonzero(np.diff(values)) + 1
    return np.concatenate([[0], changes]).astype(np.int32)


def main() -> None:
    """Write the data file next to this module."""
    path = Path(__file__).with_name(DATA_FILE)
    tables: dict[str, Any] = build()
    np.savez_compressed(path, **tables)
    print(f"{path.name}: {path.stat().st_size} bytes, Unicode {UNICODE_VERSION}")


if __name__ == "__main__":
    main()
