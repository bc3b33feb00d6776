"""Groups go to splits whole, in an order by content, as near to the targets as groups allow."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.splitting.plain import FREE, Group, assign
from thresher.splitting.assignment import Assigner, Split
from thresher.splitting.targets import apportion, wanted_rows

Column = np.ndarray[Any, Any]


@st.composite
def cases(draw: st.DrawFn, strata: int = 3, pins: bool = True) -> tuple[list[Group], list[int]]:
    """Groups of one to nine rows, and what test and validation want of each stratum."""
    count = draw(st.integers(0, 40))
    num = draw(st.integers(1, strata))
    groups = []
    for order in range(count):
        inside = draw(st.sets(st.integers(0, num - 1), min_size=1, max_size=num))
        rows = {s: draw(st.integers(1, 9)) for s in sorted(inside)}
        pin = draw(st.sampled_from([FREE, FREE, FREE, 0, 1, 2])) if pins else FREE
        groups.append(Group((order,), rows, pin))
    sizes = [sum(g.rows.get(s, 0) for g in groups) for s in range(num)]
    return groups, sizes


def lines(groups: list[Group]) -> tuple[Column, Column, Column, Column]:
    """Return the kernel's columns of groups in order."""
    starts = np.cumsum([0, *(len(g.rows) for g in groups)]).astype(np.int64)
    stratum = np.array([s for g in groups for s in g.rows], np.int64)
    rows = np.array([n for g in groups for n in g.rows.values()], np.int64)
    return starts, stratum, rows, np.array([g.pin for g in groups], np.uint8)


def walk(groups: list[Group], wanted: Column, cuts: list[int]) -> list[int]:
    """Assign groups that come in pieces."""
    assigner = Assigner(wanted)
    edges = sorted({0, *(min(c, len(groups)) for c in cuts), len(groups)})
    pieces = [groups[a:b] for a, b in pairwise(edges)]
    found = [assigner.first(*lines(piece)) for piece in pieces]
    for piece, splits in zip(pieces, found, strict=True):
        assigner.second(*lines(piece), splits)
    return [int(split) for splits in found for split in splits]


@pytest.mark.slow
@given(cases(), st.floats(0, 0.5), st.floats(0, 0.4), st.lists(st.integers(0, 40), max_size=4))
def test_the_walk_is_the_plain_rule_however_the_order_is_cut(
    case: tuple[list[Group], list[int]], test: float, validation: float, cuts: list[int]
) -> None:
    groups, sizes = case
    total = sum(sizes)
    wanted = np.array([apportion(wanted_rows(a, total), sizes) for a in (test, validation)])
    expected = assign(groups[::-1], wanted.tolist())
    assert walk(groups, wanted, cuts) == [expected[g.order] for g in groups]


@pytest.mark.slow
@given(cases(strata=1, pins=False), st.floats(0, 0.5), st.floats(0, 0.4))
def test_sizes_lie_within_the_largest_group_of_the_targets(
    case: tuple[list[Group], list[int]], test: float, validation: float
) -> None:
    groups, sizes = case
    wanted = np.array([[wanted_rows(a, sum(sizes))] for a in (test, validation)])
    found = walk(groups, wanted, [])
    largest = max((g.size for g in groups), default=0)
    for split, want in ((Split.TEST, wanted[0, 0]), (Split.VALIDATION, wanted[1, 0])):
        got = sum(g.size for g, s in zip(groups, found, strict=True) if s == split)
        assert got <= want
        assert want - got < largest or (got == want == 0)


@pytest.mark.slow
@given(cases(pins=False), st.floats(0, 0.5), st.floats(0, 0.4))
def test_no_split_is_larger_than_wanted(
    case: tuple[list[Group], list[int]], test: float, validation: float
) -> None:
    groups, sizes = case
    wanted = np.array([apportion(wanted_rows(a, sum(sizes)), sizes) for a in (test, validation)])
    found = walk(groups, wanted, [])
    for split, want in ((Split.TEST, wanted[0]), (Split.VALIDATION, wanted[1])):
        assert sum(g.size for g, s in zip(groups, found, strict=True) if s == split) <= want.sum()


def test_single_rows_fill_every_stratum_exactly() -> None:
    groups = [Group((n,), {n % 3: 1}) for n in range(300)]
    wanted = np.array([[10, 20, 3], [1, 0, 2]])
    found = np.array(walk(groups, wanted, [7]))
    for split, want in ((Split.TEST, wanted[0]), (Split.VALIDATION, wanted[1])):
        mine = [n % 3 for n in np.flatnonzero(found == split)]
        assert np.bincount(mine, minlength=3).tolist() == want.tolist()


def test_a_group_larger_than_the_split_goes_to_train() -> None:
    groups = [Group((0,), {0: 9}), *(Group((n,), {0: 1}) for n in range(1, 20))]
    found = walk(groups, np.array([[5], [0]]), [])
    assert found[0] == Split.TRAIN
    assert found.count(Split.TEST) == 5


def test_groups_over_many_strata_fill_all_of_them_together() -> None:
    groups = [Group((n,), dict.fromkeys(range(12), 1)) for n in range(800)]
    found = walk(groups, np.array([[40] * 12, [8] * 12]), [100, 300])
    assert found.count(Split.TEST) == 40
    assert found.count(Split.VALIDATION) == 8


def test_a_stratum_that_wants_nothing_does_not_starve_the_others() -> None:
    groups = [Group((n,), {0: 5, 1: 1}) for n in range(20)]
    found = walk(groups, np.array([[10, 0], [0, 0]]), [])
    assert found.count(Split.TEST) == 1


@given(st.integers(0, 500), st.lists(st.integers(0, 200), min_size=1, max_size=20))
def test_shares_of_strata_add_up_and_lie_next_to_the_exact_ones(
    total: int, sizes: list[int]
) -> None:
    rows = sum(sizes)
    total = min(total, rows)
    shares = apportion(total, sizes)
    assert sum(shares) == total
    for share, size in zip(shares, sizes, strict=True):
        assert 0 <= share <= size
        assert abs(share * rows - total * size) < max(rows, 1)


@pytest.mark.parametrize(
    ("amount", "rows", "wanted"),
    [(0.05, 2341, 117), (0.1, 25, 3), (0, 10, 0), (2000, 10, 2000), (1, 10, 1), (0.3, 10, 3)],
)
def test_amounts_below_one_are_fractions_and_others_counts(
    amount: float, rows: int, wanted: int
) -> None:
    assert wanted_rows(amount, rows) == wanted


@pytest.mark.parametrize("amount", [-0.1, 1.5, 2000.5])
def test_other_amounts_are_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="neither a fraction"):
        wanted_rows(amount, 100)


def test_more_rows_than_there_are_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="11 of 10"):
        apportion(11, [4, 6])
