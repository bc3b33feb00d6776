"""Files agree on one schema or the run stops; nothing is cast with a loss."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from thresher.errors import InputError
from thresher.schema import conform, merge_blocks, unify, value_bytes, widen

TEXT = pa.schema([("text", pa.string()), ("n", pa.int32())])


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


def test_safe_widening_keeps_the_first_file_s_column_order() -> None:
    other = _schema(n=pa.int64(), text=pa.dictionary(pa.int32(), pa.large_string()))
    assert unify([("a", TEXT), ("b", other)]) == _schema(text=pa.large_string(), n=pa.int64())


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (pa.null(), pa.list_(pa.string()), pa.list_(pa.string())),
        (pa.int8(), pa.int64(), pa.int64()),
        (pa.int64(), pa.float64(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.list_(pa.null()), pa.large_list(pa.string()), pa.large_list(pa.string())),
        (
            pa.struct([("a", pa.null())]),
            pa.struct([("a", pa.bool_())]),
            pa.struct([("a", pa.bool_())]),
        ),
    ],
)
def test_widening_is_symmetric(left: pa.DataType, right: pa.DataType, both: pa.DataType) -> None:
    assert widen(left, right) == both
    assert widen(right, left) == both


def test_a_retyped_column_names_both_files_and_both_types() -> None:
    with pytest.raises(InputError, match=r"b: column 'n' is string, but int32 in a \(write"):
        unify([("a", TEXT), ("b", _schema(text=pa.string(), n=pa.string()))])


def test_a_renamed_column_is_guessed_and_never_read_as_nulls() -> None:
    with pytest.raises(InputError, match=r"b: column 'text' of a is missing; it has 'texts'"):
        unify([("a", TEXT), ("b", _schema(texts=pa.string(), n=pa.int32()))])


def test_an_extra_column_is_refused_unless_the_union_is_asked_for() -> None:
    wide = _schema(text=pa.string(), n=pa.int32(), extra=pa.bool_())
    with pytest.raises(InputError, match=r"a: column 'extra' of b is missing.*--union-columns"):
        unify([("a", TEXT), ("b", wide)])
    assert unify([("a", TEXT), ("b", wide)], union_columns=True) == wide


def test_a_column_of_nothing_but_nulls_may_be_missing() -> None:
    wide = _schema(text=pa.string(), n=pa.int32(), extra=pa.null())
    assert unify([("a", TEXT), ("b", wide)]).names == ["text", "n", "extra"]


def test_a_struct_field_in_one_file_only_is_refused_unless_the_union_is_asked_for() -> None:
    small, large = (
        pa.struct([("a", pa.int64())]),
        pa.struct([("b", pa.string()), ("a", pa.int64())]),
    )
    with pytest.raises(InputError, match=r"field 'b'|column 'o'"):
        unify([("x", _schema(o=small)), ("y", _schema(o=large))])
    both = unify([("x", _schema(o=small)), ("y", _schema(o=large))], union_columns=True)
    assert both.field("o").type == pa.struct([("a", pa.int64()), ("b", pa.string())])


def test_a_key_absent_from_some_blocks_of_a_json_file_is_null_there() -> None:
    blocks = [_schema(a=pa.null()), _schema(b=pa.string()), _schema(a=pa.int64())]
    assert merge_blocks(blocks, "x.jsonl") == _schema(a=pa.int64(), b=pa.string())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("txt", r"no column 'txt'; there are 'text', 'n' \(did you mean 'text'\? set --text-col"),
        ("n", r"a: column 'n' is int32, expected string \(set --text-column"),
    ],
)
def test_a_text_column_must_exist_and_hold_strings(column: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        unify([("a", TEXT)], text_columns=[column])


def test_a_column_twice_in_one_file_is_refused() -> None:
    twice = pa.schema([("a", pa.int64()), ("a", pa.int64())])
    with pytest.raises(InputError, match="occurs twice"):
        unify([("x", twice)])


NESTED = pa.list_(
    pa.struct([("role", pa.large_string()), ("n", pa.float64()), ("new", pa.bool_())])
)


def test_conform_reorders_adds_and_casts_without_a_loss() -> None:
    batch = pa.RecordBatch.from_pylist(
        [
            {"m": [{"n": 1, "role": "r"}, None]},
            {"m": None},
            {"m": []},
            {"m": [{"n": 2, "role": None}]},
        ]
    ).slice(0, 4)
    target = _schema(extra=pa.int64(), m=NESTED)
    done = conform(batch.slice(1), target)
    done.validate(full=True)
    assert done.schema == target
    assert done.column("m").to_pylist() == [None, [], [{"role": None, "n": 2.0, "new": None}]]
    assert conform(batch, target).column("m").to_pylist()[0] == [
        {"role": "r", "n": 1.0, "new": None},
        None,
    ]
    assert conform(batch.slice(0, 0), target).num_rows == 0


def test_conform_refuses_to_round_and_to_drop() -> None:
    batch = pa.RecordBatch.from_pydict({"a": [2**53 + 1]})
    with pytest.raises(InputError, match="'a' cannot be kept exactly as double"):
        conform(batch, _schema(a=pa.float64()))
    with pytest.raises(InputError, match="'a' was not there"):
        conform(batch, _schema(b=pa.int64()))


@pytest.mark.parametrize(
    ("values", "kind", "sizes"),
    [
        (["ab", None, "é"], pa.string(), [2, 0, 2]),
        (["ab", None, "ab"], pa.dictionary(pa.int8(), pa.string()), [2, 0, 2]),
        ([["a", "bc"], None, []], pa.list_(pa.string()), [3, 0, 0]),
        ([{"a": "x", "b": 1}, None], pa.struct([("a", pa.string()), ("b", pa.int64())]), [9, 8]),
        ([[("k", "vv")], None], pa.map_(pa.string(), pa.string()), [3, 0]),
        ([1, None], pa.int16(), [2, 2]),
        ([None, None], pa.null(), [1, 1]),
    ],
)
def test_value_bytes(values: list[Any], kind: pa.DataType, sizes: list[int]) -> None:
    array = pa.array(values, kind)
    assert value_bytes(array).tolist() == sizes
    assert value_bytes(pa.concat_arrays([array, array]).slice(1)).tolist() == sizes[1:] + sizes
