"""Spot checks meet what brute force meets, and the interval is Wilson's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.transforms.crowds import Column, Crowd, families, jaccard
from thresher.transforms.clusters import Threshold
from thresher.transforms.spotcheck import invert, meet, wilson


def laid_out(sets: list[set[int]]) -> tuple[Column, Column]:
    offsets = np.cumsum([0] + [len(s) for s in sets], dtype=np.int64)
    return offsets, np.array([v for s in sets for v in sorted(s)], dtype=np.uint64)


def brute(samples: list[set[int]], rows: list[set[int]], threshold: Threshold) -> Column:
    found = [
        (r, s, len(row & sample))
        for r, row in enumerate(rows)
        for s, sample in enumerate(samples)
        if row & sample and jaccard(row, sample) >= Fraction(*threshold)
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def met(samples: list[set[int]], rows: list[set[int]], threshold: Threshold) -> Column:
    found = meet(invert(*laid_out(samples)), *laid_out(rows), threshold)
    return found[np.lexsort((found[:, 1], found[:, 0]))]


@pytest.mark.parametrize("threshold", [Threshold(7, 10), Threshold(1, 50), Threshold(1, 1)])
def test_spot_checks_meet_what_brute_force_meets(threshold: Threshold) -> None:
    for seed in range(20):
        rows: Crowd = families(seed)
        samples = families(seed).sets[:: 1 + seed % 4]
        assert np.array_equal(
            met(samples, rows.sets, threshold), brute(samples, rows.sets, threshold)
        )


def test_shingles_with_equal_low_bits_are_told_apart() -> None:
    samples = [{i << 30 for i in range(1, 30)}]
    rows = [{i << 30 for i in range(1, 25)}, {i << 30 for i in range(30, 60)}]
    assert met(samples, rows, Threshold(7, 10)).tolist() == [[0, 0, 24]]


def test_exactly_the_threshold_meets_and_just_below_does_not() -> None:
    samples = [set(range(100))]
    rows = [set(range(70)), set(range(69)), set(range(31, 101)), set(range(30, 101))]
    found = met(samples, rows, Threshold(7, 10))
    assert found.tolist() == brute(samples, rows, Threshold(7, 10)).tolist() == [[0, 0, 70]]


def test_no_samples_and_empty_texts_meet_nothing() -> None:
    assert met([], [{1}], Threshold(7, 10)).shape == (0, 3)
    assert met([set()], [set(), {1}], Threshold(7, 10)).shape == (0, 3)
    assert met([{1}], [set()], Threshold(7, 10)).shape == (0, 3)
    assert met([{1}], [], Threshold(7, 10)).shape == (0, 3)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe, Statistics in Medicine 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_is_symmetric_stays_inside_and_narrows() -> None:
    for trials in (1, 7, 50):
        for successes in range(trials + 1):
            low, high = wilson(successes, trials)
            mirrored = wilson(trials - successes, trials)
            assert 0 <= low <= successes / trials <= high <= 1
            assert mirrored == pytest.approx((1 - high, 1 - low))
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 1000)[1] < wilson(0, 100)[1]
