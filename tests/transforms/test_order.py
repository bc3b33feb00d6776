"""Keys of the order sort as the values do, the wanted ones first, absent ones last."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.transforms.order import LAST, largest_first, longest_first

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
DATES = st.dates(dt.date(1700, 1, 1), dt.date(2250, 1, 1))
TIMES = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1))
ZONED = st.datetimes(
    dt.datetime(1700, 1, 2),
    dt.datetime(2250, 1, 1),
    timezones=st.integers(-720, 720).map(lambda m: dt.timezone(dt.timedelta(minutes=m))),
)
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), INT64),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint32(), st.integers(0, (1 << 32) - 1)),
    (pa.uint64(), st.integers(0, (1 << 64) - 1)),
    (pa.bool_(), st.booleans()),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.float16(), st.floats(width=16)),
    (pa.date32(), DATES),
    (pa.date64(), DATES),
    (pa.timestamp("us"), TIMES),
    (pa.timestamp("us", "UTC"), TIMES.map(lambda t: t.replace(tzinfo=dt.UTC))),
    (pa.timestamp("ms"), TIMES.map(lambda t: t.replace(microsecond=0))),
]


def absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def assert_largest_first(values: list[Any], keys: np.ndarray[Any, Any]) -> None:
    assert keys.dtype == np.uint64
    for a, key_a in zip(values, keys.tolist(), strict=True):
        if absent(a):
            assert key_a == LAST
            continue
        for b, key_b in zip(values, keys.tolist(), strict=True):
            if not absent(b):
                assert (key_a < key_b) == (a > b)
                assert (key_a == key_b) == (a == b)


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[str(kind) for kind, _ in KINDS])
def test_larger_values_come_first_and_absent_ones_last(
    kind: pa.DataType, values: st.SearchStrategy[Any]
) -> None:
    @given(st.lists(st.none() | values, max_size=8))
    def holds(drawn: list[Any]) -> None:
        assert_largest_first(drawn, largest_first(pa.array(drawn, kind)))

    holds()


@given(
    st.lists(TIMES | ZONED, min_size=1, max_size=6), st.sampled_from([pa.string, pa.large_string])
)
def test_strings_of_times_sort_as_the_times_do(times: list[dt.datetime], kind: Any) -> None:
    keys = largest_first(pa.array([*(t.isoformat() for t in times), None], kind()))
    as_utc = [t if t.tzinfo else t.replace(tzinfo=dt.UTC) for t in times]
    assert_largest_first([*as_utc, None], keys)


def test_ways_to_write_one_moment_are_one_key() -> None:
    same = [
        "2024-01-31T10:00:00Z",
        "2024-01-31 10:00:00",
        "2024-01-31T10:00:00.000000",
        "2024-01-31T12:00:00+02:00",
        "2024-01-31T12:00:00+0200",
        "2024-01-31T05:00:00-05",
    ]
    assert len(set(largest_first(pa.array(same)).tolist())) == 1


def test_a_date_is_its_midnight() -> None:
    days, times = (
        largest_first(pa.array(["2024-01-31", "2024-02-01"])),
        largest_first(pa.array(["2024-01-31T00:00:00", "2024-02-01T00:00:00"])),
    )
    assert days.tolist() == times.tolist()
    assert days[1] < days[0]


def test_the_ends_of_the_floats_are_ordered() -> None:
    values = [math.inf, 1.7e308, 5e-324, 0.0, -5e-324, -1.7e308, -math.inf, math.nan, None]
    keys = largest_first(pa.array(values, pa.float64(), from_pandas=False))
    assert keys.tolist() == sorted(keys.tolist())
    assert keys[-3] < LAST == keys[-2] == keys[-1]
    assert len(set(largest_first(pa.array([0.0, -0.0])).tolist())) == 1


def test_nulls_alone_are_all_last() -> None:
    assert largest_first(pa.nulls(3)).tolist() == [LAST] * 3
    assert largest_first(pa.nulls(3, pa.string())).tolist() == [LAST] * 3
    assert largest_first(pa.array([], pa.int64())).tolist() == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(["yesterday"]), "not ISO 8601"),
        (pa.array([[1]]), "have no order"),
        (pa.array([{"a": 1}]), "have no order"),
        (pa.array([b"a"]), "have no order"),
    ],
)
def test_values_without_an_order_are_refused(column: pa.Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        largest_first(column)


def test_longer_texts_come_first() -> None:
    lengths = np.array([0, 5, 1 << 40, 4, 5])
    keys = longest_first(lengths)
    assert np.argsort(keys, kind="stable").tolist() == [2, 1, 4, 3, 0]
    assert keys[1] == keys[4]
