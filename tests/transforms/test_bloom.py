"""The filter never overlooks a repeated key, and errs as often as the theory says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.transforms.crowds import Column
from thresher.transforms.bloom import PROBES, Filter

pytestmark = pytest.mark.slow

SLOTS = [4, 5, 7, 63, 1000, 1 << 10, 12_345]


def keys(num: int, seed: int = 0) -> Column:
    return np.random.default_rng(seed).integers(0, 1 << 64, (num, 2), dtype=np.uint64)


def filled(slots: int, added: Column, seed: int = 0) -> Filter:
    made = Filter(slots, seed)
    made.add(added)
    return made


def plain(slots: int, added: Column, seed: int) -> list[int]:
    """Count with Python's integers: slot by multiplication, at most two."""
    counts = [0] * slots
    for high, low in added.tolist():
        for probe in range(PROBES):
            mixed = ((high ^ seed) + probe * (low | 1)) % (1 << 64)
            mixed = (mixed ^ mixed >> 31) * 0x9E3779B97F4A7C15 % (1 << 64)
            slot = (mixed >> 32) * slots >> 32
            counts[slot] = min(counts[slot] + 1, 2)
    return counts


def counts_of(made: Filter) -> list[int]:
    packed = made.counters.tolist()
    return [packed[slot >> 2] >> 2 * (slot & 3) & 3 for slot in range(made.slots)]


@pytest.mark.parametrize("slots", SLOTS)
def test_nothing_repeated_is_overlooked(slots: int) -> None:
    once, twice = keys(300, 1), keys(100, 2)
    added = np.concatenate([once, twice, twice])
    added = added[np.random.default_rng(3).permutation(len(added))]
    assert filled(slots, added).maybe_repeated(twice).all()


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_counters_are_those_of_plain_integers(slots: int, seed: int) -> None:
    added = keys(150, seed % 7)
    assert counts_of(filled(slots, added, seed)) == plain(slots, added, seed)


@pytest.mark.parametrize("slots", SLOTS)
def test_parts_add_up_to_the_whole_in_any_order(slots: int) -> None:
    added = np.concatenate([keys(200, 5), keys(60, 5), keys(1, 9), keys(1, 9), keys(1, 9)])
    whole = filled(slots, added).to_bytes()
    rng = np.random.default_rng(slots)
    for parts in (1, 2, 5):
        order = rng.permutation(len(added))
        made = [filled(slots, part) for part in np.array_split(added[order], parts)]
        into = Filter(slots)
        for place in rng.permutation(parts):
            into.merge(made[place])
        assert into.to_bytes() == whole


def test_false_alarms_are_as_rare_as_the_theory_says() -> None:
    slots, num = 50_021, 10_000
    added = keys(num)
    share = filled(slots, added).maybe_repeated(added).mean()
    expected = (1 - math.exp(-PROBES * num / slots)) ** PROBES  # another key in each of four slots
    spread = math.sqrt(expected * (1 - expected) / num)
    assert abs(share - expected) < 6 * spread


def test_a_large_filter_marks_nothing_that_stands_alone() -> None:
    added = keys(1000)
    assert not filled(1 << 22, added).maybe_repeated(added).any()


def test_a_key_that_was_never_added_is_not_repeated() -> None:
    assert not Filter(1000).maybe_repeated(keys(50)).any()


@pytest.mark.parametrize("other", [Filter(101, 1), Filter(100, 2)])
def test_filters_of_other_sizes_or_seeds_are_refused(other: Filter) -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Filter(100, 1).merge(other)


@pytest.mark.parametrize("slots", [-1, 0, 3, (1 << 32) + 1])
def test_impossible_sizes_are_refused(slots: int) -> None:
    with pytest.raises(ValueError, match=r"between 4 and 2\^32"):
        Filter(slots)


def test_seeds_lead_to_other_slots() -> None:
    assert filled(1000, keys(50), 1).to_bytes()[16:] != filled(1000, keys(50), 2).to_bytes()[16:]


@pytest.mark.parametrize("slots", SLOTS)
def test_a_saved_filter_is_the_filter(slots: int, tmp_path: Path) -> None:
    made = filled(slots, keys(200), seed=77)
    path = tmp_path / "filter"
    path.write_bytes(made.to_bytes())
    loaded = Filter.load(path)
    assert (loaded.slots, loaded.seed) == (slots, 77)
    assert loaded.to_bytes() == made.to_bytes()
    assert np.array_equal(loaded.maybe_repeated(keys(300)), made.maybe_repeated(keys(300)))
    into = Filter(slots, 77)
    into.merge(loaded)
    assert into.to_bytes() == made.to_bytes()
