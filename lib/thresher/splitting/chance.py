"""What a plain random split of the same sizes would do, as the mean over all such splits.

No split is drawn: the mean is exact, and the same whatever the order of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def apart(rows: int, sizes: Sequence[int]) -> float:
    """Return the probability that some of `rows` given rows fall into different splits.

    Args:
        rows: Distinct rows, at least one.
        sizes: Rows of each split.
    """
    whole = sum(sizes)
    together = 0.0
    for size in sizes:
        share = 1.0
        for taken in range(rows):
            share *= max(size - taken, 0) / max(whole - taken, 1)
            if not share:
                break
        together += share
    return max(0.0, 1.0 - together)


def torn_pairs(pairs: int, sizes: Sequence[int]) -> float:
    """Return how many of some pairs of rows lie across a border, on average."""
    return pairs * apart(2, sizes)


def torn_classes(classes: Mapping[int, int], sizes: Sequence[int]) -> float:
    """Return how many classes of rows lie across a border, on average.

    Args:
        classes: By number of rows, how many classes have so many.
        sizes: Rows of each split.
    """
    return sum(count * apart(rows, sizes) for rows, count in sorted(classes.items()))
