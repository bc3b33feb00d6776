"""Texts of made-up words whose similarity is known by construction."""

from __future__ import annotations

from thresher.testing.corpus import lexicon

WORDS = [word for word in lexicon().words if word.isalpha()]


def sentence(start: int, num: int = 40) -> str:
    """Return so many words that no other start shares."""
    return " ".join(WORDS[start * 100 : start * 100 + num])


def with_tail(start: int, num: int, tail: int) -> str:
    """Return `num` words of one start and `tail` others."""
    return " ".join(
        [*WORDS[start * 100 : start * 100 + num], *WORDS[9000 + start : 9000 + start + tail]]
    )


BASE = sentence(1, 64)  # 60 shingles
CLOSE = with_tail(1, 57, 7)  # shares 53 of 67: 0.79
FAR = with_tail(1, 50, 14)  # shares 46 of 74: 0.62
