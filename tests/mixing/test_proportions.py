from __future__ import annotations

import pytest

from thresher.mixing.proportions import Wanted, asked_shares, keeping, missed


def leaf(name: str, weight: float | None, target: int, cap: int | None = None) -> Wanted:
    return Wanted(name, name, weight, cap, target)


def test_the_share_asked_is_that_of_the_weight_whatever_the_caps() -> None:
    leaves = [leaf("a", 0.1, 60, 60), leaf("b", 0.1, 60, 60), leaf("c", 0.8, 60, 60)]
    assert asked_shares(leaves, 180) == pytest.approx([0.1, 0.1, 0.8])
    assert keeping(leaves, 180) == 75
    assert missed(leaves, 180, [60, 60, 60], "rows") == (
        "caps change the proportions: a 33.33 % instead of 10.00 %, b 33.33 % instead of 10.00 %, "
        "c 33.33 % instead of 80.00 %; with a total of 75 rows none would"
    )


def test_fixed_amounts_and_categories_have_their_own_shares() -> None:
    leaves = [
        leaf("fixed", None, 40),
        Wanted("a / x", "a", 0.5, None, 20),
        Wanted("a / y", "a", 0.5, None, 10),
        leaf("b", 0.5, 30),
    ]
    assert asked_shares(leaves, 100) == pytest.approx([0.4, 0.2, 0.1, 0.3])
    assert keeping(leaves, 100) is None
    assert missed(leaves, 100, [40, 20, 10, 30], "rows") is None


def test_a_row_more_or_less_is_no_miss_but_nothing_at_all_is() -> None:
    thirds = [leaf(name, 1 / 3, target) for name, target in (("a", 4), ("b", 3), ("c", 3))]
    assert missed(thirds, 10, [4, 3, 3], "rows") is None
    small = [leaf("a", 0.999, 100), leaf("b", 0.001, 0)]
    assert missed(small, 100, [100, 0], "rows") == (
        "shares are not those asked for: b 0.00 % instead of 0.10 %"
    )


@pytest.mark.parametrize(
    ("shares", "noted"),
    [
        ((0.5, 5_000, 4_950), False),  # half a percentage point
        ((0.5, 5_000, 4_700), True),
        ((0.05, 500, 440), True),  # a tenth of the share
        ((0.05, 500, 470), False),
    ],
)
def test_a_miss_is_more_than_a_percentage_point_or_a_tenth_of_the_share(
    shares: tuple[float, int, int], noted: bool
) -> None:
    weight, target, given = shares
    leaves = [leaf("other", 1 - weight, 10_000 - target), leaf("large", weight, target)]
    told = missed(leaves, 10_000, [10_000 - target, given], "tokens")
    assert (told is not None) is noted
    assert told is None or "rows are written whole" in told
