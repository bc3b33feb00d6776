from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mixing.reference import handed_out
from thresher.mixing.shares import as_fraction, divide, most_within, tempered, water_level

Part = tuple[Fraction, int | None]
weights = st.sampled_from([0, 1, 1, 2, 3, 5, 7, 0.1, 0.25, 0.333, 12.5, 1000]).map(as_fraction)
parts = st.lists(st.tuples(weights, st.none() | st.integers(0, 40)), min_size=1, max_size=8)
totals = st.integers(0, 150)


def names_of(parts: list[Part]) -> list[str]:
    return [chr(97 + n) for n in range(len(parts))]


def divided(total: int, parts: list[Part]) -> list[int]:
    return divide(total, [w for w, _ in parts], [c for _, c in parts], names_of(parts))


@given(totals, parts)
def test_a_total_is_divided_as_if_handed_out_one_by_one(total: int, parts: list[Part]) -> None:
    plain = handed_out(total, [w for w, _ in parts], [c for _, c in parts], names_of(parts))
    assert divided(total, parts) == plain


@given(totals, parts)
def test_shares_add_up_and_keep_to_caps(total: int, parts: list[Part]) -> None:
    held = divided(total, parts)
    assert all(cap is None or h <= cap for h, (_, cap) in zip(held, parts, strict=True))
    assert all(h == 0 for h, (weight, _) in zip(held, parts, strict=True) if not weight)
    caps = [cap for weight, cap in parts if weight]
    room = None if None in caps else sum(cap for cap in caps if cap is not None)
    assert sum(held) == (total if room is None else min(total, room))


@given(totals, parts)
def test_a_larger_total_takes_nothing_from_any_part(total: int, parts: list[Part]) -> None:
    less, more = divided(total, parts), divided(total + 1, parts)
    assert all(a <= b for a, b in zip(less, more, strict=True))


@given(totals, parts, st.data())
def test_a_larger_weight_never_gets_less(
    total: int, parts: list[Part], data: st.DataObject
) -> None:
    chosen = data.draw(st.integers(0, len(parts) - 1))
    weight, cap = parts[chosen]
    heavier = [*parts]
    heavier[chosen] = (weight + data.draw(weights), cap)
    assert divided(total, heavier)[chosen] >= divided(total, parts)[chosen]


@given(totals, parts, st.randoms(use_true_random=False))
def test_the_order_of_parts_makes_no_difference(
    total: int, parts: list[Part], random: Random
) -> None:
    order = list(range(len(parts)))
    random.shuffle(order)
    names = names_of(parts)
    shuffled = divide(
        total,
        [parts[n][0] for n in order],
        [parts[n][1] for n in order],
        [names[n] for n in order],
    )
    assert shuffled == [divided(total, parts)[n] for n in order]


def test_large_totals_are_divided_at_once_and_near_the_exact_shares() -> None:
    shares = [as_fraction(w) for w in (0.37, 0.21, 0.4, 0.02)]
    held = divide(10**15 + 7, shares)
    assert sum(held) == 10**15 + 7
    assert all(abs(h - s * (10**15 + 7)) <= 1 for h, s in zip(held, shares, strict=True))


def test_what_a_cap_withholds_goes_to_the_others_by_their_weights() -> None:
    assert divide(100, [Fraction(1)] * 3, [10, None, None]) == [10, 45, 45]
    assert divide(100, [Fraction(2), Fraction(1), Fraction(1)], [None, 5, None]) == [63, 5, 32]


@given(st.fractions(0, 200), parts)
def test_the_water_level_holds_the_total(total: Fraction, parts: list[Part]) -> None:
    shares, caps = [w for w, _ in parts], [c for _, c in parts]
    limited = [c for w, c in parts if w]
    room = None if None in limited else sum(c for c in limited if c is not None)
    if room is not None and room < total:
        with pytest.raises(ValueError, match="more than caps"):
            water_level(total, shares, caps)
        return
    level = water_level(total, shares, caps)
    held = [level * w if c is None else min(level * w, Fraction(c)) for w, c in parts]
    assert sum(held) == total


@given(parts, st.data())
def test_the_most_within_limits_exhausts_the_scarcest(
    parts: list[Part], data: st.DataObject
) -> None:
    limits = [data.draw(st.integers(0, 50)) for _ in parts]
    shares, caps = [w for w, _ in parts], [c for _, c in parts]
    most = most_within(shares, caps, limits)
    assert most >= 0
    scarce = [n for n, (w, c) in enumerate(parts) if w and (c is None or c > limits[n])]
    if not scarce:
        assert most == sum(c for w, c in parts if w and c is not None)
        return
    level = water_level(most, shares, caps)
    held = [level * w if c is None else min(level * w, Fraction(c)) for w, c in parts]
    assert all(held[n] <= limits[n] for n, (w, _) in enumerate(parts) if w)
    assert any(held[n] == limits[n] for n in scarce)


@given(st.lists(st.integers(0, 10**12), min_size=1), st.sampled_from([0.5, 1, 1.43, 2, 3.3, 100]))
def test_a_temperature_keeps_the_order_of_sizes(sizes: list[int], temperature: float) -> None:
    found = tempered(sizes, temperature)
    for (a, left), (b, right) in zip(
        zip(sizes, found, strict=True), zip(sizes[1:], found[1:], strict=True), strict=False
    ):
        assert (a <= b) <= (left <= right)
    assert all(
        bool(weight) == bool(size) or size < max(sizes)
        for size, weight in zip(sizes, found, strict=True)
    )


def test_temperature_one_keeps_sizes_and_a_high_one_levels_them() -> None:
    assert tempered([10, 90], 1) == [10, 90]
    small, large = tempered([100, 10_000], 2)
    assert float(large / small) == pytest.approx(10)
    small, large = tempered([1, 10**9], 1e9)
    assert float(small / large) == pytest.approx(1)
    with pytest.raises(ValueError, match="positive"):
        tempered([1], 0)
