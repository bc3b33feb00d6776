from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.mixing.content import content_hashes

Row = dict[str, Any]
rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(max_size=6),
            "number": st.none() | st.integers(-(2**53), 2**53),
            "score": st.none() | st.floats(allow_nan=False),
            "good": st.none() | st.booleans(),
            "names": st.none() | st.lists(st.none() | st.text(max_size=2), max_size=3),
            "turns": st.none()
            | st.lists(
                st.fixed_dictionaries(
                    {
                        "role": st.sampled_from(["user", "assistant"]),
                        "n": st.none() | st.integers(0, 3),
                    }
                ),
                max_size=3,
            ),
        }
    ),
    min_size=1,
    max_size=12,
)
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.int64()),
        ("score", pa.float64()),
        ("good", pa.bool_()),
        ("names", pa.list_(pa.string())),
        ("turns", pa.list_(pa.struct([("role", pa.string()), ("n", pa.int64())]))),
    ]
)


def batch_of(rows: list[Row], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def plain(row: Row) -> str:
    """A row as what it says: a null is as good as an absent value, in a struct too."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return sorted((k, clean(v)) for k, v in value.items() if v is not None)
        return [clean(v) for v in value] if isinstance(value, list) else value

    return repr(clean({k: (v + 0.0 if isinstance(v, float) else v) for k, v in row.items()}))


@pytest.mark.slow
@given(rows)
def test_rows_have_equal_hashes_if_and_only_if_they_say_the_same(rows: list[Row]) -> None:
    hashes = [tuple(pair) for pair in content_hashes(batch_of(rows)).tolist()]
    for number, row in enumerate(rows):
        for other, hashed in zip(rows[:number], hashes[:number], strict=True):
            assert (plain(row) == plain(other)) == (hashes[number] == hashed)


@pytest.mark.slow
@given(rows, st.data())
def test_neither_batches_nor_layout_make_a_difference(rows: list[Row], data: st.DataObject) -> None:
    whole = content_hashes(batch_of(rows))
    cut = data.draw(st.integers(0, len(rows)))
    batch = batch_of(rows)
    parts = [content_hashes(batch.slice(0, cut)), content_hashes(batch.slice(cut))]
    assert np.array_equal(np.concatenate(parts), whole)
    turned = pa.schema([SCHEMA.field(n) for n in data.draw(st.permutations(SCHEMA.names))])
    assert np.array_equal(content_hashes(batch_of(rows, turned)), whole)
    turn = pa.struct([("n", pa.float64()), ("x", pa.string()), ("role", pa.string())])
    wide = pa.schema(
        [
            ("text", pa.large_string()),
            ("number", pa.float64()),
            ("score", pa.float64()),
            ("good", pa.bool_()),
            ("names", pa.large_list(pa.large_string())),
            ("turns", pa.list_(turn)),
            ("nothing", pa.string()),
            ("null", pa.null()),
        ]
    )
    assert np.array_equal(content_hashes(batch_of(rows, wide)), whole)


def test_types_that_json_lacks_have_hashes_too() -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    columns = {
        "when": pa.array([moment, moment, None]),
        "day": pa.array([moment.date()] * 3),
        "bytes": pa.array([b"\xff", b"\xff", b""]),
        "fixed": pa.array([b"ab", b"ab", b"cd"], pa.binary(2)),
        "price": pa.array([Decimal("1.50")] * 3),
        "word": pa.array(["a", "a", "b"]).dictionary_encode(),
        "map": pa.array([[("a", 1)], [("a", 1)], [("a", 2)]], pa.map_(pa.string(), pa.int64())),
        "pair": pa.array([[1, 2], [1, 2], [2, 1]], pa.list_(pa.int64(), 2)),
        "small": pa.array([1, 1, 255], pa.uint8()),
        "half": pa.array([1.5, 1.5, float("nan")], pa.float32()),
    }
    for name, column in columns.items():
        first, second, third = content_hashes(pa.record_batch({name: column})).tolist()
        assert first == second
        assert (first == third) == (name in ("day", "price"))


def test_a_value_belongs_to_its_column_and_its_place() -> None:
    table = pa.RecordBatch.from_pylist(
        [{"a": "x", "b": "y"}, {"a": "y", "b": "x"}, {"a": "xy", "b": None}, {"a": None, "b": "xy"}]
    )
    assert len(np.unique(content_hashes(table), axis=0)) == 4
    lists = pa.RecordBatch.from_pylist(
        [{"a": ["x", "y"]}, {"a": ["y", "x"]}, {"a": ["x", None, "y"]}, {"a": []}, {"a": None}]
    )
    assert len(np.unique(content_hashes(lists), axis=0)) == 5
