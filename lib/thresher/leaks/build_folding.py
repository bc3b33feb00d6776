"""Build the shipped folding table from the Unicode Character Database.

Run as `python -m thresher.leaks.build_folding` by a developer who moves Thresher to another Unicode
version, after `thresher.text.build_tables`; it needs `unicodedata2` and `regex` of that version,
which users never do. What it writes, `folding18.npz`, is derived from the Unicode Character
Database, (c) Unicode, Inc., under the Unicode License v3 (https://www.unicode.org/license.txt).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import regex  # type: ignore[import-untyped]
import unicodedata2

from thresher.leaks.folding import APOSTROPHES, DATA_FILE
from thresher.text.tables import NUM_CODE_POINTS, UNICODE_VERSION, load_tables

_IGNORABLE: Any = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_FRACTION_SLASH = "\u2044"


def fold(char: str) -> str:
    """Return what a character folds to, decomposed."""
    parts: str = unicodedata2.normalize("NFKD", char)
    if char not in APOSTROPHES and parts[0] == " ":
        return " "
    apart = " " if _FRACTION_SLASH in parts and char != _FRACTION_SLASH else ""
    return apart + "".join(_fold_part(part) for part in (char if char in APOSTROPHES else parts))


def _fold_part(part: str) -> str:
    if part in APOSTROPHES:
        return "'"
    if _IGNORABLE.match(part):
        return ""
    digit = unicodedata2.decimal(part, None)
    return chr(load_tables().lower[ord(part)]) if digit is None else str(digit)


def main() -> None:
    """Write the data file next to this module."""
    assert unicodedata2.unidata_version == UNICODE_VERSION
    folds = {}
    for code_point in range(NUM_CODE_POINTS):
        if not (0xD800 <= code_point < 0xE000 or 0xAC00 <= code_point < 0xD7A4):
            char = chr(code_point)
            if fold(char) != char:
                folds[code_point] = fold(char)
    assert not any(ord(part) in folds for parts in folds.values() for part in parts)
    composed = [unicodedata2.normalize("NFC", parts) for parts in folds.values()]
    path = Path(__file__).with_name(DATA_FILE)
    np.savez_compressed(
        path,
        folded=np.array(list(folds), np.int32),
        part_lengths=np.array([len(parts) for parts in folds.values()], np.uint8),
        parts=_code_points("".join(folds.values())),
        composed_lengths=np.array([len(parts) for parts in composed], np.uint8),
        composed=_code_points("".join(composed)),
    )
    print(f"{path.name}: {path.stat().st_size} bytes, Unicode {UNICODE_VERSION}")


def _code_points(text: str) -> np.ndarray:
    return np.array([ord(char) for char in text], np.int32)


if __name__ == "__main__":
    main()
