"""Exact collapse equals a dictionary of keys, whatever the order of arrival."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transforms.crowds import Column
from thresher.transforms.collapse import Copies, collapse

Rows = tuple[tuple[Column, Column], tuple[Column, ...], Column]


def drawn(seed: int) -> Rows:
    """Draw rows with few keys and many ties in the order."""
    rng = np.random.default_rng(seed)
    num = int(rng.integers(0, 60))

    def few(most: int) -> Column:
        return rng.integers(0, most, num).astype(np.uint64)

    ids = rng.permutation(1000)[:num].astype(np.uint64)
    return (few(8), few(3)), (few(2), few(3), few(2), few(2)), ids


def permuted(rows: Rows, seed: int) -> Rows:
    keys, order, ids = rows
    places = np.random.default_rng(seed).permutation(len(ids))
    return (keys[0][places], keys[1][places]), tuple(c[places] for c in order), ids[places]


def plain(rows: Rows) -> list[tuple[int, int, bool]]:
    keys, order, ids = rows
    groups: dict[tuple[int, int], list[tuple[tuple[int, ...], int]]] = {}
    for i, identity in enumerate(ids.tolist()):
        place = tuple(int(column[i]) for column in order)
        groups.setdefault((int(keys[0][i]), int(keys[1][i])), []).append((place, identity))
    removed = []
    for group in groups.values():
        (first, kept), *others = sorted(group)
        removed += [(identity, kept, place[-2:] == first[-2:]) for place, identity in others]
    return sorted(removed)


def listed(copies: Copies) -> list[tuple[int, int, bool]]:
    return list(zip(*(column.tolist() for column in copies), strict=True))


@pytest.mark.parametrize("seed", range(40))
def test_the_earliest_row_of_each_key_stays(seed: int) -> None:
    rows = drawn(seed)
    assert listed(collapse(*rows)) == plain(rows)


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_arrival_does_not_matter(seed: int) -> None:
    rows = drawn(seed)
    expected = listed(collapse(*rows))
    for shuffle in range(5):
        assert listed(collapse(*permuted(rows, shuffle))) == expected


@pytest.mark.parametrize("half", [0, 1])
def test_keys_that_agree_in_64_bits_only_stay_apart(half: int) -> None:
    same, other = np.full(4, 7, np.uint64), np.array([1, 2, 3, 2], np.uint64)
    keys = (same, other) if half else (other, same)
    zeros = np.zeros(4, np.uint64)
    assert listed(collapse(keys, (zeros, zeros), np.arange(4, dtype=np.uint64))) == [(3, 1, True)]


def test_rows_without_copies_stay_without_a_sort() -> None:
    keys = (np.arange(5, dtype=np.uint64), np.zeros(5, np.uint64))
    assert listed(collapse(keys, (keys[1], keys[1]), keys[0])) == []
