"""Build the shipped table of character kinds from the Unicode Character Database.

Run as `python -m thresher.signals.build_characters` by a developer who moves Thresher to another
Unicode version; it needs `unicodedata2` and `regex` of that version, which users never do. What it
writes, `characters18.npz`, is derived from the Unicode Character Database, (c) Unicode, Inc., under
the Unicode License v3 (https://www.unicode.org/license.txt).
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import regex  # type: ignore[import-untyped,import-not-found,unused-ignore]
import unicodedata2

from thresher.signals import characters as c
from thresher.text.build_tables import run_starts
from thresher.text.tables import NUM_CODE_POINTS, UNICODE_VERSION

_CJK: Any = regex.compile(
    r"\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Script=Bopomofo}"
)
_TERMINAL: Any = regex.compile(r"\p{Sentence_Terminal}")


def kind(char: str) -> int:
    """Return the flags of one character."""
    category = unicodedata2.category(char)
    flags = c.SPACE if char.isspace() else 0
    flags |= c.LETTER if category[0] == "L" else 0
    flags |= c.UPPER if category == "Lu" else 0
    flags |= c.CASED if category in ("Lu", "Ll", "Lt") else 0
    flags |= c.DIGIT if category == "Nd" else 0
    flags |= c.NUMBER if category[0] == "N" else 0
    flags |= c.MARK if category[0] == "M" else 0
    flags |= c.PUNCTUATION if category[0] == "P" or char in string.punctuation else 0
    flags |= c.CJK if _CJK.match(char) else 0
    flags |= c.TERMINAL if _TERMINAL.match(char) else 0
    flags |= c.CONTROL if category == "Cc" else 0
    return flags


def main() -> None:
    """Write the data file next to this module."""
    assert unicodedata2.unidata_version == UNICODE_VERSION
    kinds = np.zeros(NUM_CODE_POINTS, np.uint16)
    for code_point in range(NUM_CODE_POINTS):
        if not 0xD800 <= code_point < 0xE000:
            kinds[code_point] = kind(chr(code_point))
    starts = run_starts(kinds)
    path = Path(__file__).with_name(c.DATA_FILE)
    np.savez_compressed(path, starts=starts, values=kinds[starts])
    print(f"{path.name}: {path.stat().st_size} bytes, Unicode {UNICODE_VERSION}")


if __name__ == "__main__":
    main()
