"""Groups are made of their rows alone: order, age, pin and strata do not depend on arrival."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.splitting.assignment import FREE, Split
from thresher.splitting.chance import apart, torn_classes, torn_pairs
from thresher.splitting.groups import Lines, Members, grouped, singles
from thresher.splitting.order import order_keys

Row = tuple[int, int, int, int, int, int, int]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 9),
        st.sampled_from([0, 1, 2, FREE]),
        st.integers(0, 3),
        st.integers(1, 4),
    ),
    max_size=30,
)


def members(rows: list[Row]) -> Members:
    kinds = (np.uint64, np.uint64, np.uint64, np.uint64, np.uint8, np.int64, np.int64)
    columns: list[Any] = [*zip(*rows, strict=True)] or [()] * 7
    return Members(*(np.array(c, k) for c, k in zip(columns, kinds, strict=True)))


def told(lines: Lines) -> list[tuple[int, ...]]:
    return [tuple(int(v) for v in line) for line in zip(*lines, strict=True)]


@given(ROWS, st.integers(0, 2**32 - 1), st.one_of(st.none(), st.integers(0, 9)), st.randoms())
def test_groups_are_those_of_the_plain_rule_in_any_order_of_rows(
    rows: list[Row], seed: int, border: int | None, random: Any
) -> None:
    expected = []
    for label in sorted({r[0] for r in rows}):
        mine = [r for r in rows if r[0] == label]
        smallest = min((r[1], r[2]) for r in mine)
        o0, o1 = order_keys(
            np.array([smallest[0]], np.uint64), np.array([smallest[1]], np.uint64), seed
        )
        age, pin = max(r[3] for r in mine), min(r[4] for r in mine)
        if border is not None and pin == FREE and age <= border:
            pin = int(Split.TEST)
        for stratum in sorted({r[5] for r in mine}):
            count = sum(r[6] for r in mine if r[5] == stratum)
            expected.append((label, int(o0[0]), int(o1[0]), age, pin, stratum, count))
    random.shuffle(rows)
    assert told(grouped(members(rows), seed, border)) == expected


@pytest.mark.slow
@given(ROWS, st.one_of(st.none(), st.integers(0, 9)))
def test_a_row_without_company_is_a_group_of_one(rows: list[Row], border: int | None) -> None:
    alone = [(number, *row[1:]) for number, row in enumerate(rows)]
    made = members(alone)
    assert told(singles(made, 3, border)) == told(grouped(made, 3, border))


def test_another_seed_is_another_order_and_one_seed_spreads_evenly() -> None:
    hashes = np.arange(10_000, dtype=np.uint64)
    one, _ = order_keys(hashes, hashes, 1)
    two, _ = order_keys(hashes, hashes, 2)
    assert len(np.unique(one)) == len(hashes)
    first = set(np.argsort(one)[:500].tolist())
    assert len(first & set(np.argsort(two)[:500].tolist())) < 60
    assert abs(np.mean(sorted(first)) - 5000) < 500


@pytest.mark.parametrize("sizes", [(5, 1, 1), (4, 3), (3, 2, 2), (7,), (6, 1, 0)])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_chance_is_the_mean_over_all_splits(sizes: tuple[int, ...], rows: int) -> None:
    of_row = [split for split, size in enumerate(sizes) for _ in range(size)]
    chosen = [*combinations(of_row, rows)]
    torn = sum(len(set(splits)) > 1 for splits in chosen)
    assert apart(rows, sizes) == pytest.approx(torn / len(chosen))


def test_chance_of_pairs_and_classes_adds_up() -> None:
    assert torn_pairs(21, (5, 2)) == pytest.approx(10)
    assert torn_classes({2: 21, 7: 3}, (5, 2)) == pytest.approx(13)
    assert torn_classes({}, (5, 2)) == 0
    assert torn_pairs(0, (0, 0, 0)) == 0
