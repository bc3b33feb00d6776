"""The exact answer, found slowly: all similar pairs of shingle sets, and what a walk keeps.

Nothing here is shared with the library: plain Python sets, integers and dictionaries. Every pair
whose Jaccard similarity reaches the threshold is found, and no other; a similarity is a fraction of
two integers and is compared as one. The join prunes with two theorems only (below), each pair it
returns is counted on the sets themselves.

Rows are the positions of their sets. An order is a sequence of rows, the earliest first. Sets
without shingles are similar to nothing, not even to each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple


class Pair(NamedTuple):
    """Two similar rows, left < right, and their similarity as `shared` of `union` shingles."""

    left: int
    right: int
    shared: int
    union: int

    @property
    def similarity(self) -> Fraction:
        """The Jaccard similarity, exactly."""
        return Fraction(self.shared, self.union)


def jaccard(left: Collection[int], right: Collection[int]) -> Fraction:
    """Return the exact Jaccard similarity of two shingle sets; 0 when either has none."""
    first, second = frozenset(left), frozenset(right)
    return Fraction(len(first & second), len(first | second)) if first and second else Fraction(0)


def exact_join(sets: Sequence[Collection[int]], num: int, den: int) -> list[Pair]:
    """Find all pairs with a Jaccard similarity of at least `num / den`, sorted by (left, right).

    Two theorems prune. A pair at the threshold shares at least `num / den` of the larger set's
    shingles, so the sizes of the two are close. And if both are sorted in one global order, their
    first shared shingle stands so early in each that enough remain after it; so only these
    beginnings are indexed, rare shingles first.

    Args:
        sets: The shingle sets.
        num: Numerator of the threshold.
        den: Denominator of the threshold; 0 < num <= den.

    Raises:
        ValueError: The threshold is not above 0 and at most 1.
    """
    if not 0 < num <= den:
        raise ValueError(f"threshold {num}/{den} is not above 0 and at most 1")
    frequency = Counter(shingle for shingles in sets for shingle in shingles)
    index: dict[int, list[int]] = defaultdict(list)
    pairs: list[Pair] = []
    for row in sorted(
        (row for row, shingles in enumerate(sets) if shingles), key=lambda row: len(sets[row])
    ):
        size = len(sets[row])
        fewest_shared = -(-size * num // den)
        rarest_first = sorted(sets[row], key=lambda shingle: (frequency[shingle], shingle))
        beginning = [s for s in rarest_first[: size - fewest_shared + 1] if frequency[s] > 1]
        candidates = {
            other for s in beginning for other in _at_least(index[s], sets, fewest_shared)
        }
        pairs.extend(_similar(row, candidates, sets, num, den))
        for shingle in beginning:
            index[shingle].append(row)
    return sorted(pairs)


def _at_least(bucket: list[int], sets: Sequence[Collection[int]], size: int) -> Iterator[int]:
    """Walk a bucket, filled smallest first, from its end down to the given size."""
    for row in reversed(bucket):
        if len(sets[row]) < size:
            return
        yield row


def _similar(
    row: int, candidates: Iterable[int], sets: Sequence[Collection[int]], num: int, den: int
) -> Iterator[Pair]:
    mine = frozenset(sets[row])
    for other in candidates:
        shared = len(mine.intersection(sets[other]))
        union = len(mine) + len(sets[other]) - shared
        if shared * den >= num * union:
            yield Pair(min(row, other), max(row, other), shared, union)


def greedy(order: Sequence[int], pairs: Iterable[Pair]) -> dict[int, Pair]:
    """Walk the rows in order and keep each unless an earlier kept row is similar to it.

    Returns:
        Every removed row with the pair that removed it: its partner is the earliest kept row that
        is similar.
    """
    place = {row: i for i, row in enumerate(order)}
    similar: dict[int, dict[int, Pair]] = defaultdict(dict)
    for pair in pairs:
        similar[pair.left][pair.right] = pair
        similar[pair.right][pair.left] = pair
    removed: dict[int, Pair] = {}
    for row in order:
        kept = [
            other for other in similar[row] if place[other] < place[row] and other not in removed
        ]
        if kept:
            removed[row] = similar[row][min(kept, key=place.__getitem__)]
    return removed


def transitive(order: Sequence[int], pairs: Iterable[Pair]) -> dict[int, int]:
    """Keep the earliest row of every connected component.

    Returns:
        Every removed row with the row that is kept instead.
    """
    similar: dict[int, list[int]] = defaultdict(list)
    for pair in pairs:
        similar[pair.left].append(pair.right)
        similar[pair.right].append(pair.left)
    first_of: dict[int, int] = {}
    for row in order:
        reached = [row]
        while reached:
            here = reached.pop()
            if here not in first_of:
                first_of[here] = row
                reached.extend(similar[here])
    return {row: first for row, first in first_of.items() if row != first}
