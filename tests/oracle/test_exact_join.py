"""The exact join and its walks, against brute force and by hand."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations

import pytest

from .exact_join import Pair, exact_join, greedy, jaccard, transitive

THRESHOLDS = [(1, 100), (1, 3), (1, 2), (7, 10), (4, 5), (99, 100), (1, 1)]


def brute_force(sets: list[set[int]], threshold: Fraction) -> list[Pair]:
    """All pairs, by trying all pairs."""
    found = []
    for left, right in combinations(range(len(sets)), 2):
        shared, union = len(sets[left] & sets[right]), len(sets[left] | sets[right])
        if sets[left] and sets[right] and Fraction(shared, union) >= threshold:
            found.append(Pair(left, right, shared, union))
    return found


def random_sets(rng: random.Random) -> list[set[int]]:
    """Up to 40 sets: fresh ones, edited copies, empty ones, with skewed shingles."""
    sets: list[set[int]] = []
    for _ in range(rng.randint(0, 40)):
        if sets and rng.random() < 0.6:
            shingles = set(rng.choice(sets))
            shingles -= set(rng.sample(sorted(shingles), min(len(shingles), rng.randint(0, 3))))
        else:
            shingles = set()
        wanted = len(shingles) + rng.randint(0, 8)
        shingles |= {int(rng.random() ** 2 * 60) for _ in range(wanted - len(shingles))}
        sets.append(shingles)
    return sets


def edges(*rows: tuple[int, int]) -> list[Pair]:
    """A graph as pairs; the similarities do not matter to a walk."""
    return [Pair(min(a, b), max(a, b), 1, 1) for a, b in rows]


def partners(order: list[int], pairs: list[Pair]) -> dict[int, int]:
    """The walk's answer as removed row -> kept row."""
    return {row: p.left + p.right - row for row, p in greedy(order, pairs).items()}


@pytest.mark.parametrize(("num", "den"), THRESHOLDS)
def test_the_join_finds_what_brute_force_finds(num: int, den: int) -> None:
    rng = random.Random(num * 1000 + den)
    for _ in range(150):
        sets = random_sets(rng)
        assert exact_join(sets, num, den) == brute_force(sets, Fraction(num, den))


def test_a_pair_exactly_at_the_threshold_is_found_and_one_shingle_less_is_not() -> None:
    ten, seven, six = set(range(10)), set(range(7)), set(range(6))
    assert exact_join([ten, seven, six], 7, 10) == [Pair(0, 1, 7, 10), Pair(1, 2, 6, 7)]


def test_sets_without_shingles_are_similar_to_nothing() -> None:
    assert exact_join([set(), set(), {1}], 1, 100) == []
    assert jaccard(set(), set()) == 0


@pytest.mark.parametrize(("num", "den"), [(0, 10), (11, 10), (-1, 2)])
def test_a_threshold_outside_zero_to_one_is_refused(num: int, den: int) -> None:
    with pytest.raises(ValueError, match="threshold"):
        exact_join([{1}], num, den)


def test_similarities_are_exact_fractions() -> None:
    assert jaccard(range(10), range(7)) == Fraction(7, 10)
    assert [p.similarity for p in exact_join([{1, 2}, {1, 2, 3}], 2, 3)] == [Fraction(2, 3)]


def test_a_path_keeps_every_second_row_greedily_and_one_row_transitively() -> None:
    path = edges((0, 1), (1, 2), (2, 3), (3, 4))
    assert partners([0, 1, 2, 3, 4], path) == {1: 0, 3: 2}
    assert transitive([0, 1, 2, 3, 4], path) == {1: 0, 2: 0, 3: 0, 4: 0}


def test_the_order_decides_which_rows_of_a_path_stay() -> None:
    path = edges((0, 1), (1, 2))
    assert partners([1, 0, 2], path) == {0: 1, 2: 1}
    assert partners([2, 0, 1], path) == {1: 2}
    assert transitive([1, 0, 2], path) == {0: 1, 2: 1}


def test_a_star_keeps_its_centre_or_all_its_rays() -> None:
    star = edges((0, 1), (0, 2), (0, 3))
    assert partners([0, 1, 2, 3], star) == {1: 0, 2: 0, 3: 0}
    assert partners([3, 2, 1, 0], star) == {0: 3}


def test_a_clique_keeps_its_first_row() -> None:
    clique = edges(*combinations(range(5), 2))
    assert partners([4, 1, 0, 3, 2], clique) == {1: 4, 0: 4, 3: 4, 2: 4}
    assert transitive([4, 1, 0, 3, 2], clique) == {1: 4, 0: 4, 3: 4, 2: 4}


def test_the_walk_leaves_no_similar_kept_pair_and_names_the_earliest_kept_partner() -> None:
    rng = random.Random(3)
    for _ in range(200):
        size = rng.randint(1, 25)
        pairs = edges(
            *(p for p in combinations(range(size), 2) if rng.random() < rng.choice([0.05, 0.2]))
        )
        order = rng.sample(range(size), size)
        removed = partners(order, pairs)
        similar = {(a, b) for p in pairs for a, b in ((p.left, p.right), (p.right, p.left))}
        kept = [row for row in order if row not in removed]
        assert not any(pair in similar for pair in combinations(kept, 2))
        for row, partner in removed.items():
            earlier = [k for k in kept if order.index(k) < order.index(row) and (k, row) in similar]
            assert earlier[0] == partner


def test_components_do_not_depend_on_the_order_but_their_first_rows_do() -> None:
    rng = random.Random(5)
    for _ in range(100):
        size = rng.randint(1, 25)
        pairs = edges(*(p for p in combinations(range(size), 2) if rng.random() < 0.08))
        partitions = set()
        for _ in range(2):
            order = rng.sample(range(size), size)
            first_of = transitive(order, pairs)
            groups: dict[int, set[int]] = {}
            for row in range(size):
                groups.setdefault(first_of.get(row, row), set()).add(row)
            assert all(first == min(group, key=order.index) for first, group in groups.items())
            partitions.add(frozenset(frozenset(group) for group in groups.values()))
        assert len(partitions) == 1
