"""Banding: how many bands are wanted, and how often a similar pair meets in one; no kernels.

A signature of P = B x R values is cut into B bands of R rows; two texts meet when one band is equal
in both. A pair of Jaccard similarity s meets with probability 1 - (1 - s^R)^B (Leskovec, Rajaraman,
Ullman, Mining of Massive Datasets, section 3.4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

MAX_PERMUTATIONS = 128


class Threshold(NamedTuple):
    """A similarity as an exact fraction."""

    numerator: int
    denominator: int


class Banding(NamedTuple):
    """A cut of signatures into bands."""

    bands: int
    rows: int

    @property
    def permutations(self) -> int:
        """Values a signature needs."""
        return self.bands * self.rows

    def probability(self, similarity: float) -> float:
        """Return how likely a pair of this similarity meets in at least one band."""
        return (
            float(-math.expm1(self.bands * math.log1p(-(similarity**self.rows))))
            if similarity < 1
            else 1.0
        )


def choose_bands(threshold: float, recall: float, budget: int = MAX_PERMUTATIONS) -> Banding:
    """Choose the banding with the fewest false meetings that still finds `recall` of the pairs at
    the threshold.

    More rows a band make the curve steeper, so fewer dissimilar pairs meet, but need more
    permutations. The largest
    number of rows whose smallest sufficient number of bands fits the budget is taken: at 0.7 and
    0.99 that is 17 bands of 4 (0.9906).

    Args:
        threshold: Similarity, in (0, 1].
        recall: Wanted probability at the threshold, in (0, 1).
        budget: Most permutations to spend.

    Raises:
        ValueError: Not even one row a band fits the budget.
    """
    best: Banding | None = None
    for rows in range(1, 33):
        hit = threshold**rows
        bands = 1 if hit >= 1 else max(1, math.ceil(math.log1p(-recall) / math.log1p(-hit)))
        while Banding(bands, rows).probability(threshold) < recall:
            bands += 1
        if bands * rows <= budget:
            best = Banding(bands, rows)
    if best is None:
        raise ValueError(
            f"threshold {threshold} with recall {recall} needs more than {budget} permutations"
        )
    return best
