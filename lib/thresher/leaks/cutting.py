"""Cut matched spans out of long texts.

The rule of GPT-3 (Brown et al. 2020, appendix C): what matched goes with 200 characters on each
side; a piece of fewer than 200 characters goes too, and so does a text of which nothing stays or
that falls into more than 10 pieces. Characters are code points of the original text; a place is a
byte of its UTF-8, never inside a code point.

A search names one place of an item in a text, so an item may stand in it again: pieces are searched
until nothing is found in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from thresher.params import Params

Column = np.ndarray[Any, Any]
Span = tuple[int, int]  # bytes of a text
Search = Callable[[list[bytes]], Iterable[tuple[int, Span]]]
# A search finds one place of an item in each piece, so so many find any item that stands in more
# places than a row may have pieces, and bound the work on a text that repeats one without end.
MOST_SEARCHES = 10
_LONGEST = 4  # bytes of a code point
_CONTINUES, _MARK = 0x80, 0xC0

NOTHING_LEFT = "no piece is long enough"
IN_PIECES = "too many pieces"
STILL_FOUND = "it stands there too often to be cut out"


class CutRule(Params):
    """What is cut around a match, and when the row goes as a whole."""

    margin: int = Field(200, ge=0, description="Characters cut on each side of a match.")
    least_piece: int = Field(200, ge=1, description="A piece of fewer characters goes too.")
    most_pieces: int = Field(10, ge=1, description="A row of more pieces than this is removed.")


class Cut(NamedTuple):
    """What stays of a text: its pieces in order, or none and why."""

    pieces: list[Span]
    why: str | None = None


def cut_texts(
    texts: Sequence[bytes], spans: Sequence[Iterable[Span]], rule: CutRule, search: Search
) -> list[Cut]:
    """Cut texts until a search finds nothing in any piece.

    Args:
        texts: UTF-8.
        spans: What is known to be in each.
        rule: How to cut.
        search: Given texts, yields the number of a text and a span of it, for every match.
    """
    known = [set(mine) for mine in spans]
    clean: list[set[Span]] = [set() for _ in texts]
    made: list[Cut] = [Cut([])] * len(texts)
    left = list(range(len(texts)))
    for _ in range(MOST_SEARCHES):
        asked: list[tuple[int, Span]] = []
        for row in left:
            made[row] = cut_once(texts[row], known[row], rule)
            asked += [(row, piece) for piece in made[row].pieces if piece not in clean[row]]
        pieces = [texts[row][start:stop] for row, (start, stop) in asked]
        hits = list(search(pieces)) if pieces else []
        found = {number for number, _ in hits}
        for number, (row, piece) in enumerate(asked):
            if number not in found:
                clean[row].add(piece)
        for number, (start, stop) in hits:
            row, (base, _) = asked[number]
            known[row].add((base + start, base + stop))
        left = sorted({asked[number][0] for number in found})
        if not left:
            return made
    for row in left:
        made[row] = Cut([], STILL_FOUND)
    return made


def cut_once(text: bytes, spans: Iterable[Span], rule: CutRule) -> Cut:
    """Cut spans out of one text."""
    pieces: list[Span] = []
    last = 0
    for start, stop in sorted(spans):
        low, high = back(text, start, rule.margin), forth(text, stop, rule.margin)
        if low > last:
            pieces.append((last, low))
        last = max(last, high)
    if last < len(text):
        pieces.append((last, len(text)))
    pieces = [piece for piece in pieces if _is_long(text, piece, rule.least_piece)]
    if not pieces:
        return Cut([], NOTHING_LEFT)
    return Cut([], IN_PIECES) if len(pieces) > rule.most_pieces else Cut(pieces)


def gaps(length: int, pieces: Iterable[Span]) -> list[Span]:
    """Return what lies between pieces of a text of some bytes, in order."""
    ends = [0, *(end for piece in pieces for end in piece), length]
    spans = zip(ends[::2], ends[1::2], strict=True)
    return [(start, stop) for start, stop in spans if stop > start]


def back(text: bytes, at: int, count: int) -> int:
    """Return the place some characters before a place, or the beginning."""
    while 0 < at < len(text) and text[at] & _MARK == _CONTINUES:
        at -= 1
    low = max(0, at - _LONGEST * count)
    begins = _begins(text[low:at])
    return low + int(begins[-count]) if 0 < count <= len(begins) else (low if count else at)


def forth(text: bytes, at: int, count: int) -> int:
    """Return the place some characters behind a place, or the end."""
    while at < len(text) and text[at] & _MARK == _CONTINUES:
        at += 1
    begins = _begins(text[at : at + _LONGEST * count + 1])
    return at + int(begins[count]) if count < len(begins) else len(text)


def _is_long(text: bytes, piece: Span, least: int) -> bool:
    start, stop = piece
    return stop - start >= _LONGEST * least or len(_begins(text[start:stop])) >= least


def _begins(text: bytes) -> Column:
    """Return where code points begin."""
    begins: Column = np.flatnonzero(np.frombuffer(text, np.uint8) & _MARK != _CONTINUES)
    return begins
