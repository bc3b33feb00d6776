"""Bands: enough of them, never too many, and the keys say which band they are of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from thresher.transforms.bands import MAX_PERMUTATIONS, Banding, band_keys, choose_bands

THRESHOLDS = st.floats(0.3, 1.0)
RECALLS = st.floats(0.5, 0.999)


@examples(100)
@given(THRESHOLDS, RECALLS)
def test_the_chosen_bands_find_what_was_wanted_within_the_budget(
    threshold: float, recall: float
) -> None:
    banding = choose_bands(threshold, recall)
    assert banding.probability(threshold) >= recall
    assert banding.permutations == banding.bands * banding.rows <= MAX_PERMUTATIONS


@given(THRESHOLDS, RECALLS)
def test_neither_more_rows_nor_fewer_bands_would_do(threshold: float, recall: float) -> None:
    chosen = choose_bands(threshold, recall)
    if chosen.bands > 1:
        assert Banding(chosen.bands - 1, chosen.rows).probability(threshold) < recall
    steeper = Banding(MAX_PERMUTATIONS // (chosen.rows + 1), chosen.rows + 1)
    if chosen.rows < 32:
        assert steeper.probability(threshold) < recall


@given(st.integers(1, 64), st.integers(1, 16), st.floats(0, 1), st.floats(0, 1))
def test_the_probability_rises_with_the_similarity(
    bands: int, rows: int, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    banding = Banding(bands, rows)
    assert 0 <= banding.probability(low) <= banding.probability(high) <= 1


@pytest.mark.parametrize("similarity", [0.0, 0.1, 0.5, 0.7, 0.99, 1.0])
def test_the_probability_is_the_textbooks(similarity: float) -> None:
    expected = 1 - (1 - similarity**4) ** 17
    assert Banding(17, 4).probability(similarity) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("bands", "rows", "probability"), [(26, 5, 0.9916), (25, 5, 0.98995), (32, 4, 0.9999)]
)
def test_published_probabilities_at_seven_tenths(bands: int, rows: int, probability: float) -> None:
    assert Banding(bands, rows).probability(0.7) == pytest.approx(probability, abs=6e-5)


def test_the_default_is_seventeen_bands_of_four() -> None:
    assert choose_bands(0.7, 0.99) == Banding(17, 4)


def test_a_budget_that_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="needs more than 128 permutations"):
        choose_bands(0.01, 0.99)
    assert choose_bands(0.01, 0.99, budget=1000).rows == 1


def signatures(num: int, permutations: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    drawn = np.random.default_rng(4).integers(0, 1 << 32, (num, permutations), dtype=np.uint32)
    return drawn


def test_the_number_of_the_band_is_part_of_its_key() -> None:
    keys = band_keys(np.full((1, 12), 5, np.uint32), 4, 3)
    assert len(set(keys[0].tolist())) == 4


def test_keys_are_equal_exactly_where_bands_are() -> None:
    drawn = signatures(50, 20) % np.uint32(2)
    keys = band_keys(drawn, 4, 5)
    for a in range(50):
        for b in range(50):
            same = (drawn[a].reshape(4, 5) == drawn[b].reshape(4, 5)).all(axis=1)
            assert ((keys[a] == keys[b]) == same).all()


def test_a_key_depends_on_the_order_of_its_values_and_on_nothing_else() -> None:
    drawn = signatures(3, 20)
    swapped = drawn.copy()
    swapped[:, [5, 6]] = drawn[:, [6, 5]]
    ours, theirs = band_keys(drawn, 4, 5), band_keys(swapped, 4, 5)
    assert (ours[:, 1] != theirs[:, 1]).all()
    assert (ours[:, [0, 2, 3]] == theirs[:, [0, 2, 3]]).all()


def test_keys_use_their_high_bits_for_partitions_and_their_low_bits_for_tables() -> None:
    keys = band_keys(signatures(2000, 8), 2, 4).ravel()
    for shift in (0, 32, 60):
        counts = np.bincount((keys >> np.uint64(shift)).astype(np.int64) & 15, minlength=16)
        assert counts.min() > 180 and counts.max() < 330  # 250 each, five standard deviations
