"""Word-level differences between two texts, for reading side by side, at a bounded cost.

A text becomes words and marks, blanks are shown but not compared; scripts written without spaces
are compared letter by letter. What both texts share stays plain, long
shared runs are folded, and texts that differ beyond the bound are marked as one block.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

# A word or, in Thai to Myanmar, Japanese and Han, one letter; then any other single character.
_TOKEN = re.compile(r"[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|\w+|[^\w\s]")
_MAX_TOKENS = 2000  # compared after the common beginning and end; 15 ms a pair at worst on one core
_MAX_CHARS = 12_000  # looked at, from a little before the first difference
_LEAD_CHARS = 400
_CONTEXT = 40  # shared words shown on either side of a difference


@dataclass(frozen=True)
class Piece:
    """A stretch of one text: shared with the other, found `only` here, or left out of the page."""

    kind: Literal["same", "only", "folded"]
    text: str


def word_differences(left: str, right: str) -> tuple[list[Piece], list[Piece]]:
    """Split two texts into pieces that say what each has and the other lacks.

    Words are compared exactly; blanks between them are not compared. The pieces of one side join to
    its text, but for what a `folded` piece stands for: a long shared beginning, the middle of a
    shared run of more than 100 words, or what lies behind the first 12,000 characters compared.
    """
    start = _window_start(left, right)
    end = start + _MAX_CHARS
    a, b = _tokens(left[start:end]), _tokens(right[start:end])
    words_a, words_b = [w for w, _ in a], [w for w, _ in b]
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for pieces in sides if start else ():
        pieces.append(Piece("folded", f"{start:,} characters the same"))
    for same, i1, i2, j1, j2 in _blocks(words_a, words_b):
        _append(sides[0], a[i1:i2], same)
        _append(sides[1], b[j1:j2], same)
    for pieces, text in zip(sides, (left, right), strict=True):
        if len(text) > end:
            pieces.append(Piece("folded", f"{len(text) - end:,} more characters, not compared"))
    return sides


def _window_start(left: str, right: str) -> int:
    """Find a place shortly before the first difference; 0 when it is near the beginning anyway."""
    low, high = 0, min(len(left), len(right))
    while low < high:  # the longest common beginning, by bisection: slices compare at memory speed
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    if low <= 5 * _LEAD_CHARS:
        return 0
    start = low - _LEAD_CHARS
    blank = left.find(" ", start, low)
    return blank + 1 if blank >= 0 else start


def _tokens(text: str) -> list[tuple[str, str]]:
    """Cut a text into (word, word and the blanks after it); leading blanks go with the first."""
    places = [match.span() for match in _TOKEN.finditer(text)]
    if not places:
        return [("", text)] if text else []
    starts = [0, *(start for start, _ in places[1:])]
    ends = [*starts[1:], len(text)]
    return [
        (text[word[0] : word[1]], text[start:end])
        for word, start, end in zip(places, starts, ends, strict=True)
    ]


def _blocks(a: Sequence[str], b: Sequence[str]) -> list[tuple[bool, int, int, int, int]]:
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    room = shorter - head
    tail = next((i for i in range(room) if a[-1 - i] != b[-1 - i]), room)
    end_a, end_b = len(a) - tail, len(b) - tail
    blocks = [(True, 0, head, 0, head)]
    if max(end_a, end_b) - head > _MAX_TOKENS:
        blocks.append((False, head, end_a, head, end_b))
    else:
        # autojunk keeps words that stand in more than 1 % of the places from seeding a match, which
        # bounds the work on repetitive texts; they still extend one.
        matcher = SequenceMatcher(None, a[head:end_a], b[head:end_b], autojunk=True)
        blocks += [
            (tag == "equal", head + i1, head + i2, head + j1, head + j2)
            for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        ]
    return [*blocks, (True, end_a, len(a), end_b, len(b))]


def _append(pieces: list[Piece], tokens: list[tuple[str, str]], same: bool) -> None:
    if not tokens:
        return
    if same and len(tokens) > 2 * _CONTEXT + 20:
        folded = len(tokens) - 2 * _CONTEXT
        pieces.append(Piece("same", "".join(text for _, text in tokens[:_CONTEXT])))
        pieces.append(Piece("folded", f"{folded:,} words the same"))
        pieces.append(Piece("same", "".join(text for _, text in tokens[-_CONTEXT:])))
        return
    text = "".join(text for _, text in tokens)
    if same:
        pieces.append(Piece("same", text))
        return
    marked = (
        text.rstrip()
    )  # a mark on the blank before the next word would look like a change of it
    if marked:
        pieces.append(Piece("only", marked))
    if len(marked) < len(text):
        pieces.append(Piece("same", text[len(marked) :]))


def cut_pieces(pieces: list[Piece], max_chars: int) -> list[Piece]:
    """Keep the pieces up to `max_chars` characters; the rest becomes one `folded` piece."""
    left_out = sum(len(piece.text) for piece in pieces) - max_chars
    if left_out <= 0:
        return pieces
    kept: list[Piece] = []
    for piece in pieces:
        kept.append(Piece(piece.kind, piece.text[:max_chars]))
        max_chars -= len(kept[-1].text)
        if max_chars == 0:
            break
    return [*kept, Piece("folded", f"{left_out:,} more characters")]
