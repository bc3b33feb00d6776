r"""The final answer of a text, where it is marked: `\boxed{...}`, `#### ...`, "the answer is ...".

Only texts with such a mark are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import truth

MARKED = r"(?i)\\boxed\s*\{|####[^\n]*\s*$|\banswer is\b|^answer:|\nanswer:"
_SAID = re.compile(r"(?i)(?:\banswer is\b|^answer)[ \t]*:?[ \t]*([^\n]*)", re.MULTILINE)
_NOISE = re.compile(r"[\s$*,]|\\[!,;()\[\]]|\\text\b|\\(?:left|right|d?frac(?=\{))")
_LONGEST = 200  # characters: what is longer is a sentence, not an answer


def same_finals(left: pa.Array, right: pa.Array) -> pa.Array:
    """Tell which pairs of texts give the same final answer; null where one does not mark it."""
    marked = truth(pc.match_substring_regex(left, MARKED))
    marked[marked] = truth(pc.match_substring_regex(right.filter(pa.array(marked)), MARKED))
    same: list[bool | None] = [None] * len(left)
    for row in np.flatnonzero(marked).tolist():
        mine, theirs = final_answer(left[row].as_py()), final_answer(right[row].as_py())
        if mine is not None and theirs is not None:
            same[row] = mine == theirs
    return pa.array(same, pa.bool_())


def final_answer(text: str) -> str | None:
    """Return the last marked answer of a text without blanks and type setting; None for none."""
    readers: tuple[Callable[[str], str | None], ...] = (_boxed, _hashed, _said)
    for read in readers:
        found = read(text)
        if found is not None:
            plain = _NOISE.sub("", found).rstrip(".").casefold()
            return plain if 0 < len(plain) <= _LONGEST else None
    return None


def _boxed(text: str) -> str | None:
    start = text.rfind("\\boxed")
    if start < 0:
        return None
    begin = text.find("{", start)
    if begin < 0:
        return None
    depth = 0
    for place in range(begin, min(len(text), begin + 10 * _LONGEST)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[begin + 1 : place]
    return None


def _hashed(text: str) -> str | None:
    """Return what follows `####` on the last line, as GSM8K writes it; a heading is none."""
    last = text.rstrip().rsplit("\n", 1)[-1]
    return last[4:] if last.startswith("####") else None


def _said(text: str) -> str | None:
    """Return what follows the last "answer is", to the end of its sentence."""
    found = _SAID.findall(text)
    return re.split(r"[.!?](?:\s|$)", found[-1], maxsplit=1)[0] if found else None
