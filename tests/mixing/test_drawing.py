from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mixing.reference import largest_prefix
from thresher.mixing.drawing import (
    NUM_DIGITS,
    Prefix,
    below,
    digit_of,
    draw,
    drawing_keys,
    find_border,
)

Column = np.ndarray[Any, Any]
MOST = 2**64 - 1
words = st.integers(0, 5) | st.integers(MOST - 5, MOST) | st.integers(0, MOST)
rows = st.lists(st.tuples(words, words, words), min_size=2, max_size=40, unique=True)


def tokens_of(count: int) -> Column:
    return np.random.default_rng(count).integers(1, 9, count)


@given(rows, st.booleans(), st.data())
def test_a_draw_is_the_largest_prefix_that_fits(
    rows: list[tuple[int, int, int]], by_tokens: bool, data: st.DataObject
) -> None:
    keys, tokens = np.array(rows, np.uint64), tokens_of(len(rows))
    amounts = tokens.tolist() if by_tokens else [1] * len(rows)
    rest = data.draw(st.integers(0, sum(amounts) - 1))
    end = draw(keys, tokens, by_tokens, rest)
    wanted = largest_prefix(rows, amounts, rest)
    assert set(np.flatnonzero(below(keys, end.bound)).tolist()) == wanted
    assert end.rows == len(wanted)
    assert end.tokens == sum(int(tokens[row]) for row in wanted)


@pytest.mark.slow
@given(rows, st.booleans(), st.data())
def test_digit_by_digit_the_search_ends_at_the_same_row(
    rows: list[tuple[int, int, int]], by_tokens: bool, data: st.DataObject
) -> None:
    keys, tokens = np.array(rows, np.uint64), tokens_of(len(rows))
    whole = int(tokens.sum()) if by_tokens else len(rows)
    rest = data.draw(st.integers(0, whole - 1))
    end = draw(keys, tokens, by_tokens, rest)
    prefix, left, below_rows = Prefix(), rest, 0
    for _ in range(NUM_DIGITS):
        inside = prefix.begins(keys)
        digits = digit_of(keys[inside], prefix.digits)
        known = np.unique(digits)
        num = np.array([(digits == d).sum() for d in known])
        sums = np.array([tokens[inside][digits == d].sum() for d in known])
        border = find_border(known, num, sums, sums if by_tokens else num, left)
        left -= border.tokens if by_tokens else border.rows
        below_rows += border.rows
        prefix = prefix.then(border.digit)
    assert prefix.key == end.bound
    assert below_rows == end.rows


@given(rows, st.integers(0, NUM_DIGITS))
def test_a_prefix_begins_the_keys_it_was_made_of(
    rows: list[tuple[int, int, int]], digits: int
) -> None:
    keys = np.array(rows, np.uint64)
    prefix = Prefix()
    for number in range(digits):
        prefix = prefix.then(int(digit_of(keys[:1], number)[0]))
    assert prefix.begins(keys)[0]


def test_seeds_give_unlike_orders_and_content_decides_alone() -> None:
    content = np.random.default_rng(3).integers(0, MOST, (4000, 2), np.uint64)
    ids = np.arange(4000, dtype=np.uint64)
    drawn = [
        set(np.flatnonzero(drawing_keys(content, ids, seed)[:, 0] < np.uint64(2**63)).tolist())
        for seed in (0, 1)
    ]
    assert all(1850 < len(rows) < 2150 for rows in drawn)
    assert 850 < len(drawn[0] & drawn[1]) < 1150
    others = drawing_keys(content, ids[::-1].copy(), 0)
    assert (others[:, :2] == drawing_keys(content, ids, 0)[:, :2]).all()


def test_copies_are_told_apart_by_their_documents() -> None:
    content = np.full((10, 2), 7, np.uint64)
    ids = np.arange(10, dtype=np.uint64)[::-1].copy()
    end = draw(drawing_keys(content, ids, 0), np.ones(10, np.int64), False, 4)
    drawn = below(drawing_keys(content, ids, 0), end.bound)
    assert sorted(ids[drawn].tolist()) == [0, 1, 2, 3]
