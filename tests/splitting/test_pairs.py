"""All similar pairs of a piece are found, exactly; of a large piece, as many as connect it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.exact_join import exact_join
from thresher.splitting.pairs import Similar, similar_pairs
from thresher.transforms.clusters import Threshold

SETS = st.lists(st.sets(st.integers(0, 11), min_size=1, max_size=9), max_size=14)


def find(sets: list[set[int]], cuts: list[int], limit: int, buckets: int = 1) -> Similar:
    """Find pairs; with one bucket all rows of a large piece meet."""
    sizes = np.array([len(s) for s in sets], np.int64)
    ends = np.cumsum(sizes).astype(np.int64)
    values = np.array([v for s in sets for v in sorted(s)], np.uint64)
    keys = np.full((len(sets), buckets), 7, np.uint64)
    starts = np.array(sorted({0, *cuts, len(sets)}), np.int64)
    return similar_pairs(starts, keys, ends - sizes, ends, values, Threshold(6, 10), limit)


def pairs(found: Similar) -> set[tuple[int, int, int]]:
    return {*zip(found.left.tolist(), found.right.tolist(), found.shared.tolist(), strict=True)}


@given(SETS)
def test_every_pair_of_a_piece_is_found_and_no_other(sets: list[set[int]]) -> None:
    expected = {(p.left, p.right, p.shared) for p in exact_join(sets, 6, 10)}
    found = find(sets, [], 100)
    assert pairs(found) == expected
    assert len(found.left) == len(expected)


@given(SETS, st.integers(0, 14))
def test_rows_of_different_pieces_are_not_compared(sets: list[set[int]], cut: int) -> None:
    cut = min(cut, len(sets))
    expected = {
        (p.left, p.right, p.shared)
        for p in exact_join(sets, 6, 10)
        if (p.left < cut) == (p.right < cut)
    }
    assert pairs(find(sets, [cut], 100)) == expected


@given(SETS)
def test_pairs_of_a_large_piece_connect_what_all_pairs_would(sets: list[set[int]]) -> None:
    every = {(p.left, p.right, p.shared) for p in exact_join(sets, 6, 10)}
    found = pairs(find(sets, [], 1))
    assert found <= every
    assert _labels(len(sets), found) == _labels(len(sets), every)


def _labels(num: int, edges: set[tuple[int, int, int]]) -> list[int]:
    label = [*range(num)]
    for _ in range(num):
        for left, right, _shared in edges:
            label[left] = label[right] = min(label[left], label[right])
    return label
