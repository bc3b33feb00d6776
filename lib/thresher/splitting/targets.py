"""How many rows each split wants, in all and of each stratum: whole numbers that add up.

Shapes: S strata.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def wanted_rows(amount: float, rows: int) -> int:
    """Return the rows that an amount means: below 1 a fraction of all rows, from 1 on a count.

    The fraction is taken as written (0.05 is one twentieth), and halves are rounded up.

    Raises:
        ValueError: A count is no whole number, or the amount is negative.
    """
    if amount < 0 or (amount >= 1 and amount != int(amount)):
        raise ValueError(f"{amount} is neither a fraction below 1 nor a whole number of rows")
    if amount >= 1:
        return int(amount)
    return int(Fraction(repr(float(amount))) * rows + Fraction(1, 2))


def apportion(total: int, sizes: Sequence[int]) -> list[int]:
    """Share `total` among S strata in proportion to their sizes, by largest remainders.

    Shares add up to the total, none is more than one row away from the exact share or larger than
    its stratum, and ties fall to the earlier stratum.

    Raises:
        ValueError: There are fewer rows than are wanted.
    """
    rows = sum(sizes)
    if total > rows:
        raise ValueError(f"{total} of {rows} rows are wanted")
    if not rows:
        return [0] * len(sizes)
    shares = [total * size // rows for size in sizes]
    rests = [total * size % rows for size in sizes]
    for place in sorted(range(len(sizes)), key=lambda s: (-rests[s], s))[: total - sum(shares)]:
        shares[place] += 1
    return shares
