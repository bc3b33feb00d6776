"""What mixing computes, written down plainly: hand out one by one, sort and take."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def handed_out(
    total: int,
    weights: Sequence[Fraction],
    caps: Sequence[int | None],
    names: Sequence[str],
) -> list[int]:
    """Hand out a total one by one, each to the largest claim: weight / (2 s + 1)."""
    held = [0] * len(weights)
    for _ in range(total):
        open_to = [
            n
            for n, (weight, cap) in enumerate(zip(weights, caps, strict=True))
            if weight > 0 and (cap is None or held[n] < cap)
        ]
        if not open_to:
            break
        first = min(open_to, key=lambda n: (-weights[n] / (2 * held[n] + 1), -weights[n], names[n]))
        held[first] += 1
    return held


def largest_prefix(
    keys: Sequence[tuple[int, int, int]], amounts: Sequence[int], rest: int
) -> set[int]:
    """Return the rows of the largest prefix, in the order of keys, that does not exceed `rest`."""
    taken: set[int] = set()
    for row in sorted(range(len(keys)), key=lambda n: keys[n]):
        if amounts[row] > rest:
            break
        rest -= amounts[row]
        taken.add(row)
    return taken
