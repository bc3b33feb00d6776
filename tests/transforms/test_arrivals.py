"""A ledger knows when texts and places came, as dictionaries would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from thresher.transforms.arrivals import Ledger, look_up, place_nights, text_nights

Column = np.ndarray[Any, Any]
SMALL = st.integers(0, 3)
KEY = st.tuples(SMALL, SMALL, st.integers(0, 40))


def columns(keys: list[tuple[int, ...]]) -> tuple[Column, Column, Column]:
    rows = np.array(keys, np.uint64).reshape(len(keys), 3)
    return rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy()


@pytest.mark.slow
@examples(100)
@given(st.sets(KEY), st.sets(KEY), st.randoms(use_true_random=False))
def test_rows_are_looked_up_by_text_and_place(
    known: set[tuple[int, ...]], rows: set[tuple[int, ...]], rng: Any
) -> None:
    lines = sorted(known)
    since = {key[:2]: rng.randrange(1, 5) for key in lines}
    here = {key: rng.randrange(1, 9) for key in lines}
    ledger = Ledger(
        *columns(lines),
        np.array([since[key[:2]] for key in lines], np.uint32),
        np.array([here[key] for key in lines], np.uint32),
    )
    asked = sorted(rows, key=lambda _: rng.random())
    found = look_up(ledger, *columns(asked), night=9)
    assert text_nights(found.arrived).tolist() == [since.get(key[:2], 9) for key in asked]
    assert place_nights(found.arrived).tolist() == [here.get(key, 9) for key in asked]
    assert found.known.tolist() == [key in known for key in asked]
    assert found.stands.tolist() == [key in rows for key in lines]


def test_a_million_copies_of_one_text_are_looked_up_in_no_time() -> None:
    num = 1_000_000
    nothing = np.zeros(num, np.uint64)
    places = np.arange(num, dtype=np.uint64) * np.uint64(3)
    nights = np.ones(num, np.uint32)
    ledger = Ledger(nothing, nothing, places, nights, nights)
    found = look_up(ledger, nothing, nothing, places[::-1].copy(), 2)
    assert found.known.all() and found.stands.all()
