"""What a training text and a test item share, word for word, as the search compares words.

Words are those of `thresher.leaks.reference`: 1,000 is 1000, `**Bold**` is bold. Runs of shared
words are marked in both texts as they are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from thresher.leaks.reference import tokens
from thresher.report.diff import Piece

_LEAST_WORDS = 2  # one shared word between others says nothing; one that is a whole text does


def shared_spans(train: str, item: str, *, code: bool = False) -> tuple[list[Piece], list[Piece]]:
    """Split two texts into pieces that are shared (`same`) or stand in one only (`only`).

    The pieces of a side join to its text.
    """
    left, right = tokens(train, code=code), tokens(item, code=code)
    # autojunk keeps words that stand everywhere in a long text from seeding a run, which bounds the
    # work; they still extend one.
    matcher = SequenceMatcher(None, [t[0] for t in left], [t[0] for t in right], autojunk=True)
    least = min(_LEAST_WORDS, len(left), len(right))
    blocks = [block for block in matcher.get_matching_blocks() if block.size >= max(least, 1)]
    return (
        _pieces(train, [(left[b.a][1], left[b.a + b.size - 1][2]) for b in blocks]),
        _pieces(item, [(right[b.b][1], right[b.b + b.size - 1][2]) for b in blocks]),
    )


def _pieces(text: str, spans: Sequence[tuple[int, int]]) -> list[Piece]:
    """Cut a text at spans of its bytes."""
    data = text.encode()
    found, before = [], 0
    for start, stop in spans:
        found += [
            Piece("only", data[before:start].decode()),
            Piece("same", data[start:stop].decode()),
        ]
        before = stop
    found.append(Piece("only", data[before:].decode()))
    return [piece for piece in found if piece.text]
