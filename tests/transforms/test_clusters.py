"""Who stays: the walk and the links equal the plain rules on pairs that share a bucket."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.transforms.crowds import Column, Crowd, crowd, families, jaccard, pairs, spread
from thresher.transforms.clusters import (
    Threshold,
    bucket_numbers,
    link,
    overlaps,
    shared_at_least,
    walk,
)

SEEDS = range(40)
THRESHOLDS = [Threshold(7, 10), Threshold(1, 2), Threshold(1, 1), Threshold(1, 20)]


def greedy(rows: Crowd, threshold: Threshold) -> list[int]:
    """Keep a row unless an earlier kept row that it meets is similar enough; name the earliest."""
    kept: list[int] = []
    partners = []
    for i in range(len(rows.sets)):
        similar = (k for k in kept if rows.meet(i, k) and rows.similar(i, k, threshold))
        partners.append(next(similar, -1))
        if partners[-1] < 0:
            kept.append(i)
    return partners


def transitive(rows: Crowd, threshold: Threshold) -> list[int]:
    """Give every row the first row of its chain of similar pairs, and -1 to the first itself."""
    piece = list(range(len(rows.sets)))
    for a, b in combinations(range(len(rows.sets)), 2):
        if rows.meet(a, b) and rows.similar(a, b, threshold) and piece[a] != piece[b]:
            low, high = sorted((piece[a], piece[b]))
            piece = [low if p == high else p for p in piece]
    return [-1 if p == i else p for i, p in enumerate(piece)]


def laid_out(rows: Crowd) -> tuple[Column, Column, Column, Column]:
    return rows.keys, rows.begins, rows.ends, rows.values


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_walk_is_the_greedy_rule(threshold: Threshold) -> None:
    for seed in SEEDS:
        rows = families(seed)
        assert walk(*laid_out(rows), threshold).partner.tolist() == greedy(rows, threshold)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_links_are_the_transitive_rule(threshold: Threshold) -> None:
    for seed in SEEDS:
        rows = families(seed)
        assert link(*laid_out(rows), threshold).partner.tolist() == transitive(rows, threshold)


@pytest.mark.parametrize("decide", [walk, link])
def test_the_shared_shingles_are_those_with_the_partner(decide: Any) -> None:
    for seed in SEEDS:
        rows = families(seed)
        decision = decide(*laid_out(rows), Threshold(7, 10))
        for i, (partner, shared) in enumerate(
            zip(decision.partner.tolist(), decision.shared.tolist(), strict=True)
        ):
            assert shared == (len(rows.sets[i] & rows.sets[partner]) if partner >= 0 else 0)
        assert decision.verified <= decision.compared


def test_every_row_the_walk_removes_has_a_kept_partner() -> None:
    for seed in SEEDS:
        partner = walk(*laid_out(families(seed)), Threshold(7, 10)).partner
        assert (partner[partner[partner >= 0]] == -1).all()


def test_a_chain_keeps_its_ends_when_walked_and_only_its_head_when_linked() -> None:
    chain = [set(range(100 + 15 * i, 200 + 15 * i)) for i in range(3)]  # 85/115, but ends 70/130
    rows = crowd(chain, np.zeros((3, 1), np.int64))
    assert walk(*laid_out(rows), Threshold(7, 10)).partner.tolist() == [-1, 0, -1]
    assert link(*laid_out(rows), Threshold(7, 10)).partner.tolist() == [-1, 0, 0]


@pytest.mark.parametrize("decide", [walk, link])
@pytest.mark.parametrize(
    ("shared", "union", "removed"),
    [
        (7, 10, True),
        (70, 100, True),
        (69, 99, False),  # 0.69697
        (69, 98, True),
        (699_999, 1_000_000, False),
    ],
)
def test_a_pair_exactly_at_the_threshold_is_removed_and_one_below_is_not(
    decide: Any, shared: int, union: int, removed: bool
) -> None:
    if union > 1000:  # large sets, laid out without Python sets
        first = np.arange(shared, dtype=np.uint64)
        second = np.arange(union, dtype=np.uint64)
        values = np.concatenate([first, second])
        begins = np.array([0, shared])
        ends = np.array([shared, shared + union])
        found = decide(spread(np.zeros((2, 1))), begins, ends, values, Threshold(7, 10)).partner
    else:
        found = decide(*laid_out(pairs([(shared, union)])), Threshold(7, 10)).partner
    assert (found.tolist() == [-1, 0]) == removed


@pytest.mark.parametrize("threshold", [*THRESHOLDS, Threshold(2, 3), Threshold(9, 10)])
def test_similarities_are_compared_as_integers(threshold: Threshold) -> None:
    wanted = [(shared, union) for union in range(1, 45) for shared in range(1, union + 1)]
    expected = [Fraction(*pair) >= Fraction(*threshold) for pair in wanted]
    partner = walk(*laid_out(pairs(wanted)), threshold).partner
    assert (partner[1::2] >= 0).tolist() == expected
    assert (partner[::2] == -1).all()


def test_rows_that_share_no_bucket_are_not_compared() -> None:
    same = set(range(20))
    rows = crowd([same, same, same], np.array([[1, 2], [3, 4], [5, 2]]))
    decision = walk(*laid_out(rows), Threshold(7, 10))
    assert decision.partner.tolist() == [-1, -1, 0]
    assert decision.compared == 1


@pytest.mark.parametrize("decide", [walk, link])
def test_no_rows_and_lone_rows_are_decided(decide: Any) -> None:
    none = crowd([], np.zeros((0, 3), np.int64))
    assert decide(*laid_out(none), Threshold(7, 10)).partner.tolist() == []
    lone = crowd([{1, 2}], np.zeros((1, 3), np.int64))
    assert decide(*laid_out(lone), Threshold(7, 10)).partner.tolist() == [-1]


NUMBERS = st.sets(st.integers(0, 30), max_size=15)


@examples(100)
@given(NUMBERS, NUMBERS, st.integers(0, 20))
def test_counting_stops_early_only_out_of_reach(a: set[int], b: set[int], needed: int) -> None:
    values = np.array([*sorted(a), *sorted(b)], dtype=np.uint64)
    found = shared_at_least(values, 0, len(a), len(a), len(a) + len(b), needed)
    assert found == (len(a & b) if len(a & b) >= needed else -1)


def test_overlaps_are_exact() -> None:
    for seed in SEEDS:
        rows = families(seed)
        num = len(rows.sets)
        left, right = np.divmod(np.arange(num * num), num)
        found = overlaps(rows.begins, rows.ends, rows.values, left, right).tolist()
        assert found == [len(rows.sets[a] & rows.sets[b]) for a, b in zip(left, right, strict=True)]
        assert jaccard(rows.sets[0], rows.sets[0]) == 1


@pytest.mark.parametrize("stride", [1, 1 << 32, 1 << 60])
def test_bucket_numbers_are_equal_where_keys_are(stride: int) -> None:
    """Even for keys with equal low bits, which share the slots of the table, and for the key 0."""
    rng = np.random.default_rng(stride % 97)
    for _ in range(40):
        shape = (int(rng.integers(1, 30)), int(rng.integers(1, 5)))
        keys = rng.integers(0, 15, shape).astype(np.uint64) * np.uint64(stride)
        buckets, starts = bucket_numbers(keys)
        expected: dict[int, list[int]] = {}
        for key, bucket in zip(keys.ravel().tolist(), buckets.ravel().tolist(), strict=True):
            expected.setdefault(key, []).append(bucket)
        order = []
        for numbers in expected.values():  # in order of the first row
            assert len(set(numbers)) == 1
            assert (numbers[0] == -1) == (len(numbers) == 1)
            if numbers[0] >= 0:
                order.append(numbers[0])
                assert starts[numbers[0] + 1] - starts[numbers[0]] == len(numbers)
        assert order == list(range(len(starts) - 1))
