"""Screening loses nothing: similar rows that share a bucket stay in one piece."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tests.transforms.crowds import Column, Crowd, crowd, families, pairs
from thresher.transforms.clusters import Threshold, pictures
from thresher.transforms.pictures import PICTURE_WORDS
from thresher.transforms.screen import screen

THRESHOLDS = [Threshold(7, 10), Threshold(1, 2), Threshold(1, 1)]


def shown(rows: Crowd, bits: int = 512) -> Column:
    """Draw a picture in which only some of the bits are ever used."""
    drawn = np.zeros((len(rows.sets), PICTURE_WORDS), np.uint64)
    for row, numbers in enumerate(rows.sets):
        for number in numbers:
            word, bit = divmod((number >> 24) % bits, 64)
            drawn[row, word] |= np.uint64(1 << bit)
    return drawn


def assert_nothing_is_lost(rows: Crowd, root: Column, threshold: Threshold) -> None:
    for a, b in combinations(range(len(rows.sets)), 2):
        if rows.meet(a, b) and rows.similar(a, b, threshold):
            assert root[a] == root[b]


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("bits", [1, 7, 512])
def test_similar_rows_that_meet_are_never_separated(threshold: Threshold, bits: int) -> None:
    for seed in range(30):
        rows = families(seed)
        root, _ = screen(rows.keys, shown(rows, bits), rows.sizes, threshold)
        assert_nothing_is_lost(rows, root, threshold)


def test_totals_that_count_repeats_separate_nothing() -> None:
    for seed in range(30):
        rows = families(seed)
        totals = rows.sizes + np.random.default_rng(seed).integers(0, 30, len(rows.sets))
        root, _ = screen(rows.keys, shown(rows), totals, Threshold(7, 10))
        assert_nothing_is_lost(rows, root, Threshold(7, 10))


def test_every_pair_at_or_above_the_threshold_survives() -> None:
    wanted = [(shared, union) for union in range(1, 45) for shared in range(1, union + 1)]
    rows = pairs(wanted)
    root, _ = screen(rows.keys, shown(rows), rows.sizes, Threshold(7, 10))
    similar = [i for i, (shared, union) in enumerate(wanted) if 10 * shared >= 7 * union]
    assert (root[1::2][similar] == root[::2][similar]).all()


def test_rows_that_share_no_bucket_are_never_joined() -> None:
    same = set(range(20))
    rows = crowd([same] * 4, np.array([[0, 1], [2, 3], [4, 1], [2, 5]]))
    root, _ = screen(rows.keys, shown(rows), rows.sizes, Threshold(7, 10))
    assert root.tolist() == [0, 1, 0, 1]


def test_unlike_rows_of_a_bucket_are_told_apart() -> None:
    sets = [set(range(30 * i, 30 * i + 30)) for i in range(20)]
    rows = crowd(sets, np.zeros((20, 1), np.int64))
    root, compared = screen(rows.keys, shown(rows), rows.sizes, Threshold(7, 10))
    assert root.tolist() == list(range(20))
    assert compared == 190


def test_a_bucket_of_copies_costs_one_look_a_row() -> None:
    rows = crowd([set(range(20))] * 500, np.zeros((500, 4), np.int64))
    root, compared = screen(rows.keys, shown(rows), rows.sizes, Threshold(7, 10))
    assert not root.any()
    assert compared == 499


def test_a_piece_is_labelled_by_its_smallest_row() -> None:
    for seed in range(30):
        rows = families(seed)
        root, _ = screen(rows.keys, shown(rows), rows.sizes, Threshold(7, 10))
        for label in np.unique(root):
            assert np.flatnonzero(root == label)[0] == label


def test_pictures_show_one_bit_for_each_shingle() -> None:
    for seed in range(10):
        rows = families(seed)
        drawn = pictures(rows.begins, rows.ends, rows.values)
        for row, numbers in zip(drawn.tolist(), rows.sets, strict=True):
            bits = {(word, bit) for word in range(8) for bit in range(64) if row[word] >> bit & 1}
            assert bits == {(n & 7, n >> 3 & 63) for n in numbers}
