"""Lines reach the partition of their key in the order of the rows, and no repeated key is lost."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.transforms.crowds import Column
from thresher.transforms.lines import scatter, select_repeated


def some_keys(seed: int, rows: int, bands: int) -> Column:
    return np.random.default_rng(seed).integers(0, 1 << 64, (rows, bands), dtype=np.uint64)


@pytest.mark.parametrize("partitions", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize(("rows", "bands"), [(0, 3), (1, 1), (50, 17)])
def test_lines_are_a_stable_partition_by_key(partitions: int, rows: int, bands: int) -> None:
    keys_RB = some_keys(rows, rows, bands)
    ids = np.random.default_rng(1).permutation(1000)[:rows].astype(np.uint64)
    lines = [
        (key, identity)
        for row, identity in zip(keys_RB.tolist(), ids.tolist(), strict=True)
        for key in row
    ]
    expected = sorted(lines, key=lambda line: (line[0] >> 32) * partitions >> 32)
    keys, owners, ends = scatter(keys_RB, ids, partitions)
    assert list(zip(keys.tolist(), owners.tolist(), strict=True)) == expected
    placed = Counter((key >> 32) * partitions >> 32 for key, _ in lines)
    assert np.diff(ends, prepend=0).tolist() == [placed[p] for p in range(partitions)]


def test_the_largest_and_smallest_keys_stay_inside() -> None:
    extremes = np.array([[0, (1 << 64) - 1]], np.uint64)
    assert scatter(extremes, np.zeros(1, np.uint64), 3)[2].tolist() == [1, 1, 2]


@pytest.mark.parametrize("seed", range(10))
def test_no_repeated_key_is_lost_and_lines_keep_their_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num = int(rng.integers(0, 3000))
    keys = some_keys(seed, 1, 800)[0][rng.integers(0, 800, num)]
    ids = np.arange(num, dtype=np.uint64)
    found_keys, found_ids = select_repeated(keys, ids)
    counts = Counter(keys.tolist())
    repeated = {i for i, key in enumerate(keys.tolist()) if counts[key] > 1}
    assert repeated <= set(found_ids.tolist())
    assert found_ids.tolist() == sorted(found_ids.tolist())
    assert np.array_equal(found_keys, keys[found_ids.astype(np.int64)])


def test_a_key_repeated_many_times_stays_whole() -> None:
    keys = np.full(1000, 7, np.uint64)
    assert len(select_repeated(keys, keys)[0]) == 1000


def test_few_lone_keys_stay_by_chance() -> None:
    for num in (1 << 16, (1 << 16) + 1, 100_000):
        keys = some_keys(num, 1, num)[0]
        assert len(select_repeated(keys, keys)[0]) < 0.13 * num


def test_keys_that_differ_in_high_bits_only_may_stay_but_are_not_confused() -> None:
    keys = np.arange(10, dtype=np.uint64) << np.uint64(40)
    found_keys, found_ids = select_repeated(keys, keys)
    assert np.array_equal(found_keys, found_ids)
